"""What type checkers see: code of a typical user is clean under mypy's strict rules, and the stubs fit the modules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastlstm.engine

pytestmark = pytest.mark.packed_kernels

USER_CODE = Path(__file__).parent / "user_code.py"
ENGINE = Path(fastlstm.engine.__file__).parent
# Of what Cython adds to every module.
ALLOWED = [r".*\.__(reduce|setstate)_cython__", r".*\.__pyx_capi__", r".*\.__test__"]


def mypy(folder, *arguments):
    """A run apart from the checkout, whose sources would hide the installed package."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_user_code_runs(tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    command = [sys.executable, "-W", "error", str(USER_CODE)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("True (2, 2)\n")


def test_user_code_is_strictly_typed(tmp_path):
    finished = mypy(tmp_path, "mypy", "--strict", str(USER_CODE))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (ENGINE.parent / "py.typed").is_file()


def test_user_code_is_not_all_any(tmp_path):
    wrong = USER_CODE.read_text(encoding="utf-8").replace("steps=3", 'steps="three"').replace("capacity=4", "size=4")
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    errors = mypy(tmp_path, "mypy", "--strict", "wrong.py").stdout
    assert '"forecast"' in errors and 'Unexpected keyword argument "size" for "stream_pool"' in errors


def test_stubs_fit_their_modules(tmp_path):
    sources = [path.read_text(encoding="utf-8") for path in ENGINE.glob("*.py")]
    imported = {name for text in sources for name in re.findall(r"^from fastlstm\.engine\.(_\w+) import", text, re.M)}
    stubs = {path.stem for path in ENGINE.glob("*.pyi")}
    assert stubs >= imported - {"_blas"} != set()
    (tmp_path / "allowed.txt").write_text("\n".join(ALLOWED), encoding="utf-8")
    options = ["--concise", "--ignore-disjoint-bases", "--allowlist", "allowed.txt", "--ignore-unused-allowlist"]
    names = [f"fastlstm.engine.{stub}" for stub in sorted(stubs)]
    finished = mypy(tmp_path, "mypy.stubtest", *options, *names)
    assert finished.returncode == 0, finished.stdout + finished.stderr
