"""What setup.py and an import say where something is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastlstm

ROOT = Path(__file__).parent.parent


def refused(*command, cwd, **environment):
    ran = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert ran.returncode != 0
    return ran.stderr.strip().splitlines()[-1]


def test_sources_that_are_not_compiled_say_what_to_do(tmp_path):
    shutil.copytree(Path(fastlstm.__file__).parent, tmp_path / "fastlstm", ignore=shutil.ignore_patterns("*.so"))
    for statement in ("import fastlstm", "from fastlstm.models import Sequential", "import fastlstm.engine.threads"):
        said = refused("-c", statement, cwd=tmp_path)
        assert said.startswith(
            f"ImportError: fastlstm is imported from its sources in {tmp_path / 'fastlstm' / 'engine'}"
        )
        assert "`pip install -e .`" in said


@pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="only a checkout has setup.py")
def test_without_a_compiler(tmp_path):
    folders = ["--build-lib", str(tmp_path), "--build-temp", str(tmp_path)]
    said = refused("setup.py", "-q", "build_ext", *folders, cwd=ROOT, CC="no-such-compiler")
    assert said == (
        "fastlstm is compiled to be installed: the C compiler no-such-compiler is missing (apt install gcc)."
    )
