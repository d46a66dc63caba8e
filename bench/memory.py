"""Memory: what a loaded model takes by its weights, in each mode, and what a call takes by its time steps, in fresh
processes.

    python -m bench memory

Resident memory as Linux counts it, in pages and to about 0.1 MB.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.cases import CASES
from bench.engines.fastlstm import fastlstm_model
from bench.protocol import command, environment

# Loaded and run before a model that is measured, so that what the library takes once is there.
SMALL = "small"
MODELS = ("mid", "deep", "huge")
MODES = ("float32", "int16", "int8")
FEATURES, UNITS = 64, 128
STEPS = (100, 1_000, 10_000)
# Of 128 units; S: with return_sequences, B: go_backwards.
NETWORKS = ("LSTM S, LSTM", "LSTM S, LSTM S", "LSTM, Dense", "LSTM BS, LSTM", "Bidirectional LSTM")
NETWORKS_OVER_ALL_STEPS = ("LSTM S, LSTM B", "Bidirectional LSTM S, LSTM")

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def model_rows() -> list[list[str]]:
    """Headings, then a row per model and mode."""
    made = [["case", "mode", "weights", "loaded", "first prediction", "by its weights"]]
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: f"{folder}/{name}.keras" for name in (SMALL, *MODELS)}
        for name, path in paths.items():
            _process(f"memory.save({name!r}, {path!r})")
        for name, mode in ((name, mode) for name in MODELS for mode in MODES):
            text = _process(f"print(*memory.of_model({paths[SMALL]!r}, {paths[name]!r}, {mode!r}))")
            weights, loaded, first = map(float, text.split())
            made.append([name, mode, f"{weights:.1f}", f"{loaded:.1f}", f"{first:.1f}", f"{first / weights:.2f}x"])
    return made


def call_rows() -> list[list[str]]:
    """Headings, then a row per network."""
    made = [["network", *(f"{timesteps:,} steps" for timesteps in STEPS)]]
    for name in NETWORKS + NETWORKS_OVER_ALL_STEPS:
        figures = [float(_process(f"print(memory.of_call({name!r}, {timesteps}))")) for timesteps in STEPS]
        made.append([name, *(f"{figure:.1f}" for figure in figures)])
    return made


def _process(code: str) -> str:
    """What a fresh process prints, on one thread.

    Raises:
        RuntimeError: This system does not say what is resident.
    """
    if not REFERENCES.exists():
        raise RuntimeError(f"Resident memory is measured on Linux alone: there is no {REFERENCES}.")
    line = command(Path(sys.executable), f"from bench import memory; {code}")
    own = environment() | {"FASTLSTM_NUM_THREADS": "1"}
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=own).stdout


def save(case_name: str, path: str) -> None:
    """Write a case as a .keras file."""
    fastlstm_model(CASES[case_name], CASES[case_name].weights()).save(path)


def network(name: str):
    """One of NETWORKS or NETWORKS_OVER_ALL_STEPS, for sequences of any length, with new weights."""
    from fastlstm import Input, Sequential, layers

    def layer(text: str) -> layers.Layer:
        kind, _, flags = text.removeprefix("Bidirectional ").partition(" ")
        if kind == "Dense":
            return layers.Dense(1)
        lstm = layers.LSTM(UNITS, return_sequences="S" in flags, go_backwards="B" in flags)
        return layers.Bidirectional(lstm) if text.startswith("Bidirectional") else lstm

    return Sequential([Input((None, FEATURES)), *map(layer, name.split(", "))])


def of_model(small_path: str, path: str, mode: str) -> tuple[float, float, float]:
    """MB of a file's weights in float32, and resident MB more than before after loading it, then after a step of it.

    Args:
        small_path: The file of SMALL.
        path: The file.
        mode: What its weights and SMALL's are quantized to once they are loaded; one of MODES.
    """
    from fastlstm.models import load_model

    def loaded(path: str):
        model = load_model(path)
        if mode != "float32":
            model.quantize(mode)
        return model

    def run(model) -> None:
        model.predict_on_batch(np.ones((1, 1, model.input_shape[-1]), np.float32))

    run(loaded(small_path))
    before = resident()["VmRSS"]
    model = loaded(path)
    after = resident()["VmRSS"]
    run(model)
    weights = 4e-6 * model.count_params()
    return weights, after - before, resident()["VmRSS"] - before


def of_call(name: str, timesteps: int) -> float:
    """Resident MB that a call of a network takes at most, more than its input and output."""
    model = network(name)
    model.predict_on_batch(np.ones((1, 1, FEATURES), np.float32))
    x = np.ones((1, timesteps, FEATURES), np.float32)
    before = resident()["VmRSS"]
    y = model.predict_on_batch(x)
    return resident()["VmHWM"] - before - 1e-6 * y.nbytes


def resident() -> dict[str, float]:
    """This process' memory in MB: `VmRSS` now, `VmHWM` the most since the last time that this was called."""
    gc.collect()
    lines = [line.split() for line in STATUS.read_text(encoding="ascii").splitlines()]
    REFERENCES.write_text("5", encoding="ascii")
    return {words[0].rstrip(":"): 1024e-6 * float(words[1]) for words in lines if words[0] in ("VmRSS:", "VmHWM:")}
