"""The zip around a `.keras` file: named members only, nothing is ever extracted to disk."""

from __future__ import annotations

import zipfile

from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


def read_member(archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes | None:
    """Read one member into memory.

    Args:
        archive: The open archive.
        name: The member's exact name.
        budget: What the load may take.

    Returns:
        Its bytes, or None where there is no such member.

    Raises:
        ValueError: Duplicate, encrypted, of an unknown compression, or too large.
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
    if name.endswith((".json", ".txt")):
        budget.check("bytes of JSON", member.file_size, name)
    budget.take_bytes(member.file_size, name)
    # Asked for all of a member, zipfile unpacks up to 2 GiB, whatever size the member declares.
    with archive.open(member) as stream:
        return stream.read(member.file_size)
