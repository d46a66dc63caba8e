"""Packed files: what was written comes back, read-only and unmoved; whatever else there is is a ValueError."""

import json
import math
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.saving import budget
from fastlstm.saving.packed import ALIGNMENT, FORMAT_VERSION, MAGIC, NamedArray, open_packed, write_packed

LAYOUT = 7
MODEL = {"class_name": "Sequential", "config": {"name": "é", "layers": [1.5, None]}}
SHAPES = {"kernel": (3, 28), "bias": (28,), "one": (1,), "none": (0, 4), "number": (), "cube": (2, 3, 5)}


def random(name, shape):
    return np.random.default_rng([*name.encode()]).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a sound file."""
    path = tmp_path_factory.mktemp("packed") / "model.packed"
    write_packed(path, LAYOUT, MODEL, [NamedArray(name, random(name, shape)) for name, shape in SHAPES.items()])
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, content):
    path = tmp_path / "model.packed"
    path.write_bytes(content)
    return path


def file_of(data, arrays=b"", **fields):
    """A file with a right checksum around anything for a header."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    body = text + bytes(-len(text) % ALIGNMENT) + arrays
    fields = {"magic": MAGIC, "format": FORMAT_VERSION, "layout": LAYOUT, "header": len(text)} | fields
    fields = {"size": ALIGNMENT + len(body) + 4} | fields
    preamble = struct.pack("<8sIIQQ", *(fields[name] for name in ("magic", "format", "layout", "header", "size")))
    whole = preamble + bytes(ALIGNMENT - len(preamble)) + body
    return whole + struct.pack("<I", zlib.crc32(whole))


def test_what_was_written_comes_back(path):
    model, arrays, _ = open_packed(path, LAYOUT)
    assert model == MODEL
    assert [(name, array.shape) for name, array in arrays] == list(SHAPES.items())
    for name, array in arrays:
        assert array.dtype == np.float32 and array.flags.c_contiguous
        assert array.ctypes.data % ALIGNMENT == 0
        np.testing.assert_array_equal(array, random(name, array.shape))


def test_nobody_can_write(path):
    for _, array in open_packed(path, LAYOUT).arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_the_memory_stays_as_long_as_an_array(path):
    array = open_packed(path, LAYOUT).arrays[0].array[1:, 3:]
    os.remove(path)
    np.testing.assert_array_equal(array, random("kernel", (3, 28))[1:, 3:])


def test_any_memory_order(tmp_path):
    array = random("kernel", (3, 28))
    for written in (array.T, np.asfortranarray(array), array[:, ::2], array.astype(">f4")):
        write_packed(tmp_path / "a", LAYOUT, {}, [NamedArray("a", written)])
        np.testing.assert_array_equal(open_packed(tmp_path / "a", LAYOUT).arrays[0].array, written)


def test_an_old_file_stays_for_those_who_have_mapped_it(path, tmp_path):
    before = open_packed(path, LAYOUT).arrays
    write_packed(path, LAYOUT, {}, [NamedArray("kernel", np.zeros((3, 28), np.float32))])
    np.testing.assert_array_equal(before[0].array, random("kernel", (3, 28)))
    assert not open_packed(path, LAYOUT).arrays[0].array.any()
    assert os.listdir(tmp_path) == ["model.packed"]


def test_a_config_too_large_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(budget.LIMITS, "bytes of JSON", 200)
    with pytest.raises(ValueError, match="more than 200 bytes of JSON"):
        write_packed(tmp_path / "a", LAYOUT, {"name": "x" * 200}, [])
    assert os.listdir(tmp_path) == []


def places(content):
    """Where a file may be cut: around everything that it is made of, and in the middle of it."""
    header = struct.unpack_from("<Q", content, 16)[0]
    start = ALIGNMENT + math.ceil(header / ALIGNMENT) * ALIGNMENT
    edges = {0, 8, 12, 16, 24, 32, ALIGNMENT, ALIGNMENT + header, start, len(content) - 4, len(content)}
    edges |= set(range(start, len(content), ALIGNMENT))
    return sorted({place + by for place in edges for by in (-1, 0, 1, 30) if 0 <= place + by < len(content)})


def test_cut_anywhere(path, content):
    assert len(places(content)) > 40
    for place in places(content):
        path.write_bytes(content[:place])
        with pytest.raises(ValueError, match=r"too short|says that it has"):
            open_packed(path, LAYOUT)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="says that it has"):
        open_packed(path, LAYOUT)


@given(data=st.data())
def test_flipped_bits(path, content, data):
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(spoilt)
    if spoilt == content:
        assert open_packed(path, LAYOUT).model == MODEL
    else:
        with pytest.raises(ValueError, match=str(path)):
            open_packed(path, LAYOUT)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"magic": b"\x89HDF\r\n\x1a\n"}, "not a packed fastlstm model: it begins with b'.x89HDF"),
        ({"format": 2}, "has format 2; this version of fastlstm reads 1. Write it again with `save_packed`"),
        ({"layout": 8}, "packed in layout 8; this version of fastlstm has 7. Write it again"),
        ({"size": 2**64 - 1}, "says that it has 18446744073709551615"),
        ({"header": 2**64 - 1}, "its header would have 18446744073709551615"),
        ({"header": 65}, "its header would have 65 of its"),
        ({"header": 0}, "not valid JSON"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_preambles_that_lie(path, fields, text):
    path.write_bytes(file_of(b"{}", **fields))
    with pytest.raises(ValueError, match=text):
        open_packed(path, LAYOUT)


HEADERS = (b"", b"[]", b"{", b"\xff", b'{"model": {}}', b'{"model": 1, "arrays": []}', b'{"arrays": []}')


@pytest.mark.parametrize("header", [*HEADERS, b'{"model": {}, "arrays": {}}', b"[" * 1000, b"9" * 9999])
def test_headers_that_are_none(path, header):
    path.write_bytes(file_of(header))
    with pytest.raises(ValueError, match=str(path)):
        open_packed(path, LAYOUT)


SOUND = {"name": "a", "dtype": "<f4", "shape": [2, 8], "offset": 64}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (None, "describes an array as None"),
        ([], r"describes an array as \[\]"),
        ({}, "describes an array"),
        ({"name": 1}, "describes an array"),
        ({"offset": True}, "describes an array"),
        ({"offset": 64.0}, "describes an array"),
        ({"offset": -64}, "describes an array"),
        ({"offset": "64"}, "describes an array"),
        ({"shape": 16}, "describes an array"),
        ({"dtype": ">f4"}, "dtype '>f4'; expected one of"),
        ({"dtype": "float32"}, "dtype 'float32'"),
        ({"dtype": "|O"}, "dtype"),
        ({"dtype": ["<f4"]}, "dtype"),
        ({"shape": [2, -8]}, "has the shape"),
        ({"shape": [2, 8.0]}, "has the shape"),
        ({"shape": [2, True]}, "has the shape"),
        ({"shape": [2**31]}, "has the shape"),
        ({"shape": [0, 2**63]}, "has the shape"),
        ({"shape": [1] * 33}, "has the shape"),
        ({"shape": [[2, 8]]}, "has the shape"),
        ({"shape": [2**30, 2**30, 2**30]}, "is not in the file"),
        ({"shape": [2, 9]}, "is not in the file"),
        ({"offset": 4}, "multiple of 64"),
        ({"offset": 128}, "is not in the file"),
        ({"offset": 2**64}, "is not in the file"),
        ({"offset": 10**400}, "is not in the file"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_arrays_that_are_not_there(path, wrong, text):
    def read(entry):
        path.write_bytes(file_of({"model": {}, "arrays": [entry]}, np.arange(32, dtype="<f4").tobytes()))
        return open_packed(path, LAYOUT).arrays[0].array

    np.testing.assert_array_equal(read(SOUND), np.arange(16, 32).reshape(2, 8))
    with pytest.raises(ValueError, match=text):
        read(SOUND | wrong if isinstance(wrong, dict) and wrong else wrong)


@given(
    shape=st.lists(st.integers(0, 2**33), max_size=5) | st.lists(st.integers(0, 5), max_size=40),
    offset=st.integers(0, 300) | st.integers(0, 4).map(lambda n: 64 * n) | st.integers(0, 2**70),
)
def test_every_array_lies_in_the_file(path, shape, offset):
    values = np.arange(64, dtype="<f4")
    path.write_bytes(file_of({"model": {}, "arrays": [SOUND | {"shape": shape, "offset": offset}]}, values.tobytes()))
    try:
        array = open_packed(path, LAYOUT).arrays[0].array
    except ValueError:
        inside = math.prod(shape) * 4 + offset <= 256 and offset % 64 == 0
        assert not inside or len(shape) > 32 or max(shape) >= 2**31 or 0 in shape
    else:
        np.testing.assert_array_equal(array.ravel(), values[offset // 4 :][: array.size])


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_packed(tmp_path / "missing", LAYOUT)
    with pytest.raises(ValueError, match="no regular file"):
        open_packed(tmp_path, LAYOUT)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        open_packed(tmp_path / "pipe", LAYOUT)


def test_a_machine_of_the_other_byte_order(path, monkeypatch):
    monkeypatch.setattr("sys.byteorder", "big")
    with pytest.raises(ValueError, match="little-endian, and this machine is not"):
        open_packed(path, LAYOUT)
