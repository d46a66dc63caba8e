"""The zip around a `.keras` file: named members only, nothing is ever extracted to disk."""

from __future__ import annotations

import zipfile

from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.json_data import MAX_JSON_BYTES

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_MAX_EXPANSION = 100
_EXPANSION_FLOOR = 256 * 2**20  # Keras' own bound: smaller members may expand further


def read_member(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Read one member into memory.

    Args:
        archive: The open archive.
        name: The member's exact name.

    Returns:
        Its bytes, or None where there is no such member.

    Raises:
        ValueError: Duplicate, encrypted, of an unknown compression, or suspiciously large.
    """
    members = [member for member in archive.infolist() if member.filename == name]
    if not members:
        return None
    member = members[0]
    if len(members) > 1:
        raise SavedModelError(f"{archive.filename} has {len(members)} members called {name}.")
    if member.flag_bits & 0x1:
        raise SavedModelError(f"{name} in {archive.filename} is encrypted.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SavedModelError(f"{name} in {archive.filename} uses the compression method {member.compress_type}.")
    if name.endswith(".json") and member.file_size > MAX_JSON_BYTES:
        raise SavedModelError(f"{name} in {archive.filename} declares {member.file_size} bytes.")
    if member.file_size > max(_EXPANSION_FLOOR, _MAX_EXPANSION * member.compress_size):
        raise SavedModelError(
            f"{name} in {archive.filename} declares {member.file_size} bytes in {member.compress_size} stored ones."
        )
    return archive.read(member)
