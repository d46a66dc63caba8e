"""python fuzz TARGET … [--minutes 1] [--seed 0] [--without-atheris] [--findings DIR]

Runs targets of targets.py one after the other, on mutations (structure.py) of the files in corpus/. With atheris
(`pip install ".[fuzz]"`) what reaches new lines of fastlstm is mutated further; without it, or where it cannot be
installed, only the corpus is. Each run ends with one line of JSON: executions, how many inputs were read and run, what
refused the others. A finding is written to DIR, and the run goes on; the exit status says whether there were any.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

MEMORY = 3 << 30  # bytes of addresses
SECONDS = 20  # of the CPU that one input may take: on a busy machine a second of the clock says little,
PATIENCE = 300  # so that one that waits for something takes longer to be found
LONGEST = 1 << 20  # bytes of an input


class Slow(BaseException):
    """An input took too long."""


class Run:
    """Counts what comes of the inputs of a target.

    Args:
        target: Its name.
        minutes: For which it runs.
        findings: Folder for inputs that found something.
    """

    def __init__(self, target: str, minutes: float, findings: Path) -> None:
        from targets import CORPUS, attempt

        self._attempt, self._target, self._findings = attempt, target, findings
        self._began, self._seconds = time.monotonic(), 60 * minutes
        self._seen: set[str] = set()
        self._outcomes: collections.Counter[str] = collections.Counter()
        self.files = [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]

    @property
    def over(self) -> bool:
        return time.monotonic() - self._began > self._seconds

    def one(self, data: bytes) -> None:
        """Try one input."""
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(PATIENCE)
        try:
            self._outcomes[self._attempt(self._target, data)] += 1
        except (Exception, Slow) as error:
            self._outcomes["findings"] += 1
            self._keep(error, data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)

    def _keep(self, error: BaseException, data: bytes) -> None:
        """Write the first input of every kind of finding, told by the line that raised."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "fastlstm" in frame.filename]
        place = f"{Path(frames[-1].filename).stem}-{frames[-1].lineno}" if frames else "fuzz"
        kind = f"{self._target}-{type(error).__name__}-{place}"
        if kind not in self._seen:
            self._seen.add(kind)
            self._findings.mkdir(parents=True, exist_ok=True)
            (self._findings / kind).write_bytes(data)
            print(f"finding {kind}: {error!s:.300}", flush=True)

    def end(self) -> int:
        """Print the figures; the exit status."""
        total = sum(self._outcomes.values())
        figures = {"target": self._target, "executions": total, "ran": round(self._outcomes["run"] / max(1, total), 3)}
        figures |= {"findings": sorted(self._seen), "outcomes": dict(self._outcomes.most_common())}
        print(json.dumps(figures), flush=True)
        return int(bool(self._seen))


def mutated(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    """One to three mutations of the input or, half of the time, of a sound file."""
    from structure import mutate_file

    if rng.random() < 0.5 or not data:
        data = rng.choice(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = mutate_file(data, rng)
    return data[:LONGEST]


def fuzz(target: str, minutes: float, seed: int, guided: bool, findings: Path) -> int:
    """Run one target in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for timer in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(timer, _raise_slow)
    warnings.simplefilter("ignore")
    if guided:
        _fuzz_guided(target, minutes, seed, findings)
    run, rng = Run(target, minutes, findings), random.Random(seed)
    for data in run.files:
        run.one(data)
    while not run.over:
        run.one(mutated(b"", run.files, rng))
    return run.end()


def _fuzz_guided(target: str, minutes: float, seed: int, findings: Path) -> None:
    """As `fuzz`, by atheris; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["fastlstm"]):
        run = Run(target, minutes, findings)

    def one(data: bytes) -> None:
        run.one(data)
        if run.over:
            os._exit(run.end())

    def mutate(data: bytes, size: int, number: int) -> bytes:
        try:
            return mutated(data, run.files, random.Random(number))
        except Exception:  # atheris would go on without an end
            traceback.print_exc()
            os._exit(2)

    from targets import CORPUS

    options = [f"-seed={seed or 1}", f"-max_len={LONGEST}", "-rss_limit_mb=0", "-timeout=0"]
    findings.mkdir(parents=True, exist_ok=True)
    options += [f"-artifact_prefix={findings}/", "-verbosity=0", str(CORPUS / target)]
    # libFuzzer writes what it finds interesting to the first folder; the corpus itself stays as it is.
    kept = findings / f"{target}-corpus"
    kept.mkdir(exist_ok=True)
    atheris.Setup([sys.argv[0], str(kept), *options], one, custom_mutator=mutate)
    atheris.Fuzz()


def _raise_slow(number: int, frame: object) -> None:
    raise Slow(f"more than {SECONDS} s of the CPU, or {PATIENCE} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="all of them by default")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-atheris", action="store_true")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    arguments = parser.parse_args()
    guided = not arguments.without_atheris and importlib.util.find_spec("atheris") is not None
    if not guided and not arguments.without_atheris:
        print("atheris is not installed: mutations of the corpus, without the guidance of coverage", flush=True)
    if len(arguments.targets) == 1:
        name = arguments.targets[0]
        return fuzz(name, arguments.minutes, arguments.seed, guided, arguments.findings.resolve())
    names = arguments.targets or sorted(path.name for path in (Path(__file__).parent / "corpus").iterdir())
    options = [f"--minutes={arguments.minutes}", f"--seed={arguments.seed}", f"--findings={arguments.findings}"]
    options += [] if guided else ["--without-atheris"]
    # A process each: atheris ends the one that it runs in. One that a signal ended has a code below 0.
    codes = [subprocess.call([sys.executable, str(Path(__file__).parent), name, *options]) for name in names]
    return max(map(abs, codes))


if __name__ == "__main__":
    sys.exit(main())
