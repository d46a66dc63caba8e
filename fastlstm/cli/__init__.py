"""The `fastlstm` command: one module of this package for each of its commands.

A command's module is named as the command, its docstring's first line is its help, and it has

- `add_arguments(parser)`: what comes after the command's name;
- `run(options)`: the work. It may return an exit code. Whatever goes wrong is an exception: one line on standard error
  and exit code 2.

To add one, write the module and name it in COMMANDS.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from fastlstm._version import __version__
from fastlstm.cli import bench, check, demo, doctor, export, forecast, predict, quantize, serve, summary
from fastlstm.printable import escaped

COMMANDS = (demo, summary, check, predict, forecast, export, quantize, serve, bench, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The words after `fastlstm`; None takes those that the program was started with.

    Returns:
        The exit code: the command's own if it has one, else 0, or 2 after an error.
    """
    options = make_parser().parse_args(arguments)
    try:
        code = options.run(options)
    except BrokenPipeError:  # whoever reads the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ValueError, NotImplementedError, ImportError, MemoryError) as error:
        print_error(str(error) or type(error).__name__)
        return 2
    except KeyboardInterrupt:
        return 130
    return code or 0


def print_error(message: str) -> None:
    print("fastlstm: error:", escaped(" ".join(message.split())), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Without the usage before an error, which would be more than one line."""

    def error(self, message: str) -> NoReturn:
        print_error(message)
        raise SystemExit(2)


class Completion(argparse.Action):
    """Prints a shell's completions for the whole parser, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> NoReturn:
        try:
            import shtab
        except ImportError:
            parser.error("shtab writes the completions: pip install shtab")
        print(shtab.complete(parser, args[1]))
        raise SystemExit(0)


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fastlstm", description="Runs trained Keras LSTM networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastlstm {__version__}")
    parser.add_argument(
        "--print-completion",
        action=Completion,
        choices=("bash", "zsh", "tcsh"),
        help="print what makes that shell complete the words of this command (needs shtab)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        title, _, description = (command.__doc__ or "").partition("\n\n")
        added = commands.add_parser(
            command.__name__.rpartition(".")[2],
            help=f"{title[0].lower()}{title[1:-1]}".replace("%", "%%"),
            description=f"{title}\n\n{description}".replace("%", "%%"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
