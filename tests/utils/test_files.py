import hashlib
import tarfile
import zipfile

import pytest

from fastlstm.utils import get_file


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "some data.csv"
    path.write_text("a,b\n1,2\n")
    return path


def read(path):
    with open(path) as file:
        return file.read()


def test_a_copy_goes_to_the_cache(origin, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    path = get_file("data.csv", str(origin), cache_dir=cache)
    assert path == str(cache / "datasets" / "data.csv")
    origin.write_text("other")
    assert read(get_file("data.csv", origin.as_uri(), cache_dir=cache)) == "a,b\n1,2\n"
    assert read(get_file("data.csv", origin.as_uri(), cache_dir=cache, force_download=True)) == "other"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    assert get_file(origin=origin, cache_subdir="s") == str(tmp_path / "home" / "s" / "some data.csv")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_hashes(origin, tmp_path, algorithm):
    digest = hashlib.new(algorithm, origin.read_bytes()).hexdigest()
    path = get_file("x", origin, file_hash=digest, cache_dir=tmp_path)
    with open(path, "w") as file:
        file.write("damaged")
    assert read(get_file("x", origin, file_hash=digest, hash_algorithm=algorithm, cache_dir=tmp_path)) == "a,b\n1,2\n"
    origin.write_text("other")
    with open(path, "w") as file:
        file.write("damaged")
    with pytest.raises(ValueError, match="Incomplete or corrupted file detected"):
        get_file("x", origin, file_hash=digest, cache_dir=tmp_path)


def test_md5_hash(origin, tmp_path):
    digest = hashlib.md5(origin.read_bytes(), usedforsecurity=False).hexdigest()
    assert get_file("x", origin, md5_hash=digest, cache_dir=tmp_path)
    with pytest.raises(ValueError, match="The md5 file hash does not match"):
        get_file("y", origin, md5_hash="0" * 32, cache_dir=tmp_path)


# Python 3.10 and 3.11 have what keeps an archive in its folder from 3.10.12 and 3.11.4 on.
FILTERS = hasattr(tarfile, "data_filter")
UNSAFE = pytest.mark.skipif(not FILTERS, reason="this Python cannot unpack tar archives safely")


@pytest.mark.parametrize("kind", ["zip", pytest.param("tar", marks=UNSAFE)])
def test_archives(origin, tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.write(origin, "data.csv")
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(origin, "data.csv")
    for name, folder in ((None, archive.name), ("b.x", "b_extracted"), ("c", "c")):
        path = get_file(name, archive, extract=True, cache_dir=tmp_path / "cache")
        assert path == str(tmp_path / "cache" / "datasets" / folder)
        assert read(f"{path}/data.csv") == "a,b\n1,2\n"
    if kind == "zip":
        with pytest.raises(ValueError, match="is no archive of format 'tar'"):
            get_file("d", archive, untar=True, cache_dir=tmp_path / "cache")


def test_an_archive_does_not_leave_its_folder(origin, tmp_path):
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as file:
        file.add(origin, "../evil.csv")
    with pytest.raises(ValueError, match="is refused" if FILTERS else "cannot unpack .* safely"):
        get_file("e", archive, untar=True, cache_dir=tmp_path / "cache")
    assert not list(tmp_path.rglob("evil.csv"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, 'Please specify the "origin" argument'),
        (
            {"origin": "https://example.com/a.csv"},
            ValueError,
            "fastlstm downloads nothing. Put the file there yourself",
        ),
        ({"origin": "https://example.com/"}, ValueError, "Can't parse the file name from the origin provided"),
        ({"fname": "a/b", "origin": "x"}, ValueError, "Paths are no longer accepted as the `fname` argument"),
        ({"origin": "nowhere.csv"}, FileNotFoundError, "There is no file nowhere.csv to copy to"),
        ({"origin": __file__, "extract": True, "archive_format": "rar"}, ValueError, "`archive_format` should be"),
    ],
)
def test_refused(tmp_path, arguments, error, message):
    with pytest.raises(error) as raised:
        get_file(**arguments, cache_dir=tmp_path)
    assert message in str(raised.value)


def test_a_url_is_fine_once_the_file_is_there(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "a.csv").write_text("x")
    assert read(get_file("a.csv", "https://example.com/a.csv", cache_dir=tmp_path)) == "x"
