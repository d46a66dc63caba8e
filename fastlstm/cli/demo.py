"""Forecast two years of airline passengers with the packaged model.

A stacked LSTM that Keras trained on the ten years before, beside the naive forecast that repeats the last known year.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from fastlstm.cli.files import require_directory
from fastlstm.saving.replace import replaced_file

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from fastlstm.demo import Forecast, KerasTime

CHART_ROWS = 14
MARGIN = 6  # columns of the chart left of the first month
SNIPPET = """\
from fastlstm import demo
from fastlstm.models import load_model

model = load_model(demo.MODEL)
print(model.predict(demo.window()))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="write the chart to a .png, .svg, .pdf … too (needs matplotlib)"
    )


def run(options: argparse.Namespace) -> None:
    if options.plot:
        require_directory(options.plot)
        plot_format(options.plot)
    from rich.console import Console

    from fastlstm import demo

    forecast = demo.run()
    console = Console(highlight=False)
    console.print("\nAirline passengers, thousands a month: 1959 and 1960 forecast from 1949 to 1958\n")
    console.print(chart(forecast, console.width, console.encoding.startswith("utf")), no_wrap=True, overflow="crop")
    console.print(error_table(forecast))
    console.print("\n" + times(forecast, demo.keras_time()))
    console.print("\nThe model's file was written by Keras. In Python:\n")
    console.print("".join(f"  {line}\n" for line in SNIPPET.splitlines()), markup=False, soft_wrap=True, end="")
    if options.plot:
        with replaced_file(options.plot) as file:
            write_plot(file, forecast, plot_format(options.plot))
        console.print(f"\nwrote {options.plot}", markup=False, soft_wrap=True)


def times(forecast: Forecast, measured: KerasTime) -> str:
    return (
        f"A prediction took {1e3 * forecast.seconds_per_prediction:.3f} ms. For the same call `predict` of Keras "
        f"{measured.keras_version} took {1e3 * measured.keras:.0f} ms where fastlstm took "
        f"{1e3 * measured.fastlstm:.3f} ms ({measured.processor}, {measured.date})."
    )


def chart(forecast: Forecast, columns: int, unicode: bool) -> Text:
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
    width = min(3, max(1, (columns - MARGIN) // len(forecast.months)))  # of a month
    text = Text()
    for row in reversed(range(CHART_ROWS)):
        text.append(f"{levels[row]:5.0f} " if row % 3 == 1 else " " * MARGIN, style="dim")
        for month in range(len(forecast.months)):
            seen = next((title for title in lines if rows[title][month] == row), None)
            mark, style = lines[seen][1:] if seen else ("", "")
            text.append(f"{mark:<{width}}", style=style)
        text.append("\n")
    initials = "".join(f"{'JFMAMJJASOND'[int(month[-2:]) - 1]:<{width}}" for month in forecast.months)
    years = "".join(f"{month[:4]:<{12 * width}}" for month in forecast.months[::12])
    text.append(f"{'':{MARGIN}}{initials}\n{'':{MARGIN}}{years.rstrip()}\n\n{'':{MARGIN}}")
    for title, (_, mark, style) in lines.items():
        text.append(f"{mark} {title}  ", style=style)
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


def plot_format(path: Path) -> str:
    """The format that the name's ending asks for, of those that matplotlib writes.

    Raises:
        ModuleNotFoundError: Without matplotlib.
        ValueError: For another ending.
    """
    if find_spec("matplotlib") is None:
        raise ModuleNotFoundError("--plot needs matplotlib (pip install matplotlib)")
    from matplotlib.backend_bases import FigureCanvasBase

    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    ending = path.suffix.lower().removeprefix(".")
    if ending not in formats:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(f'.{name}' for name in formats)}")
    return ending


def write_plot(file: BinaryIO, forecast: Forecast, ending: str) -> None:
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
    figure.savefig(file, format=ending, dpi=120)
