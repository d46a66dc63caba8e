"""What the project's own files say agrees: paths in documents exist, versions and Pythons are the same everywhere."""

import re
from pathlib import Path

import pytest

import fastlstm

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def text(name):
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is in a checkout, not in the sdist")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_exist(document):
    written = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", written) if not re.match(r"https?:", link)]
    names = re.findall(r"`((?:bench|tests|docs|examples|fastlstm|csrc|\.ci)/[\w./]*)`", written)
    names = [name for name in names if "_x." not in name]  # a file yet to be written
    for path in [*(document.parent / link for link in links), *(ROOT / name for name in names)]:
        assert path.exists(), path


def test_documents_are_read():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {path.name for path in DOCUMENTS}


def test_hooks_lint_with_the_versions_of_the_extra():
    hooks = text(".pre-commit-config.yaml")
    for name, version in re.findall(r'"(ruff|cython-lint)==([\d.]+)"', PROJECT):
        (rev,) = re.findall(rf"/{name}[\w-]*\n    rev: v([\d.]+)", hooks)
        assert rev == version, name


def test_the_same_pythons_everywhere():
    built = re.findall(r"cp3(\d+)-\*", PROJECT)
    (tested,) = re.findall(r'python=\[("3\.10".*?)\]', text("noxfile.py"))
    assert [f"3.{minor}" for minor in built] == re.findall(r"3\.\d+", tested)
    (oldest,) = re.findall(r'requires-python = ">=(3\.\d+)"', PROJECT)
    assert oldest == f"3.{built[0]}"
    assert f"Python {oldest} or later" in text("README.md") and f"Python {oldest} or later" in text("CONTRIBUTING.md")


def test_the_oldest_libraries_are_tested():
    dependencies = dict(re.findall(r'"(\w+)>=([\d.]+)"', re.findall(r"^dependencies = \[(.*)\]", PROJECT, re.M)[0]))
    tested = dict(re.findall(r'"(\w+)==([\d.]+)"', text("noxfile.py")))
    for name, version in dependencies.items():
        assert tested[name].startswith(version), name


def test_the_changelog_knows_the_version():
    headings = re.findall(r"^## \[([^\]]+)\](.*)$", text("CHANGELOG.md"), re.M)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == fastlstm.__version__ and re.fullmatch(r" - \d{4}-\d\d-\d\d", headings[1][1])
