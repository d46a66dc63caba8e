"""The physical limit of a case: what this machine's cores and caches allow, measured by limits.c."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case

SOURCE = Path(__file__).with_name("limits.c")
# Of one unit's state at one step: five activations of about 14 vector operations each, 16 units at a time. An estimate.
CELL_SECONDS = 0.8e-9


@dataclass(frozen=True)
class Level:
    """A cache level, or the memory behind them (`size` None), and how fast one core reads weights from it."""

    name: str
    size: int | None
    bytes_per_second: float


@dataclass(frozen=True)
class Machine:
    """One core: float32 operations a second (a multiply-add is two), and its levels, nearest first."""

    flops_per_second: float
    levels: tuple[Level, ...]

    def product_seconds(self, rows: int, features: int, columns: int) -> float:
        """`(rows, features) @ (features, columns)`: the weights are read once, or the arithmetic takes longer."""
        size = 4 * features * columns
        level = next(level for level in self.levels if level.size is None or size <= level.size)
        return max(size / level.bytes_per_second, 2 * rows * features * columns / self.flops_per_second)

    def case_seconds(self, case: Case, threads: int = 1) -> float:
        """The limit of a whole call, with the work and the bandwidth divided evenly over the threads.

        A layer's input is projected for all steps in one product, and every step updates the cells. Every step but the
        first, which begins from zeros, reads the recurrent kernel.
        """
        seconds = 0.0
        for features, units in case.widths():
            seconds += self.product_seconds(case.batch * case.timesteps, features, 4 * units)
            seconds += (case.timesteps - 1) * self.product_seconds(case.batch, units, 4 * units)
            seconds += case.timesteps * case.batch * units * CELL_SECONDS
        return seconds / threads


def measure(cpu: int) -> Machine:
    """Compile limits.c for this machine and run it on one core.

    Raises:
        RuntimeError: There is no C compiler, or it refused.
    """
    caches = cache_sizes()
    # half of a level stays inside it; a quarter of the last one, which others use too
    sizes = [size // 2 for size in caches[:-1]] + [caches[-1] // 4, caches[-1] * 4]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "limits"
        compiler = os.environ.get("CC") or "cc"
        command = [compiler, "-O3", "-march=native", "-ffp-contract=fast", str(SOURCE), "-o", str(program)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"The physical limit needs a C compiler: {getattr(error, 'stderr', error)}") from error
        pin = (lambda: os.sched_setaffinity(0, [cpu])) if hasattr(os, "sched_setaffinity") else None
        run = [program, *map(str, sizes)]
        lines = subprocess.run(run, check=True, capture_output=True, text=True, preexec_fn=pin).stdout
    peak, *bandwidths = (1e9 * float(line) for line in lines.split())
    names = [f"L{n}" for n in range(1, len(caches) + 1)] + ["memory"]
    return Machine(peak, tuple(map(Level, names, [*caches, None], bandwidths)))


def cache_sizes() -> list[int]:
    """Bytes of the data caches of a core, nearest first."""
    sizes: dict[int, int] = {}
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            sizes[int(level)] = int(size.removesuffix("K")) * 1024
    if not sizes:  # macOS
        query = ["sysctl", "-n", "hw.perflevel0.l1dcachesize", "hw.perflevel0.l2cachesize"]
        text = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        sizes = dict(enumerate(map(int, re.findall(r"\d+", text)), 1))
    return [sizes[level] for level in sorted(sizes)]
