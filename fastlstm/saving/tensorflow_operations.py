"""Calls of TensorFlow's functions and nodes of its graphs, as Keras 2's files have them → Keras 3's operations.

`tensorflow_table.py` has those that differ in names alone; what becomes several operations, or another one by its
arguments, has a function here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.json_data import array
from fastlstm.saving.tensorflow_table import OF_FUNCTIONS, OF_GRAPH

Config = dict[str, Any]


@dataclass
class Operation:
    """A call of one of Keras 3's operations, and those whose results it takes.

    Args:
        class_name: Keras 3's class.
        args: Its tensors: encoded ones, constants, other operations; or lists of such.
        config: Its arguments.
    """

    class_name: str
    args: list[Any]
    config: Config = field(default_factory=dict)


# Functions of which the first argument is a list.
OF_LISTS = {"concat", "stack", "math.add_n"}
# Arguments of functions that change nothing here.
_IGNORED = {"name", "validate_indices", "conjugate", "output_type", "use_cudnn_on_gpu"}


def check_function(function: Any, where: str) -> None:
    """Raise ValueError if a function of TensorFlow has no counterpart in Keras 3, whatever it is called with."""
    name = function.removeprefix("compat.v1.") if isinstance(function, str) else function
    if name not in OF_FUNCTIONS and name not in _SPECIAL and name != "__operators__.getitem":
        raise _unsupported(where, function)


def of_function(function: Any, first: Any, given: Mapping[str, Any], where: str) -> Operation:
    """Return Keras 3's operations for a call of a function of TensorFlow.

    Args:
        function: Its name, e.g. `math.reduce_mean`.
        first: Its first argument: an encoded tensor, a constant, or a list of them.
        given: The other ones by name.
        where: Names the layer in errors.

    Raises:
        ValueError: When it has no counterpart, or not with these arguments.
    """
    name = function.removeprefix("compat.v1.") if isinstance(function, str) else function
    given = {key: value for key, value in given.items() if key not in _IGNORED}
    if name in _SPECIAL:
        taken: list[str] = []

        def take(key: str, default: Any = None) -> Any:
            taken.append(key)
            value = given.get(key)
            return default if value is None else value

        made = _SPECIAL[name](first, take)
        if made is not None:
            _check_taken(given, taken, where)
            return made
    row = OF_FUNCTIONS.get(name)
    if row is None:
        raise _unsupported(where, function)
    missing = [key for key in row.tensors if given.get(key) is None]
    if missing:
        raise SavedModelError(f"A call of {where} lacks its argument {missing[0]!r}, which Keras did not write.")
    _check_taken(given, [*row.tensors, *(theirs for theirs, _ in row.arguments.values())], where)
    config = {ours: given.get(theirs) for ours, (theirs, _) in row.arguments.items()}
    defaults = {ours: default for ours, (_, default) in row.arguments.items() if config[ours] is None}
    config = {ours: value for ours, value in (config | defaults).items() if value is not None}
    _check_constant(config, where)
    return Operation(row.class_name, [first, *(_tensor(given[key]) for key in row.tensors)], config)


def of_graph(operation: Any, args: list[Any], attributes: Mapping[str, Any], where: str) -> Operation:
    """Return Keras 3's operation for a node of TensorFlow's graph.

    Args:
        operation: The name of its operation, e.g. `Mean`.
        args: Its inputs: encoded tensors and constants.
        attributes: Its attributes by name, as plain values.
        where: Names the layer in errors.

    Raises:
        ValueError: When it has no counterpart.
    """
    if operation in ("ConcatV2", "Pack"):
        axis = args.pop() if operation == "ConcatV2" else attributes.get("axis", 0)
        return Operation("Concatenate" if operation == "ConcatV2" else "Stack", [args], {"axis": axis})
    if operation in ("MatMul", "BatchMatMul", "BatchMatMulV2") and len(args) == 2:
        flags = [any(attributes.get(f"{kind}_{side}") for kind in ("transpose", "adj")) for side in ("a", "b")]
        flags = [flag or bool(attributes.get(f"adj_{side}")) for flag, side in zip(flags, "xy", strict=True)]
        return _product(*args, *flags)
    if operation in ("GatherV2", "Gather"):
        if attributes.get("batch_dims"):
            raise _unsupported(where, f"{operation} with batch_dims")
        return Operation("Take", args[:2], {"axis": args[2] if len(args) > 2 else 0})
    if operation in ("Split", "SplitV"):
        axis, x = (args[0], args[1]) if operation == "Split" else (args[2], args[0])
        return _split(x, attributes.get("num_split") if operation == "Split" else args[1], axis, where)
    if operation in ("Pad", "PadV2", "MirrorPad"):
        mode = str(attributes.get("mode", "constant")).lower() if operation == "MirrorPad" else "constant"
        return Operation("Pad", [args[0], args[2] if len(args) > 2 else None], {"pad_width": args[1], "mode": mode})
    if operation == "SquaredDifference":
        return Operation("Square", [Operation("Subtract", args)])
    if operation == "ClipByValue":
        return _clip(*args)
    row = OF_GRAPH.get(operation)
    if row is None:
        raise _unsupported(where, operation)
    config = {}
    for ours, (theirs, _) in row.arguments.items():
        value = args[int(theirs)] if theirs.isdigit() and int(theirs) < len(args) else attributes.get(theirs)
        if value is not None and value != []:
            config[ours] = value
    _check_constant(config, where)
    tensors = [0, *map(int, row.tensors)]
    if len(args) <= max(tensors):
        raise SavedModelError(f"A call of {where} has {len(args)} inputs, too few for {operation}.")
    return Operation(row.class_name, [_tensor(args[place]) for place in tensors], config)


def _tensor(value: Any) -> Any:
    """A tensor, or a constant in its place, which Keras 2 wrote as lists of numbers."""
    return array(value) if isinstance(value, list) else value


def _check_taken(given: Mapping[str, Any], taken: list[str], where: str) -> None:
    """Refuse an argument that would be left out, unless it says nothing."""
    for key, value in given.items():
        if key not in taken and value is not None:
            raise SavedModelError(f"{where} has the argument {key}={value!r:.60}, which is not supported.")


def _check_constant(config: Config, where: str) -> None:
    """Refuse tensors where Keras 3 takes numbers."""
    for key, value in config.items():
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                raise SavedModelError(f"{where} takes a tensor as {key}, which is not supported: sizes must be known.")
            pending += item if isinstance(item, list) else []


def _unsupported(where: str, name: Any) -> SavedModelError:
    return SavedModelError(
        f"{where} is the TensorFlow operation {name!r}, which is not supported: make that part of the model of layers "
        "or `fastlstm.ops`, and load the weights."
    )


# --- what is more than one operation, or another one by its arguments -----------------------------------------------

_Take = Callable[..., Any]


def _product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Operation:
    if not transpose_a and not transpose_b:
        return Operation("Matmul", [a, b])
    subscripts = f"...{'ji' if transpose_a else 'ij'},...{'kj' if transpose_b else 'jk'}->...ik"
    return Operation("Einsum", [a, b], {"subscripts": subscripts})


def _matmul(a: Any, take: _Take) -> Operation:
    transposes = [take(f"transpose_{side}") or take(f"adjoint_{side}") for side in "ab"]
    return _product(a, _tensor(take("b")), *map(bool, transposes))


def _split(x: Any, sizes: Any, axis: Any, where: str = "A layer") -> Operation:
    places = sizes
    if isinstance(sizes, list):
        if not all(type(size) is int for size in sizes) or sizes.count(-1) > 1:
            raise SavedModelError(f"{where} is cut into parts of sizes that are not numbers.")
        places, total = [], 0
        after = sizes.index(-1) if -1 in sizes else len(sizes)
        for size in sizes[:after][: len(sizes) - 1]:
            total += size
            places.append(total)
        # Behind the part whose size is not said, the places count from the end.
        places += [-sum(sizes[part:]) for part in range(after + 1, len(sizes))]
    return Operation("Split", [x], {"indices_or_sections": places, "axis": axis})


def _clip(x: Any, low: Any, high: Any) -> Operation:
    if all(isinstance(limit, (int, float)) for limit in (low, high)):
        return Operation("Clip", [x], {"x_min": low, "x_max": high})
    return Operation("Maximum", [Operation("Minimum", [x, high]), low])


def _cumsum(x: Any, take: _Take) -> Operation:
    axis, exclusive, reverse = take("axis", 0), take("exclusive"), take("reverse")
    source = Operation("Flip", [x], {"axis": axis}) if reverse else x
    made = Operation("Cumsum", [source], {"axis": axis})
    if reverse:
        made = Operation("Flip", [made], {"axis": axis})
    return Operation("Subtract", [made, x]) if exclusive else made


def _one_hot(x: Any, take: _Take) -> Operation:
    on, off = take("on_value", 1), take("off_value", 0)
    config = {"num_classes": take("depth"), "axis": take("axis", -1), "dtype": take("dtype", "float32")}
    made = Operation("OneHot", [x], config)
    return made if (on, off) == (1, 0) else Operation("Add", [Operation("Multiply", [made, on - off]), off])


def _norm(x: Any, take: _Take) -> Operation:
    order = take("ord")
    config = {"ord": None if order == "euclidean" else order, "axis": take("axis"), "keepdims": bool(take("keepdims"))}
    return Operation("Norm", [x], config)


def _pad(x: Any, take: _Take) -> Operation:
    mode, value = str(take("mode", "CONSTANT")).lower(), take("constant_values", 0)
    args = [x, value] if mode == "constant" and value else [x]
    return Operation("Pad", args, {"pad_width": take("paddings"), "mode": mode})


def _gather(x: Any, take: _Take) -> Operation | None:
    indices = take("indices", take("ids"))
    take("partition_strategy"), take("max_norm")
    return None if take("batch_dims") else Operation("Take", [x, _tensor(indices)], {"axis": take("axis", 0)})


def _sort(x: Any, take: _Take) -> Operation:
    axis = {"axis": take("axis", -1)}
    made = Operation("Sort", [x], axis)
    return Operation("Flip", [made], axis) if take("direction") == "DESCENDING" else made


def _argsort(x: Any, take: _Take) -> Operation:
    take("stable")
    source = Operation("Negative", [x]) if take("direction") == "DESCENDING" else x
    return Operation("Argsort", [source], {"axis": take("axis", -1)})


def _add_n(tensors: Any, take: _Take) -> Any:
    first, *rest = tensors
    for tensor in rest:
        first = Operation("Add", [first, tensor])
    return first if rest else Operation("Copy", [first])


def _band_part(x: Any, take: _Take) -> Operation | None:
    band = take("num_lower"), take("num_upper")
    return {(-1, 0): Operation("Tril", [x]), (0, -1): Operation("Triu", [x])}.get(band)


def _sequence_mask(lengths: Any, take: _Take) -> Operation | None:
    steps = take("maxlen")
    if type(steps) is not int or not 0 <= steps <= 1_000_000 or take("dtype", "bool") != "bool":
        return None
    return Operation("Less", [array(list(range(steps))), Operation("ExpandDims", [lengths], {"axis": -1})])


def _slice(x: Any, take: _Take) -> Operation:
    key = [slice_of(start, None if size == -1 else start + size)
           for start, size in zip(take("begin"), take("size"), strict=True)]  # fmt: skip
    return Operation("GetItem", [x, key])


def _strided_slice(x: Any, take: _Take) -> Operation:
    masks = {name: take(name, 0) for name in MASKS}
    begin, end = take("begin"), take("end")
    return Operation("GetItem", [x, strided_key(begin, end, take("strides", [1] * len(begin)), masks)])


_SPECIAL: dict[str, Callable[[Any, _Take], Operation | None]] = {
    "argsort": _argsort,
    "clip_by_value": lambda x, take: _clip(x, take("clip_value_min"), take("clip_value_max")),
    "gather": _gather,
    "linalg.band_part": _band_part,
    "linalg.matmul": _matmul,
    "linalg.norm": _norm,
    "math.add_n": _add_n,
    "math.cumsum": _cumsum,
    "math.l2_normalize": lambda x, take: Operation(
        "Normalize", [x], {"axis": take("axis"), "epsilon": take("epsilon", 1e-12) ** 0.5}
    ),
    "math.squared_difference": lambda x, take: Operation("Square", [Operation("Subtract", [x, take("y")])]),
    "matmul": _matmul,
    "nn.embedding_lookup": _gather,
    "norm": _norm,
    "one_hot": _one_hot,
    "pad": _pad,
    "sequence_mask": _sequence_mask,
    "slice": _slice,
    "sort": _sort,
    "split": lambda x, take: _split(x, take("num_or_size_splits"), take("axis", 0)),
    "strided_slice": _strided_slice,
}

# --- slices ---------------------------------------------------------------------------------------------------------

MASKS = ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask", "shrink_axis_mask")


def slice_of(start: Any, stop: Any, step: Any = None) -> Config:
    """Return Keras' encoding of a slice."""
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def strided_key(begin: list[Any], end: list[Any], strides: list[Any], masks: Mapping[str, int]) -> list[Any]:
    """Return TensorFlow's begin, end and strides, with their bit masks, as the key of a slice."""

    def is_set(mask: str, place: int) -> bool:
        return bool(masks.get(mask, 0) >> place & 1)

    key: list[Any] = []
    for place, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        if is_set("ellipsis_mask", place):
            key.append({"class_name": "__ellipsis__", "config": {}})
        elif is_set("new_axis_mask", place):
            key.append(None)
        elif is_set("shrink_axis_mask", place):
            key.append(start)
        else:
            start = None if is_set("begin_mask", place) else start
            key.append(slice_of(start, None if is_set("end_mask", place) else stop, step))
    return key
