"""Every operation against real Keras: values, dtypes, and what a symbolic call says of them."""

import importlib.util
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import ops
from fastlstm.layers.symbolic.keras_tensor import KerasTensor

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("op_cases", DATA / "op_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

GOLDEN = json.loads((DATA / "ops.json").read_text())  # make_op_goldens.py beside it says what is in it
VALUES = iter(np.load(DATA / "ops.npz")["values"])
KNOWN = [number for number, results in enumerate(GOLDEN["cases"]) if results is not None]


def array(shape, dtype):
    return np.array([next(VALUES) for _ in range(int(np.prod(shape)))], "float64").reshape(shape).astype(dtype)


EXPECTED = {number: [array(shape, dtype) for shape, dtype, _ in GOLDEN["cases"][number]] for number in KNOWN}


def each(results):
    return list(results) if isinstance(results, (list, tuple)) else [results]


def named(number):
    return f"{number} {cases.CASES[number][0]}"


@pytest.mark.parametrize("number", KNOWN, ids=named)
def test_values_are_those_of_keras(number):
    results = each(cases.CASES[number][1](ops, cases.arrays(ops.convert_to_tensor)))
    for result, y in zip(results, EXPECTED[number], strict=True):
        assert (result.shape, result.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(result.numpy(), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("number", KNOWN, ids=named)
def test_symbolic_calls_know_what_keras_knows(number):
    tensors = each(cases.CASES[number][1](ops, cases.symbolic(KerasTensor)))
    for tensor, y, (_, _, shape) in zip(tensors, EXPECTED[number], GOLDEN["cases"][number], strict=True):
        assert isinstance(tensor, KerasTensor)
        assert tensor.dtype == y.dtype
        assert all(size in (None, real) for size, real in zip(tensor.shape, y.shape, strict=True))
        assert all(ours is not None or size is None for ours, size in zip(tensor.shape, shape, strict=True))


@pytest.mark.parametrize(("name", "signature"), [pair for pair in GOLDEN["functions"] if pair[0] in ops.__all__])
def test_functions_take_the_arguments_of_keras(name, signature):
    function = getattr(ops, name)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty)
                  for parameter in inspect.signature(function).parameters.values()]  # fmt: skip
    # What goes on to other packages, or is deprecated, is named here.
    assert str(inspect.Signature(parameters)).startswith(signature.removesuffix(")").removesuffix(", **kwargs"))
    assert function.__doc__


def test_all_functions_are_ones_of_keras():
    assert set(ops.__all__) <= {name for name, _ in GOLDEN["functions"]}
    called = {name for name, _ in cases.CASES}
    assert {name for name in ops.FUNCTIONS if name not in called} <= {
        *("array", "average", "bitwise_invert", "bitwise_left_shift", "bitwise_right_shift", "conjugate", "copy"),
        *("empty_like", "erfinv", "fmax", "fmin", "fmod", "isin", "logaddexp2", "slice_update"),
    }
