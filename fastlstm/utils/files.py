"""`keras.utils.get_file` for files that are there already."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile
from os import PathLike
from pathlib import Path

from fastlstm.printable import quoted

_REMOTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def get_file(
    fname: str | PathLike[str] | None = None,
    origin: str | PathLike[str] | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | None = "auto",
    cache_dir: str | PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Return the path of a file in the cache, copied there, and unpacked, if need be.

    Args:
        fname: Name in the cache; None takes that of `origin`.
        origin: Path or `file://` URL of the file.
        untar: Boolean, as `extract`, for tar archives alone.
        md5_hash: As `file_hash`.
        file_hash: MD5 or SHA-256 of the file, in hexadecimal; None does not check.
        cache_subdir: Folder in the cache.
        hash_algorithm: `"auto"`, `"md5"` or `"sha256"`.
        extract: Boolean, whether to unpack the file; the path is that of the folder then.
        archive_format: `"auto"`, `"tar"`, `"zip"`, or None for no unpacking.
        cache_dir: Folder of the cache; None takes `~/.keras`, or what KERAS_HOME says.
        force_download: Boolean, whether to copy the file again though it is there.

    Raises:
        ValueError: When `origin` is missing or is a URL that is no file's, the hash is another one, or the archive is
            of no known format or would write outside its folder.
        FileNotFoundError: When `origin` is not there and the cache does not have it.

    Differs from Keras: nothing is downloaded; a file that is in the cache already is found for any `origin`.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    expected = md5_hash if file_hash is None else file_hash
    algorithm = "md5" if file_hash is None and md5_hash is not None else hash_algorithm
    name = os.fspath(fname) if fname is not None else ""
    if not name:
        name = os.path.basename(urllib.parse.urlsplit(os.fspath(origin)).path)
        if not name:
            raise ValueError(
                f"Can't parse the file name from the origin provided: '{origin}'.Please specify the `fname` argument."
            )
    elif os.sep in name:
        raise ValueError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent directory, use the "
            f"`cache_dir` argument. Received: fname={name}"
        )
    folder = Path(cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / cache_subdir
    unpacks = extract or untar
    target, unpacked = _places(folder, name, named=bool(fname), unpacks=unpacks)
    if force_download or not target.exists() or not _has_hash(target, expected, algorithm):
        _copy(origin, target)
        if not _has_hash(target, expected, algorithm):
            raise ValueError(
                f"Incomplete or corrupted file detected. The {algorithm} file hash does not match the provided value "
                f"of {expected}."
            )
    if not unpacks:
        return str(target)
    _unpack(target, unpacked, "tar" if untar else archive_format)
    return str(unpacked)


def _places(folder: Path, name: str, named: bool, unpacks: bool) -> tuple[Path, Path]:
    """Return where the file and what is in it go, named as by Keras."""
    if not unpacks:
        return folder / name, folder / name
    if named and "." in name:
        return folder / name, folder / f"{name[: name.find('.')]}_extracted"
    return folder / f"{name}_archive", folder / name


def _copy(origin: str | PathLike[str], target: Path) -> None:
    text = os.fspath(origin)
    if text.startswith("file:"):
        text = urllib.request.url2pathname(urllib.parse.urlsplit(text).path)
    elif _REMOTE.match(text):
        raise ValueError(
            f"fastlstm downloads nothing. Put the file there yourself, or pass the path of a copy as `origin`: "
            f"origin={quoted(origin)}, expected at {target}"
        )
    if not os.path.isfile(text):
        raise FileNotFoundError(f"There is no file {text} to copy to {target}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(text, target)


def _has_hash(path: Path, expected: str | None, algorithm: str) -> bool:
    if expected is None:
        return True
    is_sha256 = algorithm == "sha256" or (algorithm == "auto" and len(expected) == 64)
    hasher = hashlib.sha256() if is_sha256 else hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hasher.update(block)
    return hasher.hexdigest() == expected


def _unpack(path: Path, folder: Path, archive_format: str | None) -> None:
    if archive_format not in ("auto", "tar", "zip", None):
        raise ValueError(f"`archive_format` should be 'auto', 'tar', 'zip' or None. Received: {quoted(archive_format)}")
    if archive_format in ("auto", "tar") and tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            if not hasattr(tarfile, "data_filter"):
                raise ValueError(f"This Python cannot unpack {path} safely: a later patch release can.")
            try:
                archive.extractall(folder, filter="data")
            except tarfile.FilterError as error:
                raise ValueError(f"{path} is refused: {error}") from error
    elif archive_format in ("auto", "zip") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    elif archive_format is not None:
        raise ValueError(f"{path} is no archive of format {archive_format!r}.")
