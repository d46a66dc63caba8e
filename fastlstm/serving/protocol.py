"""The Open Inference Protocol, version 2, over HTTP: requests and responses as JSON, or as JSON with tensors behind it.

https://github.com/kserve/open-inference-protocol, and Triton's extension for binary tensor data
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

HEADER_LENGTH = b"inference-header-content-length"
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"{kind.upper()}{8 * size}": np.dtype(f"<{kind[0]}{size}") for kind in ("uint", "int") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_MAX_DIMENSIONS = 32
_MOST_TENSORS = 1000  # of a request
# Of one JSON text: before it is read they are counted as bytes, since each takes more time and memory than a number. A
# tensor of the protocol has one list that may be flat, two objects and five keys.
_MOST = {"[": (1_000_000, "lists, and `data` may be flat"), "{": (100_000, "objects"), ":": (100_000, "keys")}
_NUMBERS = {bool, int, float}
_PARAMETERS = {"binary_data_output", "sequence_id", "sequence_start", "sequence_end"}


class ServiceError(Exception):
    """What is answered in place of a result.

    Args:
        status: Of HTTP.
        kind: A word for the metrics.
        message: Of the protocol's error object.
        retry_after: Seconds after which it is worth trying again, None for never.
    """

    def __init__(self, status: int, kind: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status: int = status
        self.kind: str = kind
        self.message: str = message
        self.retry_after: int | None = retry_after


def malformed(message: str) -> ServiceError:
    """Return the error of a request that is none."""
    return ServiceError(400, "malformed", message)


@dataclass
class Inference:
    """A request.

    Args:
        id: As the client gave it, or None.
        inputs: By name.
        outputs: The names of those that are wanted, None for all.
        binary: The names of outputs that are to come as bytes.
        parameters: Of the request.
    """

    id: str | None
    inputs: dict[str, np.ndarray]
    outputs: list[str] | None = None
    binary: dict[str, bool] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def wants_binary(self, name: str) -> bool:
        """Return whether an output is to come as bytes."""
        return self.binary.get(name, bool(self.parameters.get("binary_data_output", False)))


def parsed(body: bytes, header_length: str | None) -> Inference:
    """Return a request.

    Args:
        body: Its bytes.
        header_length: Of the JSON part where tensors follow it, as the header has it.

    Raises:
        ServiceError: It is not one.
    """
    offset = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdigit() or len(header_length) > 18:
            raise malformed(f"Inference-Header-Content-Length should be a number of bytes. Received: {header_length!r}")
        offset = int(header_length)
        if offset > len(body):
            raise malformed(f"The body is truncated: its JSON should have {offset} bytes, and {len(body)} have come.")
    request = _object(body, offset)
    inputs: dict[str, np.ndarray] = {}
    for entry in _list(request, "inputs"):
        name, array, offset = _input(entry, body, offset)
        if name in inputs:
            raise malformed(f"input '{name}' is there twice.")
        inputs[name] = array
    if not inputs:
        raise malformed("`inputs` should be a list of at least one tensor.")
    if offset != len(body):
        raise malformed(f"{len(body) - offset} bytes follow the inputs, and belong to none of them.")
    given_id = request.get("id")
    if given_id is not None and not isinstance(given_id, str):
        raise malformed(f"`id` should be a string. Received: {given_id!r:.100}")
    inference = Inference(given_id or None, inputs, parameters=_parameters(request, "the request", _PARAMETERS))
    if request.get("outputs"):
        inference.outputs = [_output(entry, inference) for entry in _list(request, "outputs")]
        twice = [name for number, name in enumerate(inference.outputs) if name in inference.outputs[:number]]
        if twice:
            raise malformed(f"output '{twice[0]}' is there twice.")
    return inference


def read_json(body: bytes, length: int) -> Any:
    """Return what the first bytes of a body hold as JSON.

    Raises:
        ServiceError: It is more than a request may hold.
        orjson.JSONDecodeError: It is not JSON.
    """
    for sign, (most, what) in _MOST.items():
        if length > 2 * most and np.count_nonzero(np.frombuffer(body, np.uint8, length) == ord(sign)) > most:
            raise malformed(f"The JSON of a request should hold at most {most:,} {what}.")
    return orjson.loads(body if length == len(body) else memoryview(body)[:length])


def _object(body: bytes, length: int) -> dict[str, Any]:
    try:
        request = read_json(body, length)
    except orjson.JSONDecodeError as error:
        raise malformed(f"The request is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise malformed("The request should be a JSON object.")
    return request


def _list(request: Mapping[str, Any], key: str) -> list[Any]:
    value = request.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise malformed(f"`{key}` should be a list of objects.")
    if len(value) > _MOST_TENSORS:
        raise malformed(f"`{key}` should be a list of at most {_MOST_TENSORS} objects. Received: {len(value)}")
    return value


def _parameters(owner: Mapping[str, Any], of: str, known: set[str]) -> dict[str, Any]:
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise malformed(f"`parameters` of {of} should be an object.")
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise malformed(
            f"parameter {unknown[0]!r:.100} of {of} is not supported; there are {', '.join(sorted(known))}."
        )
    return parameters


def _name(entry: Mapping[str, Any], what: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        raise malformed(f"The name of an {what} should be a string.")
    return name


def _input(entry: dict[str, Any], body: bytes, offset: int) -> tuple[str, np.ndarray, int]:
    """An input's name and array, and where the next one's bytes begin."""
    name = _name(entry, "input")
    shape, datatype = entry.get("shape"), entry.get("datatype")
    sizes: list[Any] = shape if isinstance(shape, list) and len(shape) <= _MAX_DIMENSIONS else [None]
    if not all(type(size) is int and 0 <= size < 2**31 for size in sizes):
        raise malformed(f"input '{name}': `shape` should be a list of sizes. Received: {shape!r:.100}")
    dtype = DTYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is None:
        raise malformed(f"input '{name}': `datatype` should be one of {', '.join(DTYPES)}. Received: {datatype!r:.100}")
    count = math.prod(sizes)
    parameters = _parameters(entry, f"input '{name}'", {"binary_data_size"})
    if "binary_data_size" not in parameters:
        return name, _from_json(name, entry.get("data"), dtype, sizes, count), offset
    nbytes = parameters["binary_data_size"]
    if "data" in entry:
        raise malformed(f"input '{name}' has both `data` and `binary_data_size`.")
    if type(nbytes) is not int or nbytes != count * dtype.itemsize:
        raise malformed(
            f"input '{name}': {datatype} of shape {sizes} takes {count * dtype.itemsize} bytes. "
            f"Received: binary_data_size={nbytes!r:.100}"
        )
    if nbytes > len(body) - offset:
        raise malformed(f"input '{name}' is truncated: it should have {nbytes} bytes, {len(body) - offset} have come.")
    return name, np.frombuffer(body, dtype, count, offset).reshape(sizes), offset + nbytes


def numbers(data: Any) -> np.ndarray:
    """Return what JSON holds as an array, one of no number if it is not numbers in lists nested evenly.

    Of a text NumPy would make room for one as long in every place.
    """
    level = [data]
    for _ in range(_MAX_DIMENSIONS):
        kinds = set(map(type, level))
        if kinds != {list}:
            break
        level = list(itertools.chain.from_iterable(level))
    try:
        return np.array(data if kinds <= _NUMBERS else None)
    except (ValueError, TypeError, OverflowError, Warning):  # nested unevenly
        return np.array(None)


def _from_json(name: str, data: Any, dtype: np.dtype, shape: list[int], count: int) -> np.ndarray:
    found = numbers(data)
    if not isinstance(data, list) or (found.dtype.kind not in "fiub" and found.size) or found.dtype.kind not in "fiubO":
        raise malformed(f"input '{name}': `data` should be a list of numbers, flat or of shape {shape}.")
    if found.size != count or (found.ndim > 1 and list(found.shape) != shape):
        raise malformed(f"input '{name}': shape {shape} has {count} values. Received: data of shape {found.shape}")
    allowed = {"f": "fiu", "b": "b"}.get(dtype.kind, "iu")
    if found.size and found.dtype.kind not in allowed:
        kind = {"f": "floats", "b": "booleans"}.get(found.dtype.kind, "integers")
        raise malformed(f"input '{name}': `data` holds {kind}, which do not fit its datatype.")
    if found.size and dtype.kind in "iu":
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        if int(found.min()) < least or int(found.max()) > most:
            raise malformed(f"input '{name}': `data` should be from {least} to {most}.")
    with np.errstate(over="ignore"):
        return found.astype(dtype).reshape(shape)


def _output(entry: dict[str, Any], inference: Inference) -> str:
    name = _name(entry, "output")
    binary = _parameters(entry, f"output '{name}'", {"binary_data"}).get("binary_data")
    if binary is not None:
        inference.binary[name] = bool(binary)
    return name


def response(
    model_name: str, version: str, inference: Inference, outputs: Sequence[tuple[str, np.ndarray]]
) -> tuple[list[bytes], int | None]:
    """Return a response as pieces of bytes, and how many of them are JSON if not all.

    Args:
        model_name, version: Of the model.
        inference: What it answers.
        outputs: float32 arrays by name, C-contiguous.

    Raises:
        ServiceError: JSON cannot hold a value.
    """
    described, pieces = [], []
    for name, array in outputs:
        entry: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": array.shape}
        if inference.wants_binary(name):
            entry["parameters"] = {"binary_data_size": array.nbytes}
            pieces.append(array.astype("<f4", copy=False).tobytes())
        elif not np.isfinite(array).all():
            raise ServiceError(
                422, "not finite", f"output '{name}' holds NaN or infinity, which JSON cannot; ask for `binary_data`."
            )
        else:
            entry["data"] = array.reshape(-1)
        described.append(entry)
    answer: dict[str, Any] = {"model_name": model_name, "model_version": version}
    if inference.id is not None:
        answer["id"] = inference.id
    answer["outputs"] = described
    text = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return [text, *pieces], len(text) if pieces else None
