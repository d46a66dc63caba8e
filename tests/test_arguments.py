"""Whatever a caller gives a public function or class, it works or is refused in words."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest

import fastlstm
from fastlstm import arguments, layers
from fastlstm.ops.older import FUNCTIONS as OLDER

X = np.arange(1, 7, dtype=np.float32).reshape(2, 3) / 7
IDS = np.array([[0, 1, 2], [1, 1, 0]])
WITHOUT_WORDS = (UnicodeError, LookupError)


def nested(depth):
    made = []
    for _ in range(depth):
        made = [made]
    return made


# Made anew for every call.
ABSURD = {
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "2**63": lambda: 2**63,
    "-7": lambda: -7,
    "0": lambda: 0,
    "nan": lambda: float("nan"),
    "1e308": lambda: 1e308,
    "none": lambda: None,
    "text": lambda: "a" * 1000,
    "half of a character": lambda: "\ud800",
    "complex": lambda: 1j,
    "empty": list,
    "dict": lambda: {10**400: 10**400},
    "object": object,
    "deep": lambda: nested(5000),
    "float16": lambda: np.float16("nan"),
    "objects": lambda: np.array([object(), None], object),
    "large objects": lambda: np.full((2, 3), 10**400, object),
    "no rows": lambda: np.zeros((0, 3), np.float32),
    "33 axes": lambda: np.ones((1,) * 33, np.float32),
    "shape": lambda: (10**18, 10**18),
    "list": lambda: [10**400],
    "range": lambda: range(10**18),
    "symbolic": lambda: fastlstm.KerasTensor((None, 3)),
}
# What a call that works gives for an argument, by its name. Others have a default, or are an array.
VALID = {
    "xs": [X, X],
    "shape": (2, 3),
    "newshape": (2, 3),
    "indices": IDS,
    "bins": IDS,
    "axes": (1, 0),
    "dtype": "float32",
    "condition": X > 0.4,
    "subscripts": "ab->ba",
    "pattern": (1, 0),
    "key": (0, slice(1, 2)),
    "start_indices": (0, 1),
    "indices_or_sections": [1],
    "boundaries": [1, 2],
    "target_class_ids": [0],
    "data_format": "channels_last",
}
for value, names in {
    0: "axis2 minval start min_value low",
    0.5: """alpha beta rate q threshold default_value probabilities level decay_rate recall precision specificity
        sensitivity initial_learning_rate max_value high scale""",
    1: "axis k n rep repeats shift pad_width offset axis1 source destination fill_value counts",
    3: "N num num_samples maxval vocabulary_size units size num_classes rank",
    10: "decay_steps first_decay_steps stop",
}.items():
    VALID |= dict.fromkeys(names.split(), value)
MODULES = [
    "activations",
    "backend",
    "config",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "optimizers.schedules",
    "preprocessing.sequence",
    "random",
    "regularizers",
    "utils",
]
# They wait for somebody else, call or go through what they are given, or are NumPy's.
LEFT_OUT = ("get_file", "plot_model", "model_to_dot", "print_message", "rnn", "function", "backend", "foldl", "foldr")
LEFT_OUT = (*LEFT_OUT, "Progbar", "skipgrams", "batch_get_value", "Tensor")


def public(module):
    room = importlib.import_module(f"fastlstm.{module}")
    for name in getattr(room, "__all__", dir(room)):
        made = getattr(room, name)
        ours = str(getattr(made, "__module__", "")).startswith(f"fastlstm.{module.split('.')[0]}")
        if callable(made) and ours and not name.startswith("_") and name not in LEFT_OUT:
            yield f"{module}.{name}", made


CALLABLES = {name: made for module in MODULES for name, made in public(module)}
CALLABLES |= {f"older {name}": made for name, made in OLDER.items() if name not in LEFT_OUT}


def tried(made):
    """Use what was made of an absurd argument, if it is an object."""
    if isinstance(made, fastlstm.initializers.Initializer):
        made((3, 3))
    elif isinstance(made, (fastlstm.regularizers.Regularizer, fastlstm.constraints.Constraint)):
        made(X)
    elif isinstance(made, fastlstm.losses.Loss):
        made(X, X)
        made.value_and_gradient(X, X)
    elif isinstance(made, fastlstm.metrics.Metric):
        made.update_state(*(X, X)[: len(inspect.signature(made.update_state).parameters) - 1])
        made.result()
    elif isinstance(made, fastlstm.optimizers.Optimizer):
        weight = X.copy()
        made.apply([X], [weight])
        made.apply([X], [weight])
    elif isinstance(made, fastlstm.optimizers.schedules.LearningRateSchedule):
        made(0), made(7)


def words_of(call, *args, **kwargs):
    """What is wrong with how a call is refused, None if nothing is."""
    try:
        call(*args, **kwargs)
    except WITHOUT_WORDS as error:
        return repr(error)
    except (ValueError, TypeError, NotImplementedError, OSError, MemoryError) as error:
        return None if " " in str(error) and len(str(error)) < 3000 else f"{type(error)}: {str(error)[:100]}"
    except Exception as error:
        return repr(error)
    return None


@pytest.fixture(autouse=True)
def settings():
    yield
    fastlstm.backend.clear_session()
    fastlstm.config.set_epsilon(1e-7)
    fastlstm.config.set_image_data_format("channels_last")
    fastlstm.config.enable_interactive_logging()
    fastlstm.mixed_precision.set_global_policy("float32")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLABLES)
def test_absurd_arguments(name):
    call = CALLABLES[name]
    parameters = [each for each in inspect.signature(call).parameters.values() if each.kind != each.VAR_KEYWORD]
    empty = inspect.Parameter.empty
    valid = {each.name: VALID.get(each.name, X) for each in parameters if each.default is empty}
    positional = [each.name for each in parameters if each.kind == each.VAR_POSITIONAL]
    wrong = {}
    for each in parameters:
        for label, make in ABSURD.items():
            given = {**valid, each.name: make()}
            several = [given.pop(one) for one in positional if one in given]
            before = [
                given.pop(one.name) for one in parameters if several and one.default is empty and one.name in given
            ]

            def used(args=(*before, *several), given=given):
                tried(call(*args, **given))

            problem = words_of(used)
            if problem:
                wrong[f"{each.name}={label}"] = problem
    assert not wrong


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (lambda: arguments.check_numbers(rate=10**400), "`rate` should be a number .* Received: rate=1000"),
        (lambda: arguments.check_numbers(rate="1"), "`rate` should be a number .* Received: rate='1'"),
        (lambda: arguments.check_name(3), "A name should be a string. Received: name=3"),
        (lambda: arguments.array([10**400], np.float32, "`x`"), "`x` should be an array of numbers: .* too large"),
        (lambda: arguments.whole(1.5, "n"), "`n` should be an integer of at least 0. Received: n=1.5"),
        (lambda: arguments.whole(True, "n"), "Received: n=True"),
        (lambda: arguments.wholes([2, -1], "n"), "Received: n=-1"),
        (lambda: arguments.wholes(np.ones((2, 2), int), "n"), "Received: n=array"),
        (lambda: arguments.place(10**400, 2), "Axis 1000.* is out of range for a tensor of 2 dimensions"),
        (lambda: arguments.place(np.zeros(2), 2), "An axis should be an integer"),
        (lambda: arguments.places([0, -2], 2), "Duplicate value in 'axis': "),
        (lambda: arguments.places([0] * 10**6, 2), "Duplicate value in 'axis': "),
        (lambda: fastlstm.activations.softmax(X, 7), "softmax cannot be computed of what it was given: .*axis 7"),
        (lambda: fastlstm.ops.sum(X, 2**63), "Sum cannot be computed of what it was given"),
        (lambda: layers.Dense("a" * 10**6), "Received: units=aaa.*…"),
    ],
)
def test_words(refused, text):
    with pytest.raises(ValueError, match=text) as caught:
        refused()
    assert len(str(caught.value)) < 2000


def test_numbers_that_are_not_refused():
    arguments.check_numbers(a=None, b=1e308, c=np.float16("nan"), d=[1, 2], e=True, f=float("inf"))
    assert arguments.wholes(np.array([2, 3]), "n") == (2, 3) and arguments.wholes(np.int64(2), "n") == (2,)
    assert arguments.places(None, 2) == [0, 1] and arguments.places((-1, 0), 2) == [1, 0]


def test_errors_of_others_keep_their_kind():
    class Own(fastlstm.losses.Loss):
        def call(self, y_true, y_pred):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Own()(X, X)
