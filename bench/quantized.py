"""Integers: the cases of `bench` in int16 and int8, beside the engines that give up exactness too; and model files.

    python -m bench quantized --json quantized.json
    python -m bench quantized --models DIR          # FILE.keras or .h5 with inputs x0, x1, … in FILE.npz

The run of the cases is one of `bench`'s (runner.py) with other engines; its table has the ratios to float32, that of
int8 to the fastest peer, and the largest errors against float64. The table of models has the largest difference of the
outputs to float32's, and how many of the rows' decisions changed: the greatest of several values, or the side of 1/2 of
a single one.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.table import Table

from bench.engines import QUANTIZED_OURS, QUANTIZED_PEERS, engine

FLOAT = "fastlstm"
ENGINES = (FLOAT, *QUANTIZED_OURS, *QUANTIZED_PEERS)
SUFFIXES = (".keras", ".h5", ".hdf5")
MODES = ("int16", "int8")


def table(result: dict[str, Any]) -> Table:
    """The cases of a run of these engines."""
    keys = [key for key in ENGINES if key in result["versions"]]
    peers = [key for key in QUANTIZED_PEERS if key in keys]
    ours = [key for key in QUANTIZED_OURS if key in keys]
    made = Table(
        caption=f"Microseconds of a call, {result['threads']} thread(s), medians of {result['rounds']} rounds."
    )
    for heading in ("case", *(engine(key).name for key in keys), *(f"{key[9:]} by float32" for key in ours)):
        made.add_column(heading, justify="left" if heading == "case" else "right")
    if peers:
        made.add_column("best peer by int8", justify="right")
    for key in (*ours, *peers):
        made.add_column(f"error {engine(key).name.removeprefix('fastlstm ')}", justify="right")
    for case in result["cases"]:
        made.add_row(*_cells(case, keys, ours, peers))
    return made


def _cells(case: dict[str, Any], keys: list[str], ours: list[str], peers: list[str]) -> list[str]:
    found = case["engines"]
    times = {key: median(found[key]["microseconds"]) for key in keys if found[key].get("microseconds")}
    cells = [case["name"], *(f"{times[key]:,.1f}" if key in times else "failed" for key in keys)]
    cells += [f"{times[FLOAT] / times[key]:.2f}x" for key in ours]
    best = min((times[key] for key in peers if key in times), default=None)
    if peers:
        cells.append("" if best is None else f"{best / times[ours[-1]]:.2f}x")
    return cells + [f"{found[key]['error']:.1e}" if "error" in found[key] else "" for key in (*ours, *peers)]


def models(folder: Path) -> Table:
    """The models of a folder, each with its inputs beside it.

    Raises:
        FileNotFoundError: There is none.
    """
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and path.with_suffix(".npz").exists()]
    if not paths:
        raise FileNotFoundError(f"no file of {', '.join(SUFFIXES)} in {folder} with an .npz beside it")
    made = Table("model", *(f"{mode}: {what}" for mode in MODES for what in ("largest difference", "changed")))
    for column in made.columns[1:]:
        column.justify = "right"
    for path in paths:
        with np.load(path.with_suffix(".npz")) as arrays:
            inputs = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
        cells = [path.stem if len(path.stem) <= 40 else f"…{path.stem[-39:]}"]
        expected = outputs(path, inputs, None)
        for mode in MODES:
            found = outputs(path, inputs, mode)
            pairs = list(zip(found, expected, strict=True))
            largest = max(float(np.abs(one - other).max()) for one, other in pairs)
            changed = sum(int((decisions(one) != decisions(other)).sum()) for one, other in pairs)
            cells += [f"{largest:.1e}", f"{changed} of {sum(decisions(one).size for one in expected)}"]
        made.add_row(*cells)
    return made


def outputs(path: Path, inputs: list[np.ndarray], mode: str | None) -> list[np.ndarray]:
    """What a model gives, as a list, in float32 or in a mode of integers."""
    from fastlstm.models import load_model

    model = load_model(path, compile=False)
    if mode is not None:
        model.quantize(mode)
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    found = list(found.values()) if isinstance(found, dict) else found
    return list(found) if isinstance(found, (list, tuple)) else [found]


def decisions(y: np.ndarray) -> np.ndarray:
    """What a classifier would say of each row or step."""
    return y.argmax(axis=-1) if y.shape[-1] > 1 else y[..., 0] > 0.5
