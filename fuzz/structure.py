"""Mutations that keep a file's structure, so that what is behind the first check is reached too.

Most mutations change one thing within an archive, a JSON text or an HDF5 file and leave everything else sound; one in
twenty changes bytes.
"""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from onnx_structure import mutate_onnx

Change = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 1000, -1, -2, 2**31 - 1, 2**31, 2**63 - 1, 2**70, 0.5, -0.5, 1e-30, 1e300)
TEXTS = ("", "tanh", "valid", "same", "causal", "keras", "\x1b[2J", "a" * 300)
ODD = (None, True, False, *TEXTS, [], {}, [[]], [1], ["x"], {"a": 1})
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "softmax", "hard_sigmoid", "elu", "selu", "gelu", "swish")
STORAGE = ({"chunks": True}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True})
REQUEST = b"INFR"  # then the length of the JSON before tensors, 0 if there are none, and the body
DATATYPES = (("FP32", "<f4"), ("FP64", "<f8"), ("FP16", "<f2"), ("INT32", "<i4"), ("INT64", "<i8"), ("UINT8", "u1"))
PARAMETERS = ({}, {"sequence_id": 7, "sequence_start": True}, {"sequence_id": "b", "sequence_end": True})
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e38, -1e38, 1e-45, float("inf"), float("-inf"), float("nan"))


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container of a JSON tree with every key or index in it."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            found.append((node, key))
            waiting.append(value)
    return found


def like(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind, which often is as good."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, max(0, value - 1), value * 2, rng.choice(NUMBERS[:10])))
    if isinstance(value, float):
        return rng.choice((value / 2, -value, rng.random()))
    if isinstance(value, str) and value in ACTIVATIONS:
        return rng.choice(ACTIVATIONS)
    return value


def mutate_tree(tree: Any, rng: random.Random) -> None:
    """Change one thing of a JSON tree."""
    found = places(tree)
    if not found:
        return
    node, key = rng.choice(found)
    kind = rng.random()
    if kind < 0.55:
        leaves = [(node, key) for node, key in found if isinstance(node[key], (bool, int, float, str))]
        if leaves:
            node, key = rng.choice(leaves)
        node[key] = like(node[key], rng)
    elif kind < 0.7:
        node[key] = rng.choice(NUMBERS)
    elif kind < 0.8:
        node[key] = json.loads(json.dumps(rng.choice(ODD)))
    elif kind < 0.87:
        del node[key]
    elif kind < 0.94:
        other, where = rng.choice(found)
        node[key] = json.loads(json.dumps(other[where]))
    elif isinstance(node, list):
        node.insert(key, json.loads(json.dumps(node[key])))
    else:
        node[str(key) + rng.choice(("", "_1", "s"))] = rng.choice(NUMBERS)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    try:
        tree = json.loads(content)
    except ValueError:
        return mutate_bytes(content, rng)
    mutate_tree(tree, rng)
    return json.dumps(tree).encode()


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change, drop, repeat or add some bytes."""
    if not content:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 20)))
    mutable, start = bytearray(content), rng.randrange(len(content))
    end = min(len(content), start + rng.choice((1, 1, 1, 4, 8, 100)))
    kind = rng.randrange(4)
    if kind == 0:
        del mutable[start:end]
    elif kind == 1:
        mutable[start:start] = content[start:end]
    elif kind == 2:
        mutable[start] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    else:
        mutable[start:start] = struct.pack("<q", rng.choice((0, -1, 2**31, 2**63 - 1, rng.randrange(2**16))))
    return bytes(mutable)


# ---- HDF5


def mutate_hdf5(content: bytes, rng: random.Random) -> bytes:
    """Change an array's numbers, how it is stored, its shape or name, or an attribute."""
    stream = io.BytesIO(content)
    try:
        with h5py.File(stream, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            data = [name for name in names if isinstance(file[name], h5py.Dataset)]
            if not names:
                file["x"] = np.zeros(3, "f4")
            elif rng.random() < 0.2 or not data:
                _change_attribute(file[rng.choice(["/", *names])], rng)
            else:
                _change_data(file, rng.choice(data), rng)
    except Exception:  # whatever h5py makes of a damaged file
        return mutate_bytes(content, rng)
    return stream.getvalue()


def _change_data(file: h5py.File, name: str, rng: random.Random) -> None:
    array = np.asarray(file[name][()])
    kind = rng.random()
    if kind < 0.5 and array.size and array.dtype.kind == "f":
        array = array.copy()
        array.flat[rng.randrange(array.size)] = rng.choice(FLOATS)
        file[name][...] = array
        return
    attributes = dict(file[name].attrs)
    del file[name]
    options: dict[str, Any] = {}
    if kind < 0.75:
        if array.ndim and array.size:
            options = rng.choice(STORAGE)
    elif kind < 0.8:
        array = array.astype(rng.choice(("f2", "f8", ">f4", "i4", "u1", "?", "c8")))
    elif kind < 0.9:
        array = rng.choice((array.T, array.ravel(), array[..., np.newaxis], array[:1] if array.ndim else array))
    elif kind < 0.95:
        name += rng.choice(("0", "/x", ":0"))
    else:
        return
    created = file.create_dataset(name, data=array, **options)
    for key, value in attributes.items():
        created.attrs[key] = value


def _change_attribute(node: Any, rng: random.Random) -> None:
    names = list(node.attrs)
    if not names or rng.random() < 0.1:
        node.attrs[rng.choice(("weight_names", "layer_names", "keras_version", "vars"))] = rng.choice((b"x", 3, b""))
        return
    name = rng.choice(names)
    value = node.attrs[name]
    if isinstance(value, (bytes, str)):
        text = value if isinstance(value, bytes) else value.encode()
        node.attrs[name] = mutate_json(text, rng)
    elif isinstance(value, np.ndarray) and value.size and rng.random() < 0.7:
        node.attrs[name] = rng.choice((value[::-1], np.concatenate([value, value[:1]]), value[:-1]))
    else:
        del node.attrs[name]


# ---- archives and packed files


def mutate_member(name: str, content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.02:
        return mutate_bytes(content, rng)
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        return mutate_hdf5(content, rng)
    if content[:1] in b'{["' or rng.random() < 0.1:
        return mutate_json(content, rng)
    return mutate_digits(content, rng)


def mutate_digits(content: bytes, rng: random.Random) -> bytes:
    """Another digit for one: of the JSON within a protobuf, whose lengths stay right."""
    found = [match.start() for match in re.finditer(rb"(?<=[ :\[])\d(?=[,}\]])", content)]
    if not found:
        return mutate_bytes(content, rng)
    mutable = bytearray(content)
    mutable[rng.choice(found)] = rng.choice(b"0123456789")
    return bytes(mutable)


def mutate_zip(content: bytes, rng: random.Random) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {name: file.read(name) for name in file.namelist()}
    except Exception:  # whatever zipfile makes of a damaged file
        return mutate_bytes(content, rng)
    if not members:
        return mutate_bytes(content, rng)
    # What has checksums of its own is seldom worth a mutation.
    names = [name for name in sorted(members) if ".data-" not in name and not name.endswith(".index")]
    name = rng.choice(names if names and rng.random() < 0.9 else sorted(members))
    kind = rng.random()
    if kind < 0.95:
        members[name] = mutate_member(name, members[name], rng)
    elif kind < 0.97:
        del members[name]
    else:
        members[name + rng.choice(("x", "/", "/../x"))] = members.pop(name)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def mutate_packed(content: bytes, rng: random.Random) -> bytes:
    """The header or the numbers of a packed file, with the sizes and the checksum made right again."""
    try:
        magic, format_version, layout, size, _ = struct.unpack("<8sIIQQ", content[:32])
        tree, arrays = json.loads(content[64 : 64 + size]), bytearray(content[64 + -(-size // 64) * 64 : -4])
    except (ValueError, struct.error):
        return mutate_bytes(content, rng)
    if rng.random() < 0.5 and len(arrays) >= 4:
        place = rng.randrange(len(arrays) // 4) * 4
        arrays[place : place + 4] = struct.pack("<f", rng.choice(FLOATS))
    else:
        mutate_tree(tree, rng)
    header = json.dumps(tree).encode()
    padded = header + bytes(-len(header) % 64)
    total = 64 + len(padded) + len(arrays) + 4
    body = struct.pack("<8sIIQQ", magic, format_version, layout, len(header), total) + bytes(32) + padded + arrays
    return body + struct.pack("<I", zlib.crc32(body))


def mutate_request(content: bytes, rng: random.Random) -> bytes:
    """The JSON or the tensors of a request to infer, as `targets.request` takes it; its lengths mostly stay right."""
    (size,), body = struct.unpack("<I", content[4:8].ljust(4, b"\0")), content[8:]
    text, tensors = (body[:size], body[size:]) if size else (body, b"")
    kind = rng.random()
    if kind < 0.5:
        text, tensors = _other_tensors(text, tensors, rng)
    elif tensors and kind < 0.6:
        tensors = mutate_bytes(tensors, rng)
    elif kind < 0.75:
        text = mutate_digits(text, rng)
    else:
        text = mutate_json(text, rng)
    size = len(text) if size and rng.random() < 0.95 else rng.choice((0, size))
    return REQUEST + struct.pack("<I", size) + text + tensors


def _other_tensors(text: bytes, tensors: bytes, rng: random.Random) -> tuple[bytes, bytes]:
    """A request with other inputs and outputs, each with as many numbers of its datatype as its shape says."""
    try:
        tree = json.loads(text)
        inputs = [dict(entry) for entry in tree["inputs"]]
    except (ValueError, TypeError, KeyError):
        return mutate_json(text, rng), tensors
    tree["inputs"], binary = inputs, b""
    for entry in inputs:
        kind, dtype = rng.choice(DATATYPES)
        shape = [rng.choice((1, 1, 1, 2, 3)), rng.choice((1, 1, 2, 3, 7, 40))]
        numbers = np.array([rng.randrange(5) for _ in range(shape[0] * shape[1])], dtype)
        if rng.random() < 0.1:
            numbers[rng.randrange(len(numbers))] = rng.choice((5, 99, 127))
        entry |= {"shape": shape, "datatype": kind}
        entry.pop("data", None)
        entry.pop("parameters", None)
        if tensors and rng.random() < 0.9:
            entry["parameters"] = {"binary_data_size": numbers.nbytes}
            binary += numbers.tobytes()
        else:
            entry["data"] = (numbers if rng.random() < 0.5 else numbers.reshape(shape)).tolist()
    if rng.random() < 0.3:
        tree["parameters"] = rng.choice(PARAMETERS) | {"binary_data_output": rng.random() < 0.5}
    if rng.random() < 0.2:
        tree["outputs"] = [{"name": "d", "parameters": {"binary_data": rng.random() < 0.5}}]
    return json.dumps(tree).encode(), binary


def mutate_file(content: bytes, rng: random.Random) -> bytes:
    """A file of any kind that is told by its first bytes."""
    if rng.random() < 0.05:
        return mutate_bytes(content, rng)
    if content[:2] == b"PK":
        return mutate_zip(content, rng)
    if content[:6] == b"\x93FLSTM":
        return mutate_packed(content, rng)
    if content[:4] == REQUEST:
        return mutate_request(content, rng)
    if content[:1] == b"\x08":
        return mutate_onnx(content, rng) or mutate_bytes(content, rng)
    return mutate_member("", content, rng)
