"""The worker pool in C under ThreadSanitizer, where this machine's compiler has it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [str(ROOT / name) for name in ("tests/c/pool_races.c", "csrc/pool.c")]


def test_no_race_and_no_wrong_sum(tmp_path):
    compiler = shutil.which("cc")
    program = tmp_path / "pool_races"
    command = [compiler, "-std=c11", "-g", "-O1", "-fsanitize=thread", f"-I{ROOT / 'csrc'}", *SOURCES, "-lpthread"]
    if compiler is None or subprocess.run([*command, "-o", program], capture_output=True, check=False).returncode:
        pytest.skip("no C compiler with ThreadSanitizer on this machine")
    run = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("ThreadSanitizer does not run under this kernel")
    assert (run.stdout, run.stderr, run.returncode) == ("0 wrong\n", "", 0)
