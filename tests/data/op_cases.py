"""Calls of Keras' operations: of `make_op_goldens.py` with real Keras, and of the tests with fastlstm.

A case is a name and `call(ops, x)`; `x` has tensors by name, with values or symbolic.
"""

from __future__ import annotations

import numpy as np

SHAPES = {"a": (2, 3, 4), "b": (2, 3, 4), "c": (3, 4), "row": (4,), "square": (2, 4, 4), "heads": (2, 3, 2, 4)}
ALIKE = ("float32", "int32", "bool", "int8", "uint8", "float64")


def arrays(made):
    """The tensors with values; `made` makes one of an array."""
    rng = np.random.default_rng(8)
    x = {name: rng.uniform(-2, 2, shape).round(2).astype("float32") for name, shape in SHAPES.items()}
    x |= {"positive": rng.uniform(0.1, 2, (2, 3, 4)).round(2).astype("float32"), "valid": rng.random((2, 3)) < 0.6}
    x |= {"ids": rng.integers(0, 4, (2, 3)).astype("int32"), "unit": rng.uniform(-1, 1, (2, 3)).astype("float32")}
    for dtype in ALIKE:
        x[dtype] = rng.integers(0, 2 if dtype == "bool" else 5, (2, 3)).astype(dtype)
    return {name: made(array) for name, array in x.items()}


def symbolic(made):
    """The tensors without values, all of a batch that is not known; `made` makes one of a shape and a dtype."""
    fixed = {"c", "row"}
    return {
        name: made(array.shape if name in fixed else (None, *array.shape[1:]), str(array.dtype))
        for name, array in arrays(lambda array: array).items()
    }


CASES = []


def words(text):
    return text.split()


def case(name, call):
    CASES.append((name, call))


def of_function(name, call):
    """A call of `ops.<name>`."""
    case(name, lambda ops, x: call(getattr(ops, name), x))


# --- each value alone -----------------------------------------------------------------------------------------------

UNARY = words(
    "abs absolute bitwise_not ceil conj copy cos cosh deg2rad exp exp2 expm1 floor isfinite isinf isnan isneginf "
    "isposinf isreal log1p logical_not negative rad2deg real round sign signbit sin sinc sinh square tan tanh trunc "
    "erf relu relu6 sigmoid softplus softsign silu swish log_sigmoid hard_sigmoid hard_silu hard_swish hard_tanh "
    "selu elu celu gelu leaky_relu hard_shrink soft_shrink sparse_plus sparse_sigmoid squareplus tanh_shrink "
    "arcsinh arctan stop_gradient nan_to_num "
)
for _name in UNARY:
    of_function(_name, lambda f, x: f(x["int32" if f.__name__ == "bitwise_not" else "a"]))
for _name in words("log log10 log2 sqrt rsqrt reciprocal cbrt"):
    of_function(_name, lambda f, x: f(x["positive"]))
for _name in words("arcsin arccos arctanh erfinv"):
    of_function(_name, lambda f, x: f(x["unit"]))
of_function("arccosh", lambda f, x: f(x["positive"] + 1))
for _name in words("exp floor sqrt sign square absolute negative round logical_not isnan tanh"):
    for _dtype in ("int32", "bool", "uint8", "float64"):
        if not (_dtype == "bool" and _name in ("sign", "negative", "absolute", "round")):
            of_function(_name, lambda f, x, dtype=_dtype: f(x[dtype]))
of_function("round", lambda f, x: f(x["a"], 1))
of_function("clip", lambda f, x: f(x["a"], -0.5, 1.25))
of_function("clip", lambda f, x: f(x["int32"], 1, 3))
of_function("leaky_relu", lambda f, x: f(x["a"], negative_slope=0.3))
of_function("elu", lambda f, x: f(x["a"], alpha=0.5))
of_function("gelu", lambda f, x: f(x["a"], approximate=False))
of_function("threshold", lambda f, x: f(x["a"], 0.5, -1.0))
of_function("glu", lambda f, x: f(x["a"]))
for _dtype in ("float32", "int32", "bool", "int64", "uint8", "float64"):
    of_function("cast", lambda f, x, dtype=_dtype: f(x["a" if dtype != "uint8" else "positive"], dtype))
of_function("saturate_cast", lambda f, x: f(x["a"] * 100, "int8"))
of_function("convert_to_tensor", lambda f, x: f(x["int32"], "float32"))

# --- two tensors ----------------------------------------------------------------------------------------------------

ARITHMETIC = words(
    "add subtract multiply divide true_divide floor_divide mod power maximum minimum arctan2 hypot logaddexp "
    "divide_no_nan"
)
COMPARISONS = words("equal not_equal greater greater_equal less less_equal logical_and logical_or logical_xor")
for _name in (*ARITHMETIC, *COMPARISONS):
    of_function(_name, lambda f, x: f(x["positive"], x["c"]))
    of_function(_name, lambda f, x: f(x["a"], 2))
    of_function(_name, lambda f, x: f(2.5, x["positive"]))
for _name in ("add", "multiply", "maximum", "divide", "less", "where"):
    for _one in ALIKE:
        for _other in ALIKE:
            if _name == "where":
                case("where", lambda ops, x, a=_one, b=_other: ops.where(x["valid"], x[a], x[b]))
            else:
                of_function(_name, lambda f, x, a=_one, b=_other: f(x[a], x[b]))
for _dtype in ALIKE:
    of_function("add", lambda f, x, dtype=_dtype: f(x[dtype], 1))
    of_function("multiply", lambda f, x, dtype=_dtype: f(x[dtype], 0.5))
for _name in ("floor_divide", "mod", "power", "subtract"):
    of_function(_name, lambda f, x: f(x["int32"], x["positive"][:, :, 0]))
    of_function(_name, lambda f, x: f(x["int32"], 2))
for _name in words("bitwise_and bitwise_or bitwise_xor left_shift right_shift"):
    of_function(_name, lambda f, x: f(x["int32"], x["ids"]))
of_function("where", lambda f, x: f(x["a"] > 0, x["a"], 0.0))
of_function("where", lambda f, x: f(x["valid"], 1, 0))
of_function("isclose", lambda f, x: f(x["a"], x["a"] + 1e-6))

# --- reductions -----------------------------------------------------------------------------------------------------

for _name in words("mean sum max min prod std var median amax amin logsumexp all any ptp count_nonzero"):
    _keeps = _name != "count_nonzero"
    of_function(_name, lambda f, x: f(x["a"]))
    of_function(_name, lambda f, x: f(x["a"], axis=1))
    of_function(_name, lambda f, x: f(x["a"], axis=(1, -1)))
    if _keeps:
        of_function(_name, lambda f, x: f(x["a"], axis=-1, keepdims=True))
for _name in ("mean", "sum", "max", "prod", "std", "var"):
    for _dtype in ("int32", "bool", "int8", "uint8", "float64"):
        if not (_dtype == "bool" and _name in ("std", "var")):
            of_function(_name, lambda f, x, dtype=_dtype: f(x[dtype], axis=1))
of_function("max", lambda f, x: f(x["a"], axis=1, initial=0.5))
of_function("average", lambda f, x: f(x["a"], axis=1))
of_function("norm", lambda f, x: f(x["a"], axis=-1))
for _order in (1, 2, 3, float("inf")):
    of_function("norm", lambda f, x, order=_order: f(x["a"], ord=order, axis=1, keepdims=True))
of_function("norm", lambda f, x: f(x["a"], axis=(1, 2)))
of_function("moments", lambda f, x: f(x["a"], axes=[1], keepdims=True))
for _name in ("argmax", "argmin"):
    of_function(_name, lambda f, x: f(x["a"]))
    of_function(_name, lambda f, x: f(x["a"], axis=1))
    of_function(_name, lambda f, x: f(x["a"], axis=-1, keepdims=True))
for _name in ("argsort", "sort", "cumsum", "cumprod"):
    of_function(_name, lambda f, x: f(x["a"], axis=1))
    of_function(_name, lambda f, x: f(x["int32"], axis=-1))
of_function("top_k", lambda f, x: f(x["a"], k=2))
of_function("diff", lambda f, x: f(x["a"], axis=1))

# --- other shapes and orders ----------------------------------------------------------------------------------------

of_function("reshape", lambda f, x: f(x["a"], (-1, 6)))
of_function("reshape", lambda f, x: f(x["c"], (2, -1, 3)))
of_function("ravel", lambda f, x: f(x["c"]))
of_function("transpose", lambda f, x: f(x["a"]))
of_function("transpose", lambda f, x: f(x["a"], (0, 2, 1)))
of_function("expand_dims", lambda f, x: f(x["a"], 1))
of_function("expand_dims", lambda f, x: f(x["a"], (-1, 0)))
of_function("squeeze", lambda f, x: f(x["a"][:, :1], 1))
of_function("moveaxis", lambda f, x: f(x["a"], 1, -1))
of_function("moveaxis", lambda f, x: f(x["heads"], (1, 3), (2, 0)))
of_function("swapaxes", lambda f, x: f(x["a"], 1, 2))
of_function("flip", lambda f, x: f(x["a"], axis=1))
of_function("flip", lambda f, x: f(x["a"]))
of_function("roll", lambda f, x: f(x["a"], 1, axis=1))
of_function("roll", lambda f, x: f(x["a"], -5))
of_function("repeat", lambda f, x: f(x["a"], 2, axis=1))
of_function("repeat", lambda f, x: f(x["c"], [1, 0, 2], axis=0))
of_function("tile", lambda f, x: f(x["a"], (1, 2, 1)))
of_function("tile", lambda f, x: f(x["row"], (2, 3)))
of_function("pad", lambda f, x: f(x["a"], ((0, 0), (1, 2), (0, 0))))
of_function("pad", lambda f, x: f(x["a"], ((0, 0), (1, 1), (2, 0)), constant_values=3.0))
of_function("pad", lambda f, x: f(x["a"], ((0, 0), (1, 1), (0, 0)), mode="reflect"))
of_function("broadcast_to", lambda f, x: f(x["c"], (2, 3, 4)))
of_function("concatenate", lambda f, x: f([x["a"], x["b"]], axis=-1))
of_function("concatenate", lambda f, x: f([x["int32"], x["float32"], x["bool"]], axis=1))
of_function("stack", lambda f, x: f([x["a"], x["b"]], axis=1))
of_function("stack", lambda f, x: f([x["int32"], x["int8"]], axis=-1))
of_function("hstack", lambda f, x: f([x["a"], x["b"]]))
of_function("vstack", lambda f, x: f([x["c"], x["c"]]))
of_function("dstack", lambda f, x: f([x["c"], x["c"]]))
of_function("append", lambda f, x: f(x["c"], x["c"], axis=0))
of_function("split", lambda f, x: f(x["a"], 2, axis=-1))
of_function("split", lambda f, x: f(x["a"], [1, 3], axis=2))
of_function("array_split", lambda f, x: f(x["a"], 2, axis=1))
of_function("unstack", lambda f, x: f(x["a"], axis=1))
of_function("unstack", lambda f, x: f(x["a"], 4, axis=-1))
of_function("tril", lambda f, x: f(x["square"]))
of_function("triu", lambda f, x: f(x["square"], 1))
of_function("diagonal", lambda f, x: f(x["square"], axis1=1, axis2=2))

# --- places ---------------------------------------------------------------------------------------------------------

for _key in (slice(1, None), -1, (slice(None), 1), (Ellipsis, 0), (slice(None), None, slice(None, None, -1)),
             (Ellipsis, slice(0, 3, 2))):  # fmt: skip
    of_function("get_item", lambda f, x, key=_key: f(x["a"], key))
of_function("take", lambda f, x: f(x["a"], [0, -1], axis=1))
of_function("take", lambda f, x: f(x["c"], x["ids"] % 3, axis=0))
of_function("take", lambda f, x: f(x["c"], x["ids"]))
of_function("take_along_axis", lambda f, x: f(x["a"], x["ids"][:, :, None] % 4, axis=2))
of_function("slice", lambda f, x: f(x["a"], (0, 1, 0), (2, 2, 3)))
of_function("searchsorted", lambda f, x: f(np.array([0.0, 1.0, 2.0], "float32"), x["row"]))
of_function("digitize", lambda f, x: f(x["a"], np.array([-1.0, 0.0, 1.0])))
of_function("one_hot", lambda f, x: f(x["ids"], 4))
of_function("one_hot", lambda f, x: f(x["ids"], 3, axis=1, dtype="int32"))
of_function("multi_hot", lambda f, x: f(x["ids"], 4))
for _name in ("zeros_like", "ones_like"):
    of_function(_name, lambda f, x: f(x["a"]))
    of_function(_name, lambda f, x: f(x["a"], dtype="int32"))
of_function("full_like", lambda f, x: f(x["a"], 2.5))

# --- products -------------------------------------------------------------------------------------------------------

of_function("matmul", lambda f, x: f(x["a"], x["square"]))
of_function("matmul", lambda f, x: f(x["a"], x["row"]))
of_function("matmul", lambda f, x: f(x["int32"], x["int8"][0]))
of_function("dot", lambda f, x: f(x["a"], x["row"]))
of_function("dot", lambda f, x: f(x["c"], x["square"][0]))
of_function("outer", lambda f, x: f(x["row"], x["row"]))
of_function("inner", lambda f, x: f(x["a"], x["row"]))
of_function("tensordot", lambda f, x: f(x["a"], x["row"], axes=1))
of_function("tensordot", lambda f, x: f(x["a"], x["c"], axes=[[1, 2], [0, 1]]))
for _subscripts in ("bij,bkj->bik", "bij,bij->b", "bij,kj->bik", "bij->bji"):
    _two = "," in _subscripts
    case("einsum", lambda ops, x, s=_subscripts, two=_two: ops.einsum(
        s, x["a"], *([x["c"] if ",kj" in s else x["b"]] if two else [])))  # fmt: skip
case("einsum", lambda ops, x: ops.einsum("...ij,...jk->...ik", x["a"], x["square"]))

# --- networks -------------------------------------------------------------------------------------------------------

for _name in ("softmax", "log_softmax", "sparsemax"):
    of_function(_name, lambda f, x: f(x["a"]))
    of_function(_name, lambda f, x: f(x["a"], axis=1))
of_function("softmax", lambda f, x: f(x["c"], axis=None))
of_function("normalize", lambda f, x: f(x["a"]))
of_function("normalize", lambda f, x: f(x["a"], axis=1, order=1))
of_function("normalize", lambda f, x: f(x["a"] * 0, epsilon=1e-3))
of_function("rms_normalization", lambda f, x: f(x["a"]))
of_function("rms_normalization", lambda f, x: f(x["a"], scale=x["row"], epsilon=1e-3))
of_function("layer_normalization", lambda f, x: f(x["a"]))
of_function("layer_normalization", lambda f, x: f(x["a"], x["row"], x["row"], epsilon=1e-3))
of_function("layer_normalization", lambda f, x: f(x["a"], axis=[1, 2]))
of_function("batch_normalization", lambda f, x: f(x["a"], x["row"], x["row"] ** 2, -1, x["row"], x["row"]))
of_function("dot_product_attention", lambda f, x: f(x["heads"], x["heads"] * 2, x["heads"] + 1))
of_function(
    "dot_product_attention", lambda f, x: f(x["heads"], x["heads"][:, :, :1], x["heads"][:, :, :1], is_causal=True)
)
of_function("dot_product_attention", lambda f, x: f(x["heads"], x["heads"], x["heads"], scale=0.3, bias=x["c"][:, :3],
                                                    mask=x["c"][:, :3] > -1))  # fmt: skip
of_function("cdist", lambda f, x: f(x["a"], x["b"]))

# --- labels in time -------------------------------------------------------------------------------------------------

of_function("ctc_loss", lambda f, x: f(x["ids"][:, :2], x["a"], x["ids"][:, 0], x["ids"][:, 1] * 0 + 3, mask_index=3))
of_function("ctc_decode", lambda f, x: f(x["a"], x["ids"][:, 0] * 0 + 3))
of_function("ctc_decode", lambda f, x: f(x["a"], x["ids"][:, 0] * 0 + 3, "beam_search", 5, 2))
