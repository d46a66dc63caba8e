"""Protocol buffers as far as TensorFlow's files need them: the fields of one message, and nothing beyond its bytes.

Wire format: https://protobuf.dev/programming-guides/encoding. Groups, which nothing here uses, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

_MAX_VARINT_BYTES = 10
_AT_ONCE = 1000  # fields that are counted together
_FIXED = {1: 8, 5: 4}  # wire type: bytes

Value = int | memoryview


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return a number of variable length, and where the next byte is.

    Args:
        data: The bytes.
        position: Where it begins.

    Raises:
        ValueError: It does not end within ten bytes, or within the data.
    """
    value = 0
    for shift, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, position + shift + 1
    raise SavedModelError("A number of variable length does not end.")


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """`(number, value)` of every field in a message: an int, or the bytes of whatever is not one.

    Args:
        message: The whole message.

    Raises:
        ValueError: It is no message.
    """
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = read_varint(message, position)
            yield number, value
            continue
        if wire_type == 2:
            size, position = read_varint(message, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise SavedModelError(f"A field has the wire type {wire_type}.")
        if size > len(message) - position:
            raise SavedModelError("A field is longer than its message.")
        piece = message[position : position + size]
        position += size
        yield number, int.from_bytes(piece, "little") if wire_type in _FIXED else piece


class Message:
    """A message whose fields are asked for by number.

    Args:
        data: Its bytes.
        budget: What the load may take.

    Raises:
        ValueError: It is no message, or there are more fields than a load may make.
    """

    def __init__(self, data: bytes | memoryview, budget: Budget) -> None:
        self._budget = budget
        self._fields: dict[int, list[Value]] = {}
        count = 0
        for number, value in fields(memoryview(data)):
            self._fields.setdefault(number, []).append(value)
            count += 1
            if count % _AT_ONCE == 0:
                budget.take("fields", _AT_ONCE, "A protocol buffer")
        budget.take("fields", count % _AT_ONCE, "A protocol buffer")

    def integer(self, number: int) -> int:
        """The last number of a field; 0 without one, as the format has it."""
        return next((value for value in reversed(self._fields.get(number, ())) if isinstance(value, int)), 0)

    def text(self, number: int) -> str:
        """The last text of a field; empty without one."""
        pieces = self.pieces(number)
        if not pieces:
            return ""
        self._budget.take_bytes(len(pieces[-1]), "A text in a protocol buffer")
        return bytes(pieces[-1]).decode("utf-8", "replace")

    def pieces(self, number: int) -> list[memoryview]:
        """The bytes of all values of a field."""
        return [value for value in self._fields.get(number, ()) if isinstance(value, memoryview)]

    def messages(self, number: int) -> list[Message]:
        """The messages in a field."""
        return [Message(piece, self._budget) for piece in self.pieces(number)]

    def signed(self, number: int) -> int:
        """The last number of a field, of which the uppermost of 64 bits is the sign."""
        value = self.integer(number)
        return value - 2**64 if value >= 2**63 else value
