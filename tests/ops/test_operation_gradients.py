"""The gradients of operations, against central differences in float64."""

import numpy as np
import pytest

from fastlstm import ops
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.symbolic.operation import find
from fastlstm.layers.symbolic.operation_gradients import RULES

RNG = np.random.default_rng(11)


def values(*shape, low=-2.0, high=2.0):
    return RNG.uniform(low, high, shape)


def positive(*shape):
    return values(*shape, low=0.3, high=2.0)


def inside(*shape):
    return values(*shape, low=-0.8, high=0.8)


A, B, V = values(2, 3, 4), values(2, 3, 4), values(4)
INTS = np.array([[2, 0, 2], [1, 1, 3]])
ACTIVATIONS = ["Celu", "Elu", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "LogSigmoid", "Mish", "Relu6", "Selu"]
ACTIVATIONS += ["Silu", "Softplus", "Softsign", "SparsePlus", "SparseSigmoid", "Squareplus", "TanhShrink", "ReLU"]
PLAIN = ["Absolute", "Arcsinh", "Arctan", "Cbrt", "Cos", "Cosh", "Erf", "Exp", "Exp2", "Expm1", "Negative"]
PLAIN += ["NanToNum", "Relu", "Sin", "Sinh", "Square", "Array", "Copy", "ConvertToTensor", "Ravel", "Transpose"]
# Far enough from where slopes jump.
APART = np.array([[-2.3, -0.75, -0.3, 0.4], [0.8, 1.1, 1.9, 3.5]])

# Class of the operation, its tensors, its other arguments.
CASES = [
    *((name, [A], {}) for name in PLAIN),
    ("Reciprocal", [positive(2, 3)], {}),
    *((name, [positive(2, 3)], {}) for name in ("Log", "Log10", "Log1p", "Log2", "Rsqrt", "Sqrt")),
    *((name, [inside(2, 3)], {}) for name in ("Arccos", "Arcsin", "Arctanh", "Tan")),
    ("Arccosh", [positive(2, 3) + 1], {}),
    *((name, [A, B[:, :1]], {}) for name in ("Add", "Arctan2", "Divide", "Hypot", "Logaddexp", "Maximum", "Minimum")),
    *((name, [V, B], {}) for name in ("Multiply", "Subtract", "TrueDivide", "DivideNoNan")),
    ("Mod", [A, positive(4)], {}),
    ("Power", [positive(2, 3), values(3)], {}),
    ("Power", [A, 3.0], {}),
    ("Power", [A, 2], {}),
    ("Add", [2.5, A], {}),
    ("Clip", [A], {"x_min": -0.5, "x_max": 1.0}),
    ("Where", [A > 0, A, V], {}),
    ("Cast", [A], {"dtype": "float64"}),
    # products
    ("Matmul", [A, values(4, 5)], {}),
    ("Matmul", [A, values(2, 4, 5)], {}),
    ("Matmul", [values(2, 1, 3, 4), values(3, 4, 2)], {}),
    ("Matmul", [A, V], {}),
    ("Matmul", [V, values(2, 4, 3)], {}),
    ("Matmul", [V, values(4)], {}),
    ("Matmul", [values(3, 4), V], {}),
    ("Matmul", [values(3, 4), values(4, 2)], {}),
    ("Matmul", [values(3, 4), values(2, 4, 2)], {}),
    ("Dot", [A, values(4, 5)], {}),
    ("Dot", [A, V], {}),
    ("Dot", [A, values(3, 4, 2)], {}),
    ("Dot", [V, values(4)], {}),
    ("Dot", [A, 2.0], {}),
    ("Inner", [A, values(5, 4)], {}),
    ("Outer", [values(3), values(2, 2)], {}),
    ("Tensordot", [A, values(4, 3, 5)], {"axes": [[1, 2], [1, 0]]}),
    ("Tensordot", [A, values(3, 4, 2)], {"axes": 2}),
    ("Tensordot", [A, values(5, 3)], {"axes": [1, 1]}),
    ("Tensordot", [values(3), values(2)], {"axes": 0}),
    ("Einsum", [A, values(2, 5, 4)], {"subscripts": "bqd,bkd->bqk"}),
    ("Einsum", [A, values(4, 6)], {"subscripts": "...d,de->...e"}),
    ("Einsum", [A], {"subscripts": "abc->ca"}),
    ("Einsum", [A, values(2, 3), V], {"subscripts": "abc,ab,c->b"}),
    # labels in time
    ("CTCLoss", [INTS[:, :2], values(2, 6, 4), np.array([2, 1]), np.array([6, 4])], {"mask_index": 3}),
    ("OlderCTCLoss", [INTS[:, :2], values(2, 6, 4), np.array([2, 1]), np.array([6, 4])], {}),
    # along axes
    *((name, [A], {"axis": 1}) for name in ("Amax", "Amin", "Max", "Min", "Mean", "Std", "Sum", "Var", "Prod")),
    *((name, [A], {"axis": [0, -1], "keepdims": True}) for name in ("Max", "Mean", "Sum", "Std", "Logsumexp")),
    *((name, [A], {}) for name in ("Max", "Mean", "Sum", "Var", "Logsumexp", "Norm", "Average")),
    ("Prod", [np.array([[0.0, 2.0, 3.0], [1.5, -1.0, 0.5]])], {"axis": 1}),
    ("Average", [A], {"axis": 2}),
    ("Moments", [A], {"axes": [1]}),
    ("Logsumexp", [A], {"axis": -1}),
    ("Norm", [A], {"axis": 1, "keepdims": True}),
    ("Norm", [A], {"axis": 2, "ord": 1}),
    ("Norm", [A], {"axis": 2, "ord": 2}),
    ("Cumsum", [A], {"axis": 1}),
    ("Cumsum", [A], {}),
    ("Diff", [A], {"axis": 1}),
    ("Diff", [A], {"n": 2}),
    ("Sort", [A], {"axis": 1}),
    ("TopK", [A], {"k": 2}),
    ("Normalize", [A], {"axis": 1}),
    ("Normalize", [A], {"axis": [1, 2]}),
    ("LayerNorm", [A, V, values(4)], {"axis": -1}),
    ("LayerNorm", [A], {"axis": [1, 2], "epsilon": 0.1}),
    ("RMSNorm", [A, V], {"axis": -1, "epsilon": 0.1}),
    # moved
    ("Append", [A, B[:, :2]], {"axis": 1}),
    ("Append", [A, V], {}),
    ("ArraySplit", [A], {"indices_or_sections": 3, "axis": 2}),
    ("BroadcastTo", [V], {"shape": [3, 4]}),
    ("Concatenate", [[A, B[:, :2]]], {"axis": 1}),
    ("ExpandDims", [A], {"axis": 1}),
    ("Flip", [A], {"axis": 1}),
    ("Flip", [A], {}),
    ("GetItem", [A, (slice(None), -1)], {}),
    ("GetItem", [A, (Ellipsis, slice(1, None, 2), None)], {}),
    ("GetItem", [A, 1], {}),
    ("Moveaxis", [A], {"source": 0, "destination": 2}),
    ("Moveaxis", [A], {"source": [0, 1], "destination": [1, 2]}),
    ("Pad", [A], {"pad_width": [[0, 0], [1, 2], [0, 3]]}),
    ("Pad", [A], {"pad_width": 1}),
    ("Repeat", [A], {"repeats": 2, "axis": 1}),
    ("Repeat", [A], {"repeats": [1, 0, 3], "axis": 1}),
    ("Repeat", [A], {"repeats": 2}),
    ("Reshape", [A], {"newshape": [3, -1]}),
    ("Roll", [A], {"shift": 2, "axis": 1}),
    ("Roll", [A], {"shift": 2}),
    ("Roll", [A], {"shift": [1, 2], "axis": [0, 2]}),
    ("Slice", [A, [0, 1, 1]], {"shape": [2, 1, -1]}),
    ("SliceUpdate", [A, [0, 1, 0], values(1, 2, 4)], {}),
    ("Split", [A], {"indices_or_sections": 2, "axis": -1}),
    ("Split", [A], {"indices_or_sections": [1, 3], "axis": 2}),
    ("Squeeze", [A[:, :1]], {"axis": 1}),
    ("Stack", [[A, B]], {"axis": -1}),
    ("Swapaxes", [A], {"axis1": 0, "axis2": 2}),
    ("Take", [A, INTS], {"axis": -1}),
    ("Take", [A, np.array([0, 1, 0])], {"axis": 0}),
    ("Take", [A, np.array(1)], {"axis": 1}),
    ("Take", [A, INTS], {}),
    ("TakeAlongAxis", [A, np.array([[[0], [3], [3]], [[1], [1], [2]]])], {"axis": 2}),
    ("TakeAlongAxis", [A[:1], np.array([[[0, 1, 2, 1]], [[0, 0, 1, 1]]])], {"axis": 1}),
    ("TakeAlongAxis", [V, np.array([0, 3, 3])], {}),
    ("Tile", [A], {"repeats": [2, 1, 3]}),
    ("Tile", [V], {"repeats": [3, 2]}),
    ("Transpose", [A], {"axes": [2, 0, 1]}),
    ("Transpose", [A], {"axes": [0, -1, 1]}),
    ("Tril", [values(2, 3, 3)], {"k": -1}),
    ("Triu", [values(3, 3)], {}),
    ("Unstack", [A], {"axis": 1}),
]
# Those that the engine runs in float32, and softmax, which is computed there too.
IN_FLOAT32 = [
    *((name, [APART], {}) for name in (*ACTIVATIONS, "Sigmoid", "Tanh")),
    ("Glu", [A], {"axis": 2}),
    ("Threshold", [APART], {"threshold": 0.1, "default_value": 3.0}),
    ("ReLU", [APART], {"negative_slope": 0.1, "max_value": 1.5, "threshold": 0.2}),
    ("Gelu", [A], {"approximate": True}),
    ("Gelu", [A], {"approximate": False}),
    ("HardShrink", [APART], {}),
    ("SoftShrink", [APART], {}),
    ("Elu", [np.array(-0.7)], {"alpha": 0.4}),
    *((name, [A], {"axis": axis}) for name in ("Softmax", "LogSoftmax") for axis in (-1, 1, [1, 2], None)),
]
# Tensors of these have no gradient.
FLAT = ["Ceil", "Floor", "OneHot", "OnesLike", "Round", "Sign", "StopGradient", "Trunc", "ZerosLike"]


def named(case):
    return f"{case[0]} {[np.shape(x) if hasattr(x, 'shape') else '' for x in case[1]]} {case[2]}"


def is_float(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def differences(run, x, step):
    """The slopes of a function of one array, by central differences."""
    found = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            found[place] += sign * run(moved) / (2 * step)
    return found


def checked(case, dtype, step, tolerance):
    name, tensors, parameters = case
    tensors = map_structure(lambda x: x.astype(dtype) if is_float(x) else x, tensors)
    several = isinstance(tensors[0], list)
    operands = tensors[0] if several else tensors
    operation = find(name)(**parameters)
    y, backward = operation.call_with_gradient(*tensors)
    weights = [RNG.normal(size=np.shape(one)) for one in flatten(y)]
    d = [weight.astype(dtype) for weight in weights]
    gradients, _ = backward(d if isinstance(y, (list, tuple)) else d[0])
    found = gradients[0] if several else gradients
    assert len(found) >= sum(map(is_float, operands))
    for place, operand in enumerate(operands):
        if not is_float(operand):
            continue

        def total(moved, place=place):
            given = [*operands[:place], moved.astype(dtype), *operands[place + 1 :]]
            outputs = flatten(operation.call(*([given] if several else given)))
            pairs = zip(weights, outputs, strict=True)
            return sum((weight * output).sum() for weight, output in pairs if is_float(output))

        expected = differences(total, operand.astype(np.float64), step)
        assert found[place].shape == operand.shape and found[place].dtype == dtype
        np.testing.assert_allclose(found[place], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_central_differences(case):
    checked(case, np.float64, 1e-6, 1e-7)


@pytest.mark.parametrize("case", IN_FLOAT32, ids=named)
def test_central_differences_of_float32(case):
    checked(case, np.float32, 2**-8, 2e-3)


@pytest.mark.parametrize("name", FLAT)
def test_flat(name):
    x = np.array([[1, 2], [0, 1]]) if name == "OneHot" else A.astype(np.float32)
    operation = find(name)(**({"num_classes": 3} if name == "OneHot" else {}))
    y, backward = operation.call_with_gradient(x)
    assert backward(np.ones_like(y))[0] == [None]


def test_every_rule_is_tested():
    tested = {case[0] for case in CASES + IN_FLOAT32} | set(FLAT)
    assert set(RULES) - tested == {"EmptyLike", "FloorDivide", "FullLike", "MultiHot"}


@pytest.mark.parametrize(
    ("name", "tensors", "parameters"),
    [
        ("Average", [A, A], {"axis": 1}),
        ("Einsum", [values(3, 3)], {"subscripts": "aa->a"}),
        ("LayerNorm", [A], {"axis": -1, "rms_scaling": True}),
        ("Norm", [A], {"axis": 1, "ord": 3}),
        ("Normalize", [A], {"order": 3}),
        ("Pad", [A], {"pad_width": 1, "mode": "reflect"}),
    ],
)
def test_what_is_refused(name, tensors, parameters):
    y, backward = find(name)(**parameters).call_with_gradient(*tensors)
    with pytest.raises(NotImplementedError, match=f"Training cannot go through.*{name.lower()[:4]}"):
        backward(np.ones_like(y))


def test_gradients_of_indices_are_none():
    y, backward = find("Take")(axis=1).call_with_gradient(A, np.array([0, 2]))
    assert backward(np.ones_like(y))[0][1] is None
    assert ops.take(A, np.array([0, 2]), axis=1).shape == y.shape
