"""What models are given: cast once, brought to the model's rank, cut into batches."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from fastlstm.layers.base.arrays import as_float32, as_raw, input_arrays, is_array, is_strings
from fastlstm.layers.base.structure import flatten as flatten
from fastlstm.layers.base.structure import map_structure, packed
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.printable import quoted

DEFAULT_BATCH_SIZE = 32


def model_input(inputs: Any, tensor: KerasTensor | None, model_name: str, raw: bool = False) -> np.ndarray:
    """Return what a model of one input was called with, as float32, or as it is.

    Args:
        inputs: An array; a list or tuple of it; or a dict of it by the input's name.
        tensor: The model's symbolic input, None while it has none.
        model_name: For the errors.
        raw: Whether the model takes the input as it is: an array of strings or of any numbers, or strings in lists.

    Raises:
        ValueError: When there is no array, more than one, or one of a dtype that is no number.
    """
    if isinstance(inputs, Mapping):
        inputs = _named_input(inputs, tensor)
    if inputs is None and tensor is not None:
        raise missing_input(tensor)
    if raw:
        return as_raw(inputs if is_strings(inputs) else input_arrays(inputs, model_name))
    return as_float32(input_arrays(inputs, model_name))


def several_inputs(inputs: Any, structure: Any, tensors: Sequence[KerasTensor], model_name: str) -> list[Any]:
    """Return what a model was called with, one leaf for each of its inputs.

    Args:
        inputs: An array; a list or tuple of them; or a dict by the inputs' names. Or KerasTensors in place of arrays.
        structure: In which the model was given its symbolic inputs.
        tensors: The symbolic inputs.
        model_name: For the errors.

    Raises:
        ValueError: With Keras' texts, when they are not as many, or have other names.
    """
    if isinstance(inputs, Mapping):
        if isinstance(structure, dict):
            names: dict[str, tuple[str, ...]] = {name: (name,) for name in structure}
        else:
            names = {tensor.name: (tensor.name, tensor.origin.name) for tensor in tensors}
        found = {name: [inputs[key] for key in keys if key in inputs] for name, keys in names.items()}
        for name, values in found.items():
            if not values:
                raise ValueError(
                    f'Missing data for input "{name}". You passed a data dictionary with keys {list(inputs)}. '
                    f"Expected the following keys: {list(names)}"
                )
        chosen = {name: values[0] for name, values in found.items()}
        leaves = flatten(chosen if isinstance(structure, dict) else list(chosen.values()))
    else:
        leaves = flatten(inputs)
        if isinstance(structure, dict) and len(tensors) == len(leaves) > 1 and list(structure) != sorted(structure):
            raise _structure_error(
                [f"Tensor(shape={np.shape(leaf)})" for leaf in leaves], {key: key for key in structure}
            )
    if len(leaves) != len(tensors):
        keys = [tensor.origin.name for tensor in tensors]
        example = ", ".join(f"{key!r}: ..." for key in keys)
        raise ValueError(
            f'Layer "{model_name}" expects {len(keys)} named input(s) with keys {keys}, but it received {len(leaves)} '
            f"input tensors. Pass inputs as a dict, e.g. `layer({{{example}}})`."
        )
    for leaf, tensor in zip(leaves, tensors, strict=True):
        if leaf is None:
            raise missing_input(tensor)
        if not is_array(leaf):
            input_arrays(leaf, model_name)
    return leaves


def missing_input(tensor: KerasTensor) -> ValueError:
    """Return Keras' error for an input that is None."""
    return ValueError(f"The input '{tensor.name}' is not optional, but None was passed. Please provide a valid tensor.")


def check_rows(arrays: Sequence[np.ndarray]) -> None:
    """Raise Keras' ValueError if inputs of several have not all the same number of rows."""
    sizes = [len(array) for array in arrays]
    if len(set(sizes)) > 1:
        raise ValueError(
            "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples."
            f"'x' sizes: {', '.join(map(str, sizes))}\n"
        )


def fit_rank(x: np.ndarray, tensor: KerasTensor) -> np.ndarray:
    """Add or drop a last axis of size 1 where the model expects it so, and refuse any other rank.

    Args:
        x: Input with the batch.
        tensor: The symbolic input.

    Raises:
        ValueError: When the rank does not fit.
    """
    expected = tensor.shape
    if x.ndim == len(expected):
        return x
    if x.ndim == len(expected) + 1 and x.shape[-1] == 1:
        return x[..., 0]
    if x.ndim == len(expected) - 1 and expected[-1] == 1:
        return x[..., np.newaxis]
    raise ValueError(
        f"Invalid input shape for input Tensor(shape={x.shape}, dtype=float32) with name '{tensor.name}' and path ''. "
        f"Expected shape {expected}, but input has incompatible shape {x.shape}"
    )


def is_generator(x: Any) -> bool:
    """Return whether `x` gives batches, rather than being the data: a generator or a dataset of `fastlstm.utils`."""
    return isinstance(x, GeneratorType) or hasattr(x, "num_batches")


def checked_data(x: Any) -> Any:
    """Return the data of `predict` if it is of a type that is accepted.

    Raises:
        ValueError: With Keras' text, when it is not.
    """
    values = x.values() if isinstance(x, Mapping) else x if isinstance(x, (list, tuple)) else (x,)
    if is_strings(x):
        return np.asarray(x, object)
    if not values or not all(is_array(value) for value in values):
        raise ValueError(f"Unrecognized data type: x={quoted(x)} (of type {type(x)})")
    return x


def checked_batch_size(batch_size: Any) -> int:
    """Return the rows of one batch: `batch_size`, or 32 for None and 0.

    Raises:
        ValueError: When it is no integer of at least 0.
    """
    if batch_size is None:
        return DEFAULT_BATCH_SIZE
    if not hasattr(batch_size, "__index__") or batch_size < 0:
        raise ValueError(
            f"`batch_size` should be an integer of at least 0, or None. Received: batch_size={quoted(batch_size)}"
        )
    return int(batch_size) or DEFAULT_BATCH_SIZE


def checked_steps(steps: Any) -> int | None:
    """Return the number of batches, None for all.

    Raises:
        ValueError: When it is no positive integer.
    """
    if steps is None:
        return None
    if not hasattr(steps, "__index__") or steps <= 0:
        raise ValueError(f"`steps` should be a positive integer, or None. Received: steps={quoted(steps)}")
    return int(steps)


def rows(x: Any) -> int:
    """Return the number of rows of an array, or of a structure of arrays of the same number."""
    return len(x if isinstance(x, np.ndarray) else flatten(x)[0])


def slices(x: Any, batch_size: int) -> Iterator[Any]:
    """Cut the rows of an array, or of a structure of arrays, into batches.

    The last one may be smaller; no rows are one empty batch.
    """
    for start in range(0, max(rows(x), 1), batch_size):
        chosen = slice(start, start + batch_size)
        yield x[chosen] if isinstance(x, np.ndarray) else map_structure(operator.itemgetter(chosen), x)


def generated(batches: Iterable[Any]) -> Iterator[Any]:
    """Take the inputs out of what a generator or a dataset gives.

    Raises:
        ValueError: With Keras' text, when a generator gives something else than tuples.
    """
    for batch in batches:
        if isinstance(batches, GeneratorType) and not (isinstance(batch, tuple) and 1 <= len(batch) <= 3):
            raise ValueError(
                "When passing a Python generator to a Keras model, the generator must return a tuple, either (input,) "
                f"or (inputs, targets) or (inputs, targets, sample_weights). Received: {quoted(batch)}"
            )
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


def check_out(out: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise ValueError unless there is a writable float32 array of each of the shapes."""
    fit = len(out) == len(shapes) and all(
        isinstance(array, np.ndarray) and array.dtype == np.float32 and array.shape == shape and array.flags.writeable
        for array, shape in zip(out, shapes, strict=True)
    )
    if not fit:
        received = [f"{type(array).__name__} {getattr(array, 'dtype', '')} {np.shape(array)}" for array in out]
        raise ValueError(
            f"`out` should be writable float32 arrays of shapes {list(shapes)}. Received: {quoted(received)}"
        )


def limited(batches: Iterator[Any], steps: int | None) -> Iterator[Any]:
    """Stop after `steps` batches, with Keras' warning when there are fewer."""
    if steps is None:
        yield from batches
        return
    taken = 0
    # Asked only for what is wanted: a generator is left at the batch after the last one.
    while taken < steps:
        try:
            batch = next(batches)
        except StopIteration:
            warnings.warn(
                "Your input ran out of data; interrupting training. Make sure that your dataset or generator can "
                "generate at least `steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function "
                "when building your dataset.",
                stacklevel=3,
            )
            return
        taken += 1
        yield batch


def joined(outputs: Sequence[Any]) -> Any:
    """Join the outputs of the batches along their rows.

    Args:
        outputs: At least one array or structure of arrays, all alike, none of them anybody else's.
    """
    if len(outputs) == 1:
        return outputs[0]
    if isinstance(outputs[0], np.ndarray):
        return np.concatenate(outputs)
    return packed(outputs[0], [np.concatenate(parts) for parts in zip(*map(flatten, outputs), strict=True)])


def _named_input(inputs: Mapping[str, Any], tensor: KerasTensor | None) -> Any:
    names = () if tensor is None else (tensor.name, tensor.origin.name)
    if len(inputs) == 1 and (tensor is None or next(iter(inputs)) in names):
        return next(iter(inputs.values()))
    received = {name: f"Tensor(shape={np.shape(value)})" for name, value in inputs.items()}
    raise _structure_error(received, None if tensor is None else tensor.name)


def _structure_error(received: Any, expected: Any) -> ValueError:
    return ValueError(
        f"The structure of `inputs` doesn't match the expected structure.\nExpected: {expected}\n"
        f"Received: inputs={received}"
    )
