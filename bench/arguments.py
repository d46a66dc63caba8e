"""The arguments of the command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench import environments, frames, quantized, serve, train
from bench.cases import CASES, Case, parse_case
from bench.engines import ENGINES


def parsed(arguments: list[str], parts: Mapping[str, str]) -> argparse.Namespace:
    """Return the arguments, by their names, with the part to run as `command`.

    Args:
        arguments: Of the command line; without a part they are those of `run`.
        parts: What each does.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description="fastlstm beside other engines.")
    commands = parser.add_subparsers(dest="command", required=True)
    subparsers = {name: commands.add_parser(name, help=text, description=text) for name, text in parts.items()}
    for name in (
        "run",
        "setup",
        "start",
        "frames",
        "real",
        "networks",
        "demo",
        "streams",
        "service",
        "serve",
        "train",
        "quantized",
        "sweep",
    ):
        subparsers[name].add_argument("--environments", type=Path, default=environments.DEFAULT, metavar="DIR")
    add_run_arguments(subparsers["run"])
    subparsers["setup"].add_argument(
        "engines", nargs="*", type=peer, metavar="ENGINE", help="default all that pip installs"
    )
    subparsers["setup"].add_argument("--source", type=Path, metavar="DIR", help="a checkout of RTNeural, for rtneural")
    subparsers["start"].add_argument("--rounds", type=int, default=9)
    subparsers["frames"].add_argument("networks", nargs="*", type=frame_network, default=list(frames.NETWORKS))
    subparsers["frames"].add_argument("--threads", type=int, choices=(1, 2), default=1)
    subparsers["frames"].add_argument("--rounds", type=int, default=5)
    subparsers["frames"].add_argument("--seconds", type=float, default=0.5, help="of one network in one process")
    subparsers["real"].add_argument("folder", type=Path, metavar="DIR")
    subparsers["networks"].add_argument("names", nargs="*", metavar="NAME", help="of networks; default all")
    for name in ("real", "networks"):
        subparsers[name].add_argument("--threads", type=int, choices=(1, 2), default=1)
        subparsers[name].add_argument("--rounds", type=int, default=7)
        subparsers[name].add_argument("--seconds", type=float, default=0.1, help="of one engine's turn at one call")
        subparsers[name].add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
        subparsers[name].add_argument("--chart", type=Path, metavar="FILE", help="also draw them, in SVG")
    subparsers["train"].add_argument("cases", nargs="*", type=training_case, default=list(train.NAMES))
    subparsers["train"].add_argument("--threads", type=int, choices=(1, 2), default=1)
    subparsers["train"].add_argument("--rounds", type=int, default=5)
    subparsers["train"].add_argument("--epochs", type=int, default=3, help="that are timed in one process")
    subparsers["train"].add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    add_quantized_arguments(subparsers["quantized"])
    add_sweep_arguments(subparsers["sweep"])
    subparsers["demo"].add_argument("--rounds", type=int, default=7)
    subparsers["demo"].add_argument("--seconds", type=float, default=2.0, help="of one engine in one process")
    subparsers["demo"].add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    subparsers["streams"].add_argument("--threads", type=int, choices=(1, 2), default=1)
    subparsers["streams"].add_argument("--rounds", type=int, default=5)
    subparsers["streams"].add_argument("--seconds", type=float, default=0.5, help="of one figure in one process")
    subparsers["processes"].add_argument("--rounds", type=int, default=9)
    subparsers["service"].add_argument("--rounds", type=int, default=5)
    subparsers["service"].add_argument("--seconds", type=float, default=2.0, help="of one number of threads")
    add_serve_arguments(subparsers["serve"])
    subparsers["soak"].add_argument("--calls", type=int, default=10_000_000)
    subparsers["soak"].add_argument("--threads", type=int, default=4)
    subparsers["table"].add_argument("results", type=Path)
    subparsers["chart"].add_argument("results", type=Path)
    subparsers["chart"].add_argument("out", type=Path)
    subparsers["chart"].add_argument("--engines", type=engine_list, help="the peers to show; default all of the run")
    if not arguments or (arguments[0] not in parts and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    return parser.parse_args(arguments)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engines", type=engine_list, help=f"of {','.join(ENGINES)}; default all whose environment has been made"
    )
    parser.add_argument("--cases", type=case_list, help=f"of {','.join(CASES)}; default all, or none beside --case")
    parser.add_argument(
        "--case", type=own_case, action="append", default=[], help="batch,timesteps,features,units… as in 1,60,1,50x4"
    )
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="of one engine's turn at one case")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the run to a file")
    parser.add_argument("--versions", action="store_true", help="print the engines' versions and end")


def add_quantized_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, metavar="DIR", help="model files with inputs beside them, no cases")
    parser.add_argument("--engines", type=engine_list, help=f"of {','.join(quantized.ENGINES)}; default all made")
    parser.add_argument("--cases", type=case_list, default=list(CASES.values()), help=f"of {','.join(CASES)}")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of one engine's turn at one case")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the run to a file")


def add_sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shapes", nargs="*", type=own_case, help="batch,timesteps,features,units…; default all")
    parser.add_argument("--integers", action="store_true", help="also ours in int16 and int8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one engine's turn at one shape")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--setup", action="store_true", help="make the other servers' environments, and end")
    parser.add_argument(
        "--servers", type=server_list, default=list(serve.SERVERS), help=f"of {','.join(serve.SERVERS)}"
    )
    parser.add_argument("--connections", type=counts, default=[1, 8, 64, 256], metavar="N,N…")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of one number of connections")
    parser.add_argument("--streams", type=int, metavar="N", help="so many WebSockets instead, 10 steps a second each")
    parser.add_argument("--soak", type=int, metavar="N", help="so many requests of mixed shapes instead, 1 %% broken")


def server_list(text: str) -> list[str]:
    return [choice(key, serve.SERVERS, "server") for key in text.split(",")]


def counts(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def engine_list(text: str) -> list[str]:
    return [choice(key, ENGINES, "engine") for key in text.split(",")]


def peer(key: str) -> str:
    return choice(key, environments.MADE, "engine")


def frame_network(name: str) -> str:
    return choice(name, frames.NETWORKS, "network")


def training_case(name: str) -> str:
    return choice(name, train.NAMES, "case")


def case_list(text: str) -> list[Case]:
    return [CASES[choice(name, CASES, "case")] for name in text.split(",")]


def choice(name: str, names: Iterable[str], what: str) -> str:
    if name not in names:
        raise argparse.ArgumentTypeError(f"no {what} {name!r}; there are {', '.join(names)}")
    return name


def own_case(text: str) -> Case:
    try:
        return parse_case(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
