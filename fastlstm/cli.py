"""The `fastlstm` command: `demo`, `summary` and `predict`.

Whatever goes wrong is one line on standard error and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastlstm._version import __version__

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from fastlstm.demo import Forecast

CHART_ROWS = 14
PREDICT_DESCRIPTION = """\
Runs a model on the arrays of INPUT and writes its predictions to OUTPUT.

INPUT   .npy, or .npz with one array or one named as the model's input: (samples, ...).
        .csv, with or without a line of column names: one sample a line for a model whose samples are vectors,
        one time step of a single sequence a line for a model whose samples are sequences.
OUTPUT  .npy, or .csv with a line for each sample, or for each step of each sample. An existing file is replaced.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The words after `fastlstm`; None takes those that the program was started with.

    Returns:
        The exit code: 0, or 2 after an error.
    """
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except (OSError, ValueError, NotImplementedError, ImportError, MemoryError) as error:
        print_error(str(error) or type(error).__name__)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def print_error(message: str) -> None:
    print("fastlstm: error:", " ".join(message.split()), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Without the usage before an error, which would be more than one line."""

    def error(self, message: str) -> NoReturn:
        print_error(message)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fastlstm", description="Runs trained Keras LSTM networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastlstm {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="forecast two years of airline passengers with the packaged model")
    demo.add_argument("--plot", type=Path, metavar="FILE", help="write the chart as PNG too (needs matplotlib)")
    demo.set_defaults(run=run_demo)

    summary = commands.add_parser("summary", help="print the layers of a model")
    summary.add_argument("file", metavar="FILE", help="a .keras or .h5 file that holds a whole model")
    summary.set_defaults(run=run_summary)

    predict = commands.add_parser(
        "predict",
        help="run a model on a file of arrays",
        description=PREDICT_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.add_argument("file", metavar="FILE", help="a .keras or .h5 file that holds a whole model")
    predict.add_argument("input", type=Path, metavar="INPUT", help="a .npy, .npz or .csv file")
    predict.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help="a .npy or .csv file")
    predict.add_argument("--batch-size", type=positive, metavar="N", help="samples that run at once (32)")
    predict.set_defaults(run=run_predict)
    return parser


def positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


# summary and predict


def run_summary(options: argparse.Namespace) -> None:
    from fastlstm.models import load_model

    load_model(options.file).summary()


def run_predict(options: argparse.Namespace) -> None:
    read, write = by_extension(READERS, options.input), by_extension(WRITERS, options.output)
    require_directory(options.output)
    from fastlstm.models import load_model

    model = load_model(options.file, compile=False)
    if isinstance(model.output_shape[0], tuple):
        raise ValueError(f"{options.file} has {len(model.output_shape)} outputs, only one can be written")
    y = model.predict(read_input(options.input, read, model.input_shape), batch_size=options.batch_size)
    with replacing(options.output) as file:
        write(file, y)
    print(f"wrote {options.output}: shape {y.shape}")


def read_input(path: Path, read: Callable[[Path], Any], input_shape: tuple[int | None, ...]) -> Any:
    try:
        x = read(path)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return csv_samples(path, x, input_shape) if read is read_csv else x


def by_extension(functions: dict[str, Callable], path: Path) -> Callable:
    try:
        return functions[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(functions)}") from None


def read_npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def read_npz(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array, or arrays by name where there are more."""
    if not zipfile.is_zipfile(path):
        raise ValueError("not an .npz archive")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    return arrays if len(arrays) != 1 else arrays.popitem()[1]


def read_csv(path: Path) -> np.ndarray:
    """The numbers of the lines, shape (lines, columns); a first line of names is left out."""
    with path.open(encoding="utf-8-sig") as file:
        lines = [line for line in file if line.strip()]
    if lines and not all(is_number(cell) for cell in lines[0].split(",")):
        del lines[0]
    if not lines:
        raise ValueError("no numbers in it")
    return np.loadtxt(lines, delimiter=",", ndmin=2, dtype="float32")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def csv_samples(path: Path, table: np.ndarray, input_shape: tuple[int | None, ...]) -> np.ndarray:
    """The lines of a table as the samples of a model, or as the time steps of its one sample."""
    columns = input_shape[-1]
    if len(input_shape) not in (2, 3):
        raise ValueError(f"{path}: a .csv cannot hold input of shape {input_shape}, a .npy can")
    if columns is not None and table.shape[1] != columns:
        raise ValueError(f"{path}: expected {columns} columns for input of shape {input_shape}, found {table.shape[1]}")
    return table if len(input_shape) == 2 else table[np.newaxis]


def write_npy(file: IO[bytes], y: np.ndarray) -> None:
    np.lib.format.write_array(file, y, allow_pickle=False)


def write_csv(file: IO[bytes], y: np.ndarray) -> None:
    np.savetxt(file, y.reshape(-1, y.shape[-1]), fmt="%.9g", delimiter=",")  # 9 digits give the same float32 back


def require_directory(path: Path) -> None:
    """Fails before the work, not after it, when there is no place for its result."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when it is complete, or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("xb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


READERS = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv}
WRITERS = {".npy": write_npy, ".csv": write_csv}


# demo


def run_demo(options: argparse.Namespace) -> None:
    if options.plot:
        require_directory(options.plot)
        require_matplotlib()
    from rich.console import Console

    from fastlstm import demo

    forecast = demo.run()
    console = Console(highlight=False)
    console.print("\nAirline passengers, thousands a month: 1959 and 1960 forecast from 1949 to 1958\n")
    console.print(chart(forecast, unicode=console.encoding.startswith("utf")), no_wrap=True, overflow="crop")
    console.print(error_table(forecast))
    console.print(f"One prediction takes {1e3 * forecast.seconds_per_prediction:.3f} ms.")
    if options.plot:
        with replacing(options.plot) as file:
            write_plot(file, forecast)
        console.print(f"wrote {options.plot}")


def chart(forecast: Forecast, unicode: bool) -> Text:
    """The months from left to right, a mark for each series; where two meet, the first of them is seen."""
    from rich.text import Text

    lines = {  # title → values, mark, style
        "actual": (forecast.actual, "●" if unicode else "o", "bold green"),
        "LSTM": (forecast.forecast, "◆" if unicode else "#", "bold cyan"),
        "seasonal naive": (forecast.naive, "·" if unicode else ".", "dim"),
    }
    everything = np.stack([values for values, _, _ in lines.values()])
    levels = np.linspace(everything.min(), everything.max(), CHART_ROWS)
    rows = {title: np.abs(values[:, None] - levels).argmin(1) for title, (values, _, _) in lines.items()}
    text = Text()
    for row in reversed(range(CHART_ROWS)):
        text.append(f"{levels[row]:5.0f} " if row % 3 == 1 else " " * 6, style="dim")
        for month in range(len(forecast.months)):
            seen = next((title for title in lines if rows[title][month] == row), None)
            text.append(f"{lines[seen][1]:<3}" if seen else "   ", style=lines[seen][2] if seen else "")
        text.append("\n")
    text.append(" " * 6 + "".join(f"{'JFMAMJJASOND'[int(month[-2:]) - 1]:<3}" for month in forecast.months) + "\n")
    text.append(" " * 6 + "".join(f"{month[:4]:<36}" for month in forecast.months[::12]).rstrip() + "\n\n" + " " * 6)
    for title, (_, mark, style) in lines.items():
        text.append(f"{mark} {title}   ", style=style)
    return text.append("\n")


def error_table(forecast: Forecast) -> Table:
    from rich.table import Table

    table = Table("Forecast of 24 months", "RMSE (thousands)", "MAPE (%)")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("LSTM", f"{forecast.rmse:.1f}", f"{forecast.mape:.1f}", style="bold")
    table.add_row(
        "seasonal naive (last known year repeated)", f"{forecast.naive_rmse:.1f}", f"{forecast.naive_mape:.1f}"
    )
    return table


def require_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise ModuleNotFoundError("--plot needs matplotlib (pip install matplotlib)")


def write_plot(file: IO[bytes], forecast: Forecast) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot(
        title="Airline passengers: 1959 and 1960 forecast from 1949 to 1958", ylabel="passengers a month (thousands)"
    )
    axes.plot(forecast.months, forecast.actual, "o-", label="actual")
    axes.plot(forecast.months, forecast.forecast, "D-", label=f"LSTM, RMSE {forecast.rmse:.1f}")
    axes.plot(forecast.months, forecast.naive, ":", label=f"seasonal naive, RMSE {forecast.naive_rmse:.1f}")
    axes.set_xticks(forecast.months[::3])
    axes.legend()
    figure.savefig(file, format="png", dpi=120)
