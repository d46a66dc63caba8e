"""The demo's call, `model.predict(x, verbose=0)` of the packaged model, by fastlstm and by Keras.

    python -m bench demo --json fastlstm/demo/keras_time.json

Each runs in fresh processes of its own, turn about, with as many threads as it takes by itself. `fastlstm demo` reads
the file. The result is plain data:

    {"date", "rounds", "machine": {…}, "versions": {engine: {…}}, "microseconds": {engine: [one a round]}}
"""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines import engine
from bench.environments import python, versions
from bench.protocol import command, environment, seconds_per_call
from bench.runner import describe_machine

ENGINES = ("fastlstm", "keras_predict")


def run(environments: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """The result.

    Args:
        environments: Folder of the engines' environments.
        rounds: Processes of each engine.
        seconds: How long the call is repeated in one process.

    Raises:
        RuntimeError: The engines' outputs differ.
    """
    from fastlstm import demo

    x = demo.window()
    answers: dict[str, list[dict[str, Any]]] = {key: [] for key in ENGINES}
    for _ in range(rounds):
        for key in ENGINES:
            arguments = f"{key!r}, {str(demo.MODEL)!r}, {x.tolist()}, {seconds}"
            line = command(python(environments, key), f"from bench.demo import *; in_process({arguments})")
            text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
            answers[key].append(json.loads(text.splitlines()[-1]))
    outputs = np.array([of_engine[0]["y"] for of_engine in answers.values()])
    if np.ptp(outputs, axis=0).max() > 1e-6:
        raise RuntimeError(f"the engines' outputs differ: {outputs.tolist()}")
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "rounds": rounds,
        "machine": describe_machine(),
        "versions": {key: of_engine[0]["versions"] for key, of_engine in answers.items()},
        "microseconds": {key: [round(a["microseconds"], 3) for a in of_engine] for key, of_engine in answers.items()},
    }


def in_process(key: str, path: str, x: list, seconds: float) -> None:
    """What a fresh process runs and prints."""
    array = np.array(x, np.float32)
    call = engine(key).opened(path)
    y = np.asarray(call(array)).tolist()
    microseconds = 1e6 * seconds_per_call(call, array, seconds)
    print(json.dumps({"y": y, "microseconds": microseconds, "versions": versions(key)}))
