"""The worker pool, and calls that share weights, in C under ThreadSanitizer, where this machine's compiler has it."""

import os
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


FLAGS = ["-std=c11", "-g", "-O1", "-ffp-contract=off", "-fsanitize=thread", f"-I{ROOT / 'csrc'}"]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """A C compiler that has ThreadSanitizer."""
    folder, found = tmp_path_factory.mktemp("probe"), shutil.which("cc")
    (folder / "probe.c").write_text("int main(void) { return 0; }")
    command = [found, *FLAGS, folder / "probe.c", "-o", folder / "probe"]
    if found is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no C compiler with ThreadSanitizer on this machine")
    if "unexpected memory mapping" in subprocess.run([folder / "probe"], capture_output=True, text=True).stderr:
        pytest.skip("ThreadSanitizer does not run under this kernel")
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_race_and_nothing_wrong(name, compiler, tmp_path):
    sources, expected = PROGRAMS[name]
    program = tmp_path / name
    source = ROOT / "tests" / "c" / f"{name}.c"
    subprocess.run([compiler, *FLAGS, source, *sources, "-lm", "-lpthread", "-o", program], check=True)
    # Another sanitizer that was loaded before Python does not go with this one.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    run = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert re.fullmatch(expected, run.stdout), run.stdout
    assert (run.stderr, run.returncode) == ("", 0)
