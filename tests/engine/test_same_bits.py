"""Every instruction set's kernels against the scalar ones, in C: this machine's, and emulated NEON's."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = ["-std=c11", "-O2", "-ffp-contract=off", f"-I{ROOT / 'csrc'}"]
# the compiler with what it needs, and what runs its programs
MACHINES = {"this machine": (["cc"], []), "AArch64": (["aarch64-linux-gnu-gcc", "-static"], ["qemu-aarch64"])}


@pytest.mark.parametrize("machine", MACHINES)
def test_same_bits(machine, tmp_path):
    compiler, emulator = MACHINES[machine]
    missing = [tool for tool in (compiler[0], *emulator) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    sources = [ROOT / "tests" / "c" / "same_bits.c", *sorted((ROOT / "csrc").glob("*.c"))]
    program = tmp_path / "same_bits"
    subprocess.run([*compiler, *FLAGS, *sources, "-lm", "-lpthread", "-o", program], check=True)
    words = subprocess.run([*emulator, program], check=True, capture_output=True, text=True).stdout.split()
    *names, compared, differ = words
    assert names[-1] == "scalar" and (machine != "AArch64" or names == ["neon", "scalar"])
    assert int(compared) > 1000 and int(differ) == 0
