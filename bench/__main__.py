"""The command: `python -m bench` from the checkout. `python -m bench --help` tells the rest."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

# The checkout is searched last: its fastlstm has no compiled engine where the package is installed elsewhere.
sys.path.append(sys.path.pop(0))

from rich import box
from rich.console import Console
from rich.table import Table

from bench import (
    chart,
    demo,
    environments,
    frames,
    limits,
    memory,
    processes,
    quantized,
    real,
    report,
    runner,
    serve,
    service,
    soak,
    streams,
    sweep,
    train,
    whole,
)
from bench.arguments import parsed
from bench.cases import CASES
from bench.engines import EXACT, engine
from bench.protocol import command, environment, working
from bench.start import ENGINES as START_ENGINES


def main(arguments: list[str]) -> int:
    parts = {
        "run": (run, "time the engines and print the table (the default)"),
        "setup": (setup, "make the engines' environments"),
        "start": (start, "time import, load and first prediction"),
        "frames": (time_frames, "time networks over frames, CNN-LSTM and ConvLSTM, beside Keras' tf.function"),
        "real": (time_real, "time the model files of a folder beside ONNX Runtime on Keras' own exports"),
        "networks": (
            time_networks,
            "time networks like those of public projects beside ONNX Runtime on our own exports",
        ),
        "quantized": (
            time_quantized,
            "time the cases in integers beside engines that give up exactness; or weigh models",
        ),
        "sweep": (time_sweep, "time shapes off the cases' grid beside ONNX Runtime, on one thread and on two"),
        "train": (time_training, "time epochs of training, beside PyTorch, Keras and JAX"),
        "demo": (time_demo, "time the call of `fastlstm demo` by fastlstm and by Keras"),
        "memory": (take_memory, "what a loaded model takes by its weights, and a call by its time steps"),
        "streams": (time_streams, "time steps of streams, of pools of them, and closed loops"),
        "processes": (time_processes, "time and weigh workers that load a model"),
        "service": (time_service, "time one model called by several threads at once"),
        "serve": (time_servers, "time `fastlstm serve` and other servers under load, with many streams, and for long"),
        "soak": (run_soak, "everything at once for long: memory, bits, the latest call"),
        "table": (table, "a run's table in Markdown"),
        "chart": (draw, "a run's chart in SVG"),
    }
    options = parsed(arguments, {name: text for name, (_, text) in parts.items()})
    try:
        return parts[options.command][0](options)
    except (FileNotFoundError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1


def made_engines(folder: Path, keys: Iterable[str] = EXACT) -> list[str]:
    """The engines to run where none are named."""
    missing = [key for key in keys if not environments.is_made(folder, key)]
    if missing:
        print(f"without an environment in {folder}, so left out: {', '.join(missing)}", file=sys.stderr)
    return [key for key in keys if key not in missing]


def run(options: argparse.Namespace) -> int:
    options.engines = options.engines or made_engines(options.environments)
    if options.versions:
        return print_versions(options)
    cases = (options.cases or []) + options.case or list(CASES.values())
    console = Console(stderr=True)
    result = None
    with console.status("physical limit") as status:
        for result in runner.run(
            cases, options.engines, options.environments, options.threads, options.rounds, options.seconds
        ):
            done = len(result["cases"])
            status.update(f"{done} of {len(cases)} cases: {result['cases'][-1]['name']}")
            if options.json:
                options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 220).print(report.console(result))
    return 0


def time_quantized(options: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else 220)
    if options.models is not None:
        console.print(quantized.models(options.models))
        return 0
    keys = options.engines or made_engines(options.environments, quantized.ENGINES)
    result = None
    for result in runner.run(
        options.cases, keys, options.environments, options.threads, options.rounds, options.seconds
    ):
        if options.json:
            options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    console.print(quantized.table(result))
    return 0


def print_versions(options: argparse.Namespace) -> int:
    for key in options.engines:
        with working(key, environments.python(options.environments, key), runner.usable_cpus(), 1) as worker:
            print(f"{engine(key).name}: {report.versions(worker.ask('versions'))}")
    return 0


def setup(options: argparse.Namespace) -> int:
    keys = options.engines or [key for key in environments.MADE if not environments.needs_source(key)]
    failed = environments.setup(options.environments, keys, options.source)
    if failed:
        print(f"not to be had on this machine: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def start(options: argparse.Namespace) -> int:
    shown = Table(caption=f"Median of {options.rounds} fresh processes, turn about.")
    for heading in ("import, load, first prediction", "seconds", "resident MB"):
        shown.add_column(heading)
    figures: dict[str, list[list[float]]] = {key: [] for key in START_ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        for key, (ending, *_) in START_ENGINES.items():
            start_process(options, "save", key, f"{folder}/{key}{ending}")
        for _ in range(options.rounds):
            for key, (ending, *_) in START_ENGINES.items():
                text = start_process(options, "first", key, f"{folder}/{key}{ending}")
                figures[key].append([float(figure) for figure in text.split()])
    for key, rounds in figures.items():
        seconds, megabytes = map(median, zip(*rounds, strict=True))
        shown.add_row(engine(key).name, f"{seconds:.3f}", f"{megabytes:.0f}")
    Console().print(shown)
    return 0


def start_process(options: argparse.Namespace, action: str, key: str, path: str) -> str:
    """What the process prints."""
    code = f"from bench.start import in_process; in_process({action!r}, {key!r}, {path!r})"
    line = command(environments.python(options.environments, key), code)
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout


def time_demo(options: argparse.Namespace) -> int:
    result = demo.run(options.environments, options.rounds, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    shown = Table(caption=f"Median of {options.rounds} fresh processes, turn about.")
    for heading in ("predict of the demo's model", "µs"):
        shown.add_column(heading)
    for key, rounds in result["microseconds"].items():
        shown.add_row(engine(key).name, f"{median(rounds):,.0f}")
    Console().print(shown)
    return 0


def time_streams(options: argparse.Namespace) -> int:
    figures = streams.run(options.environments, options.threads, options.rounds, options.seconds)
    caption = f"Median of {options.rounds} fresh processes, turn about; {options.threads} thread(s)."
    shown = Table(*streams.headings(figures), caption=caption, box=box.MARKDOWN)
    for row in streams.rows(figures):
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    return 0


def time_frames(options: argparse.Namespace) -> int:
    headings, *rows = frames.rows(
        options.environments, options.networks, options.threads, options.rounds, options.seconds
    )
    shown = Table(*headings, caption=f"Median of {options.rounds} fresh processes, turn about.", box=box.MARKDOWN)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)
    return 0


def time_real(options: argparse.Namespace) -> int:
    runs = real.run(options.folder, options.environments, options.threads, options.rounds, options.seconds)
    return print_models(runs, options)


def time_networks(options: argparse.Namespace) -> int:
    runs = whole.run(options.names, options.environments, options.threads, options.rounds, options.seconds)
    return print_models(runs, options)


def print_models(runs: Iterable[dict], options: argparse.Namespace) -> int:
    result: dict = {}
    with Console(stderr=True).status("the first export") as status:
        for result in runs:
            status.update(f"{len(result['models'])}: {result['models'][-1]['name']}")
            if options.json:
                options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_with_remarks(real.table(result), real.remarks(result))
    if options.chart:
        options.chart.write_text(real.svg(result), encoding="utf-8")
    return 0


def time_sweep(options: argparse.Namespace) -> int:
    result: dict = {}
    cases, keys = options.shapes or sweep.shapes(), sweep.engines(options.integers)
    with Console(stderr=True).status("shapes") as status:
        for result in sweep.run(cases, keys, options.environments, options.rounds, options.seconds):
            status.update(f"{len(result['cases'])} of {len(cases)}: {result['cases'][-1]['name']}")
            if options.json:
                options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_with_remarks(sweep.table(result), sweep.remarks(result))
    return 0


def print_with_remarks(table: list[list[str]], remarks: list[str]) -> None:
    headings, *rows = table
    shown = Table(*headings, box=box.MARKDOWN)
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 300).print(shown)
    for line in remarks:
        print(f"- {line}")


def time_training(options: argparse.Namespace) -> int:
    machine = limits.measure(runner.usable_cpus()[-1])
    found = train.run(options.environments, options.cases, options.threads, options.rounds, options.epochs)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    headings, *rows = train.rows(found, machine, options.threads)
    caption = f"Median of {options.rounds} fresh processes, turn about; {options.threads} thread(s)."
    shown = Table(*headings, caption=caption, box=box.MARKDOWN)
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    return 0


def take_memory(options: argparse.Namespace) -> int:
    for title, (headings, *rows) in (
        ("a loaded model, MB", memory.model_rows()),
        ("a call, MB beside its input and output", memory.call_rows()),
    ):
        shown = Table(*headings, title=title)
        for row in rows:
            shown.add_row(*row)
        Console().print(shown)
    return 0


def time_processes(options: argparse.Namespace) -> int:
    caption = f"Median of {options.rounds} fresh processes, turn about; memory of {processes.WORKERS} at once (Pss)."
    shown = Table(caption=caption)
    for heading in ("case", "a worker's way", "ms to first prediction", "MB of all workers"):
        shown.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        for row in processes.run(folder, options.rounds):
            shown.add_row(*row)
    Console().print(shown)
    return 0


def run_soak(options: argparse.Namespace) -> int:
    from rich.progress import Progress

    calls = max(1, options.calls // options.threads) * options.threads
    run = soak.Soak(calls, options.threads)
    with Progress(transient=True) as bar:
        task = bar.add_task("soak", total=calls)
        run.run(lambda done: bar.update(task, completed=done))
    shown = Table(show_header=False)
    for row in soak.rows(run, calls):
        shown.add_row(*row)
    Console().print(shown)
    return bool(run.wrong)


def time_service(options: argparse.Namespace) -> int:
    figures = service.run(options.environments, options.rounds, options.seconds)
    shown = Table(box=box.MARKDOWN)
    for heading in service.HEADINGS:
        shown.add_column(heading)
    for row in service.rows(figures, len(runner.usable_cpus())):
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    return 0


def time_servers(options: argparse.Namespace) -> int:
    if options.setup:
        failed = serve.setup(options.environments, options.servers)
        print(f"not to be had on this machine: {', '.join(failed)}" if failed else "all made", file=sys.stderr)
        return bool(failed)
    shown = Table(box=box.MARKDOWN)
    if options.streams or options.soak:
        figures = (
            serve.run_streams(options.streams, 10, options.seconds) if options.streams else serve.run_soak(options.soak)
        )
        for heading in figures:
            shown.add_column(heading)
        shown.add_row(*(f"{value:,.2f}" if isinstance(value, float) else str(value) for value in figures.values()))
    else:
        for heading in serve.HEADINGS:
            shown.add_column(heading)
        found = serve.run(options.environments, options.servers, options.connections, options.rounds, options.seconds)
        for row in serve.rows(found):
            shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    return 0


def table(options: argparse.Namespace) -> int:
    print(report.markdown(json.loads(options.results.read_text(encoding="utf-8"))), end="")
    return 0


def draw(options: argparse.Namespace) -> int:
    result = json.loads(options.results.read_text(encoding="utf-8"))
    options.out.write_text(chart.svg(result, options.engines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
