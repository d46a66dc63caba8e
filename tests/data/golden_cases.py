"""The cases of the goldens: layers and models as tables, with the random numbers that go into them.

`make_goldens.py` has them answered by Keras, `make_written.py` has fastlstm write them for Keras to read. Nothing here
imports either: `keras` is whatever package with Keras' interface the caller passes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

TAME = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hard_silu", "mish", "softplus"),
    *("softsign", "softmax", "log_softmax", "sparsemax", "sigmoid", "hard_sigmoid", "sparse_sigmoid", "log_sigmoid"),
    *("tanh", "hard_tanh", "tanh_shrink", "hard_shrink", "soft_shrink", "squareplus", "sparse_plus"),
)
ACTIVATIONS = (*TAME, "exponential")
BOTH = (False, True)
MASKS = (None, "right", "left", "inner", "rows")
# (batch, timesteps, features, units): all different, straddling the widths of vector registers
LSTM_SIZES = (
    *((2, 5, 7, 1), (3, 4, 100, 7), (5, 3, 65, 8), (4, 6, 63, 15), (2, 3, 33, 16), (3, 5, 31, 17), (6, 2, 17, 31)),
    *((4, 3, 16, 33), (2, 4, 15, 63), (3, 2, 8, 65), (5, 3, 1, 100)),
)


@dataclass(frozen=True)
class LayerCase:
    """A layer called with every combination of `axes`; `shape` is (calls, batch, …)."""

    name: str
    layer: str
    shape: tuple[int, ...]
    fixed: dict = field(default_factory=dict)
    axes: dict[str, tuple] = field(default_factory=dict)
    x_limit: float = 2.0


@dataclass(frozen=True)
class ModelCase:
    """A Sequential model saved in every one of `kinds`; `shape` is (calls, batch, …), `layers` gets keras.layers."""

    name: str
    shape: tuple[int, ...]
    layers: Callable[..., list]
    kinds: tuple[str, ...] = ("keras", "h5")
    input: str = "shape"  # what the model declares: "shape", "batch_shape", or "nothing"
    trained: bool = False  # compiled and fitted for one step, so that the file carries an optimizer


LAYER_CASES = [
    *(
        LayerCase(f"lstm_{f}_{u}", "LSTM", (1, b, t, f), {"units": u, "return_sequences": True})
        for b, t, f, u in LSTM_SIZES
    ),
    *(
        LayerCase(
            f"lstm_arguments_{'sequences' if sequences else 'last'}",
            "LSTM",
            (1, 3, 5, 2),
            {"units": 4, "return_sequences": sequences, "return_state": True},
            {"go_backwards": BOTH, "zero_output_for_mask": BOTH, "mask": MASKS, "initial_state": BOTH},
        )
        for sequences in BOTH
    ),
    LayerCase(
        "lstm_other_arguments",
        "LSTM",
        (1, 2, 4, 3),
        {"units": 5, "dropout": 0.3, "seed": 7},
        {
            "use_bias": BOTH,
            "unit_forget_bias": BOTH,
            "unroll": BOTH,
            "implementation": (1, 2),
            "recurrent_dropout": (0, 0.4),
        },
    ),
    LayerCase(
        "lstm_activations",
        "LSTM",
        (1, 3, 2, 5),
        {"units": 3},
        {"activation": (None, *TAME), "recurrent_activation": (None, *TAME)},
        x_limit=0.5,  # for the pairs without any bound
    ),
    LayerCase(
        "lstm_exponential_activation",
        "LSTM",
        (1, 3, 1, 5),
        {"units": 3, "activation": "exponential"},
        {"recurrent_activation": ("sigmoid", "hard_sigmoid", "softmax")},
    ),
    LayerCase(
        "lstm_exponential_gates",
        "LSTM",
        (1, 3, 2, 5),
        {"units": 3, "recurrent_activation": "exponential"},
        {"activation": ("tanh", "sigmoid", "softmax")},
        x_limit=0.5,
    ),
    LayerCase(
        "lstm_stateful",
        "LSTM",
        (3, 2, 4, 3),
        {"units": 5, "stateful": True, "return_sequences": True, "return_state": True},
        {"go_backwards": BOTH, "mask": (None, "right"), "initial_state": BOTH},
    ),
    LayerCase("lstm_long", "LSTM", (1, 2, 150, 3), {"units": 6, "return_state": True}),
    LayerCase("lstm_saturated", "LSTM", (1, 4, 3, 2), {"units": 9, "return_sequences": True}, x_limit=1000.0),
    LayerCase(
        "dense_7_17", "Dense", (1, 3, 7), {"units": 17}, {"activation": (None, "relu", "tanh"), "use_bias": BOTH}
    ),
    LayerCase(
        "dense_3d", "Dense", (1, 2, 5, 9), {"units": 8}, {"activation": (None, "relu", "softmax"), "use_bias": BOTH}
    ),
    LayerCase(
        "dense_4d", "Dense", (1, 2, 4, 3, 33), {"units": 5}, {"activation": ("gelu", "softmax"), "use_bias": BOTH}
    ),
    LayerCase("dense_63_65", "Dense", (1, 2, 63), {"units": 65, "activation": "tanh"}),
    LayerCase("dense_100_1", "Dense", (1, 9, 100), {"units": 1}),
    LayerCase("activation", "Activation", (1, 3, 4, 6), {}, {"activation": ACTIVATIONS}, x_limit=5.0),
    LayerCase("activation_glu", "Activation", (1, 3, 4, 6), {"activation": "glu"}),
    LayerCase("dropout", "Dropout", (1, 3, 4, 5), {"rate": 0.3}),
]

MODEL_CASES = [
    ModelCase("one", (1, 2, 3, 1), lambda L: [L.LSTM(1)], ("keras",)),
    ModelCase(
        "two",
        (1, 4, 6, 3),
        lambda L: [L.LSTM(8, return_sequences=True), L.Dropout(0.2), L.LSTM(5), L.Dense(2, activation="elu")],
        ("keras", "h5", "weights.h5"),
    ),
    ModelCase(
        "four",
        (1, 3, 9, 4),
        lambda L: [*(L.LSTM(u, return_sequences=True) for u in (7, 5, 3)), L.LSTM(6), L.Dense(2, activation="softmax")],
        ("h5",),
    ),
    ModelCase(
        "arguments",
        (1, 2, 5, 3),
        lambda L: [
            L.LSTM(
                4,
                activation="softsign",
                recurrent_activation="hard_sigmoid",
                kernel_initializer="he_normal",
                recurrent_initializer="glorot_uniform",
                bias_initializer="ones",
                unit_forget_bias=False,
                kernel_regularizer="l2",
                activity_regularizer="l1",
                recurrent_constraint="max_norm",
                dropout=0.1,
                recurrent_dropout=0.2,
                seed=3,
                return_sequences=True,
                go_backwards=True,
                unroll=True,
            ),
            L.LSTM(6, use_bias=False, activation=None),
        ],
        ("keras",),
    ),
    # A .keras numbers its groups by class, so the layer called "lstm" lies in the group "lstm_1".
    ModelCase(
        "swapped_names",
        (1, 3, 4, 5),
        lambda L: [L.LSTM(5, return_sequences=True, name="lstm_1"), L.LSTM(5, name="lstm")],
        ("keras", "weights.h5"),
    ),
    # Eleven layers of one class: as texts, "dense_10" sorts before "dense_2".
    ModelCase("eleven", (1, 3, 2), lambda L: [L.Dense(2, "tanh", use_bias=False) for _ in range(11)], ("keras",)),
    ModelCase("states", (1, 4, 5, 3), lambda L: [L.LSTM(2, return_sequences=True, return_state=True)], ("keras",)),
    ModelCase("stateful", (3, 2, 4, 3), lambda L: [L.LSTM(5, stateful=True), L.Dense(1)], ("h5",), "batch_shape"),
    ModelCase("dense_4d", (1, 2, 3, 4, 5), lambda L: [L.Dense(7, activation="gelu"), L.Dense(2)], ("h5",)),
    ModelCase(
        "without_input",
        (1, 2, 5, 4),
        lambda L: [L.LSTM(3, return_sequences=True), L.Dense(6), L.Activation("softmax")],
        ("keras",),
        "nothing",
    ),
    ModelCase("trained", (1, 6, 5, 2), lambda L: [L.LSTM(3, trainable=False), L.Dense(1)], trained=True),
]

TF_KERAS_MODEL_CASES = [
    ModelCase(
        "tf_two",
        (1, 4, 6, 3),
        lambda L: [
            L.LSTM(8, recurrent_activation="hard_sigmoid", return_sequences=True),
            *(L.Dropout(0.2), L.LSTM(5), L.Dense(2, activation="hard_sigmoid")),
        ],
        ("keras", "h5", "weights.h5", "legacy_weights.h5"),
    ),
    ModelCase(
        "tf_swapped_names",
        (1, 3, 4, 5),
        lambda L: [L.LSTM(5, return_sequences=True, go_backwards=True, name="lstm_1"), L.LSTM(5, name="lstm")],
        ("keras",),
    ),
    ModelCase(
        "tf_stateful",
        (3, 2, 5, 3),
        lambda L: [
            L.LSTM(4, use_bias=False, stateful=True, trainable=False, batch_input_shape=(2, 5, 3)),
            *(L.Dense(1), L.Activation("hard_sigmoid")),
        ],
        ("h5",),
        "nothing",
        trained=True,
    ),
]


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def random_values(rng: np.random.Generator, shape: tuple[int, ...], limit: float) -> np.ndarray:
    """Non-zero multiples of a power of two, within ±limit: exact in float16."""
    step = 2.0 ** np.floor(np.log2(limit / 16))
    most = int(limit / step)
    return ((rng.integers(1, most + 1, shape) * rng.choice([-1, 1], shape)) * step).astype("float32")


def random_weights(rng: np.random.Generator, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Matrices that keep the pre-activations of any width near one, and biases that are never Keras' zeros and ones."""
    return [random_values(rng, s, min(1.0, 2 / np.sqrt(s[0])) if len(s) > 1 else 0.75) for s in shapes]


def as_list(outputs: object) -> list[np.ndarray]:
    return [np.asarray(y) for y in (outputs if isinstance(outputs, (tuple, list)) else [outputs])]


def stacked(results: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Lists of outputs → one array per output, with a new first axis."""
    return [np.stack(outputs) for outputs in zip(*results, strict=True)]


def make_model(keras, case: ModelCase):
    """The model of a case, built, with random weights; `keras` may be any package with Keras' interface."""
    keras.utils.set_random_seed(1)
    rng = generator(case.name)
    model, shape = keras.Sequential(name=case.name), case.shape[2:]
    if case.input == "shape":
        model.add(keras.Input(shape))
    elif case.input == "batch_shape":
        model.add(keras.Input(batch_size=case.shape[1], shape=shape))
    for layer in case.layers(keras.layers):
        model.add(layer)
    model(np.zeros(case.shape[1:], "float32"))
    model.set_weights(random_weights(rng, [w.shape for w in model.get_weights()]))
    reset_states(model)
    return model


def reset_states(model) -> None:
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states()


def run_model(model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of the consecutive calls in `x` (calls, batch, …), by array name."""
    batch_size = x.shape[1]
    outputs = stacked([as_list(model.predict(call, batch_size=batch_size, verbose=0)) for call in x])
    return {f"y{i}": y for i, y in enumerate(outputs)}
