"""Variables after each step, state and configs of all optimizers, and the rates of schedules, against real Keras."""

import copy
import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from fastlstm import backend, optimizers
from fastlstm.backend import Variable
from fastlstm.optimizers import schedules

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("optimizer_cases", DATA / "optimizer_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

ANSWERS = np.load(DATA / "optimizers.npy")
RECORDS, SCHEDULES, SCHEDULED = json.loads((DATA / "optimizers.json").read_text(encoding="utf-8"))
KEPT = (0, 1, 5, cases.STEPS - 1)


def answers():
    """For each case the variables after some of the steps, then the state."""
    place = 0
    for record in RECORDS:
        shapes = [*([*cases.SHAPES.values()] * len(KEPT)), *(tuple(shape) for _, shape, _ in record["state"])]
        arrays = []
        for shape in shapes:
            size = int(np.prod(shape))
            arrays.append(ANSWERS[place : place + size].reshape(shape))
            place += size
        yield arrays
    assert place == len(ANSWERS)


CASES = [
    pytest.param(*case, record, arrays, id=f"{case[0]}-{case[1]}")
    for case, record, arrays in zip(cases.OPTIMIZERS, RECORDS, answers(), strict=True)
]


def close(actual, desired):
    """Within 1e-6 of the largest number, but for what 25 steps add up."""
    np.testing.assert_allclose(actual, desired, rtol=2e-6, atol=1e-6 * max(np.abs(desired).max(initial=0), 0.1))


def made(class_name, arguments):
    backend.clear_session()
    return getattr(optimizers, class_name)(**arguments)


@pytest.mark.parametrize(("class_name", "arguments", "record", "expected"), CASES)
def test_steps(class_name, arguments, record, expected):
    optimizer = made(class_name, arguments)
    variables = [Variable(value, name=name) for name, value in zip(cases.SHAPES, cases.start(), strict=True)]
    places = [variable.value for variable in variables]
    expected = iter(expected)
    for step in range(cases.STEPS):
        optimizer.apply(cases.gradients(step), variables)
        if step in KEPT:
            for variable in variables:
                close(variable.value, next(expected))
    assert all(variable.value is place for variable, place in zip(variables, places, strict=True))
    assert [[v.path, list(v.shape), v.dtype] for v in optimizer.variables] == record["state"]
    for variable in optimizer.variables:
        close(variable.value, next(expected))


@pytest.mark.parametrize(("class_name", "arguments", "record", "expected"), CASES)
def test_every_way_gives_the_same_bits(class_name, arguments, record, expected):
    """Variables, arrays, read-only arrays with `assign`, one flat array, a copy and a pickle on the way."""

    class ReadOnly(Variable):
        def assign(self, value):
            self.value = np.array(value)
            self.value.flags.writeable = False

    named = [Variable(value, name=name) for name, value in zip(cases.SHAPES, cases.start(), strict=True)]
    read_only = [ReadOnly(value, name=name) for name, value in zip(cases.SHAPES, cases.start(), strict=True)]
    for variable in read_only:
        variable.value.flags.writeable = False
    arrays = cases.start()
    flat = np.concatenate([value.ravel() for value in cases.start()])
    separate = cases.start()
    of_named, of_read_only, of_arrays, of_flat, of_separate = (made(class_name, arguments) for _ in range(5))
    of_flat.build(cases.start())
    of_separate.build(separate)
    for step in range(9):
        gradients = cases.gradients(step)
        before = [gradient.copy() for gradient in gradients]
        of_named.apply_gradients(zip(gradients, named, strict=True))
        of_read_only.apply(gradients, read_only)
        of_arrays.apply(gradients, arrays)
        of_flat.update([np.concatenate([gradient.ravel() for gradient in gradients])], [flat])
        of_separate.update(gradients, separate)
        for gradient, kept in zip(gradients, before, strict=True):
            np.testing.assert_array_equal(gradient, kept)
        if step == 4:
            of_named, named = pickle.loads(pickle.dumps((of_named, named)))
            of_arrays, arrays = copy.deepcopy((of_arrays, arrays))
    cut = of_flat.cut(flat)
    for variable, other, array, part, last in zip(named, read_only, arrays, cut, separate, strict=True):
        for same in (other.value, array, part, last):
            np.testing.assert_array_equal(variable.value, same)
    for optimizer in (of_read_only, of_arrays, of_flat, of_separate):
        for state, same in zip(of_named.variables, optimizer.variables, strict=True):
            np.testing.assert_array_equal(state.value, same.value)


@pytest.mark.parametrize(("class_name", "arguments", "record", "expected"), CASES)
def test_configs(class_name, arguments, record, expected):
    optimizer = made(class_name, arguments)
    assert optimizers.serialize(optimizer) == record["serialized"]
    again = optimizers.get(json.loads(json.dumps(record["serialized"])))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("case", "record"), list(zip(cases.SCHEDULES, SCHEDULES, strict=True)), ids=lambda value: str(value)[:60]
)
def test_schedules(case, record):
    class_name, arguments = case
    schedule = getattr(schedules, class_name)(**arguments)
    for step, rate in enumerate(record["rates"]):
        for given in (step, np.int64(step), Variable(np.int64(step))):
            assert type(schedule(given)) is np.float32
            assert schedule(given) == pytest.approx(rate, rel=1e-6, abs=1e-9)
    assert schedules.serialize(schedule) == record["serialized"]
    assert schedules.deserialize(record["serialized"]).get_config() == schedule.get_config()


def test_an_optimizer_with_a_schedule():
    optimizer = optimizers.Adam(schedules.ExponentialDecay(0.1, 7, 0.8), name="scheduled")
    assert optimizers.serialize(optimizer) == SCHEDULED
    again = optimizers.get(SCHEDULED)
    variables = [np.ones(3, np.float32) for _ in range(2)]
    for step in range(3):
        for one, variable in zip((optimizer, again), variables, strict=True):
            assert one.learning_rate == schedules.ExponentialDecay(0.1, 7, 0.8)(step)
            one.apply([np.full(3, 0.5, np.float32)], [variable])
    np.testing.assert_array_equal(*variables)
    assert [variable.name for variable in optimizer.variables] == ["iteration", "var_momentum", "var_velocity"]
