"""The worker pool, and calls that share weights, in C under ThreadSanitizer, where this machine's compiler has it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each program prints when all is well.
PROGRAMS = {
    "pool_races": ([ROOT / "csrc" / "pool.c"], r"0 wrong\n"),
    "call_races": (sorted((ROOT / "csrc").glob("*.c")), r"\d+ on several threads, 0 wrong\n"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_race_and_nothing_wrong(name, tmp_path):
    sources, expected = PROGRAMS[name]
    compiler = shutil.which("cc")
    program = tmp_path / name
    flags = ["-std=c11", "-g", "-O1", "-ffp-contract=off", "-fsanitize=thread", f"-I{ROOT / 'csrc'}"]
    command = [compiler, *flags, ROOT / "tests" / "c" / f"{name}.c", *sources, "-lm", "-lpthread", "-o", program]
    if compiler is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no C compiler with ThreadSanitizer on this machine")
    run = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("ThreadSanitizer does not run under this kernel")
    assert re.fullmatch(expected, run.stdout), run.stdout
    assert (run.stderr, run.returncode) == ("", 0)
