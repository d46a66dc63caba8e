"""Say everything in a file that is not supported, and what to do about it.

Every layer is looked at, then the model is opened and run once, on zeros. Exit code 1 where something is amiss.
"""

from __future__ import annotations

import argparse
import sys

from fastlstm.printable import escaped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .keras or .h5 file, or a folder, that holds a whole model")


def run(options: argparse.Namespace) -> int:
    from fastlstm.models.checking import check

    report = check(options.file)
    written = f"Keras {report.keras_version}" if report.keras_version else "a Keras that does not say its version"
    for number, problem in enumerate(report.problems, 1):
        lines = [*problem.what.splitlines(), *problem.advice.splitlines()]
        print(f"{number}. " + "\n   ".join(map(escaped, lines)))
    for note in report.notes:
        print(f"note: {escaped(note)}")
    name = escaped(options.file)
    if report.model is None or report.problems:
        count = len(report.problems)
        print(f"{name}, written by {written}: {count} problem{'s' * (count > 1)}", file=sys.stderr)
        return 1
    print(f"{name}, written by {written}: opens and runs")
    return 0
