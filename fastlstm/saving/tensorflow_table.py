"""TensorFlow's functions and graph operations → Keras 3's operations, one row for those that differ in names alone.

A row names Keras 3's class, TensorFlow's names, and where the class' arguments come from: `*y` is a further tensor, the
argument `y` of the function or the input of that number; `axis` is an argument of the same name on both sides;
`newshape=shape` is one of another name; `axis:0` is 0 where the file does not say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Keras' class: TensorFlow's functions; the arguments besides the first.
_FUNCTIONS = """
Absolute:        math.abs abs __operators__.abs
Add:             __operators__.add math.add add; *y
Add:             nn.bias_add; *bias
All:             math.reduce_all; axis keepdims
Any:             math.reduce_any; axis keepdims
Arccos:          math.acos
Arcsin:          math.asin
Arctan2:         math.atan2; *x
Arctan:          math.atan
Argmax:          math.argmax; axis:0
Argmin:          math.argmin; axis:0
BroadcastTo:     broadcast_to; shape
Cast:            cast; dtype
Ceil:            math.ceil
Concatenate:     concat; axis
ConvertToTensor: convert_to_tensor; dtype
Copy:            identity
Cos:             math.cos
Cosh:            math.cosh
Cumprod:         math.cumprod; axis:0
Diagonal:        linalg.diag_part; axis1:-2 axis2:-1
DivideNoNan:     math.divide_no_nan; *y
Elu:             nn.elu
Equal:           math.equal equal; *y
Erf:             math.erf
Exp:             math.exp
ExpandDims:      expand_dims; axis
Expm1:           math.expm1
Flip:            reverse; axis
Floor:           math.floor
FloorDivide:     math.floordiv math.floor_div floor_div; *y
Gelu:            nn.gelu; approximate:False
Greater:         math.greater greater; *y
GreaterEqual:    math.greater_equal greater_equal; *y
Isfinite:        math.is_finite
Isinf:           math.is_inf
Isnan:           math.is_nan
LeakyRelu:       nn.leaky_relu; negative_slope=alpha
Less:            math.less less; *y
LessEqual:       math.less_equal less_equal; *y
Log1p:           math.log1p
Log:             math.log
LogicalAnd:      math.logical_and logical_and; *y
LogicalNot:      math.logical_not logical_not
LogicalOr:       math.logical_or logical_or; *y
LogicalXor:      math.logical_xor; *y
LogSigmoid:      math.log_sigmoid
LogSoftmax:      nn.log_softmax; axis:-1
Logsumexp:       math.reduce_logsumexp; axis keepdims
Max:             math.reduce_max; axis keepdims
Maximum:         math.maximum maximum; *y
Mean:            math.reduce_mean; axis keepdims
Min:             math.reduce_min; axis keepdims
Minimum:         math.minimum minimum; *y
Mod:             math.floormod math.mod; *y
Multiply:        math.multiply multiply; *y
Negative:        math.negative negative
NotEqual:        math.not_equal not_equal __operators__.ne; *y
OnesLike:        ones_like; dtype
Power:           math.pow pow; *y
Prod:            math.reduce_prod; axis keepdims
Reciprocal:      math.reciprocal
Relu6:           nn.relu6
Relu:            nn.relu
Repeat:          repeat; repeats axis
Reshape:         reshape; newshape=shape
Roll:            roll; shift axis
Round:           math.round
Rsqrt:           math.rsqrt
Selu:            nn.selu
Sigmoid:         math.sigmoid nn.sigmoid
Sign:            math.sign
Silu:            nn.silu nn.swish
Sin:             math.sin
Sinh:            math.sinh
Softmax:         nn.softmax; axis:-1
Softplus:        math.softplus nn.softplus
Softsign:        nn.softsign math.softsign
Sqrt:            math.sqrt
Square:          math.square
Squeeze:         squeeze; axis
Stack:           stack; axis
StopGradient:    stop_gradient
Std:             math.reduce_std; axis keepdims
Subtract:        math.subtract subtract; *y
Sum:             math.reduce_sum; axis keepdims
Tan:             math.tan
Tanh:            math.tanh nn.tanh
Tensordot:       tensordot; *b axes
Tile:            tile; repeats=multiples
TopK:            math.top_k nn.top_k; k:1 sorted
Transpose:       transpose; axes=perm
TrueDivide:      math.truediv math.divide truediv divide; *y
Unstack:         unstack; num axis:0
Var:             math.reduce_variance; axis keepdims
Where:           where; *x *y
ZerosLike:       zeros_like; dtype
"""

# Keras' class: TensorFlow's operations; the inputs besides the first, and arguments from the node's attributes.
_GRAPH = """
Absolute:        Abs
Add:             Add AddV2 BiasAdd; *1
All:             All; axis=1 keepdims=keep_dims
Any:             Any; axis=1 keepdims=keep_dims
Argmax:          ArgMax; axis=1
Argmin:          ArgMin; axis=1
BroadcastTo:     BroadcastTo; shape=1
Cast:            Cast; dtype=DstT
Ceil:            Ceil
Copy:            Identity
Cos:             Cos
Elu:             Elu
Equal:           Equal; *1
Exp:             Exp
ExpandDims:      ExpandDims; axis=1
Flip:            ReverseV2; axis=1
Floor:           Floor
FloorDivide:     FloorDiv; *1
Greater:         Greater; *1
GreaterEqual:    GreaterEqual; *1
Less:            Less; *1
LessEqual:       LessEqual; *1
Log1p:           Log1p
Log:             Log
LogicalAnd:      LogicalAnd; *1
LogicalNot:      LogicalNot
LogicalOr:       LogicalOr; *1
LogSoftmax:      LogSoftmax
Max:             Max; axis=1 keepdims=keep_dims
Maximum:         Maximum; *1
Mean:            Mean; axis=1 keepdims=keep_dims
Min:             Min; axis=1 keepdims=keep_dims
Minimum:         Minimum; *1
Mod:             FloorMod; *1
Multiply:        Mul; *1
Negative:        Neg
NotEqual:        NotEqual; *1
OnesLike:        OnesLike
Power:           Pow; *1
Prod:            Prod; axis=1 keepdims=keep_dims
Reciprocal:      Reciprocal Inv
Relu6:           Relu6
Relu:            Relu
Reshape:         Reshape; newshape=1
Roll:            Roll; shift=1 axis=2
Round:           Round
Rsqrt:           Rsqrt
Selu:            Selu
Sigmoid:         Sigmoid
Sign:            Sign
Sin:             Sin
Softmax:         Softmax
Softplus:        Softplus
Softsign:        Softsign
Sqrt:            Sqrt
Square:          Square
Squeeze:         Squeeze; axis=squeeze_dims
StopGradient:    StopGradient
Subtract:        Sub; *1
Sum:             Sum; axis=1 keepdims=keep_dims
Tanh:            Tanh
Tile:            Tile; repeats=1
Transpose:       Transpose; axes=1
TrueDivide:      RealDiv; *1
Unstack:         Unpack; num axis
Where:           Select SelectV2; *1 *2
ZerosLike:       ZerosLike
"""


@dataclass
class Row:
    """One row.

    Args:
        class_name: Keras 3's class.
        tensors: Where its tensors besides the first come from.
        arguments: Keras' argument → TensorFlow's, and the value where it is not given.
    """

    class_name: str
    tensors: list[str]
    arguments: dict[str, tuple[str, Any]]


def _rows(table: str) -> dict[str, Row]:
    """The rows of a table by TensorFlow's names."""
    rows: dict[str, Row] = {}
    for line in table.strip().splitlines():
        class_name, _, rest = line.partition(":")
        names, _, arguments = rest.partition(";")
        tensors = [item[1:] for item in arguments.split() if item.startswith("*")]
        taken = {}
        for item in arguments.split():
            if not item.startswith("*"):
                theirs, _, default = item.partition(":")
                ours, _, theirs = theirs.partition("=")
                value = {"": None, "False": False}.get(default, default)
                taken[ours] = theirs or ours, int(value) if isinstance(value, str) else value
        rows |= {name: Row(class_name, tensors, taken) for name in names.split()}
    return rows


OF_FUNCTIONS, OF_GRAPH = _rows(_FUNCTIONS), _rows(_GRAPH)
