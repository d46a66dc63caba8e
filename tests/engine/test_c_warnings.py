"""Our own C compiles without a warning, by GCC and by Clang."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "csrc").glob("*.c"), *(ROOT / "tests" / "c").glob("*.c")])
FLAGS = ["-std=c11", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_warning(compiler, source):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    folders = [f"-I{ROOT / folder}" for folder in ("csrc", "fastlstm/include")]
    command = [compiler, *FLAGS, *folders, "-pthread", "-c", str(source), "-o", os.devnull]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_there_are_sources():
    assert len(SOURCES) > 6
