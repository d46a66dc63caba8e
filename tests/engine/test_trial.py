"""Which calls are made on several threads: csrc/trial.h, for calls that take what they are said to."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Runs of calls on several threads (s) and alone (a); see tests/c/trial.c.
EXPECTED = """\
6s 6a 58s 6a 24s
1s
6s 58a 6s 58a 6s 122a 6s 250a 6s 506a 6s 14a
37s 58a 5s
6s 6a 8s
4s 40a 6s 58a 6s 86a
1 1
1 1 1
1 1 1
"""


def test_calls_learn_whether_threads_pay(tmp_path):
    compiler, program = shutil.which("cc"), tmp_path / "trial"
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'csrc'}"]
    subprocess.run([compiler, *flags, ROOT / "tests" / "c" / "trial.c", "-o", program], check=True)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == EXPECTED
