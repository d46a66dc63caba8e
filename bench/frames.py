"""Networks over frames, CNN-LSTM and ConvLSTM, beside Keras' tf.function: a call of one sequence.

    python -m bench frames

Each engine runs in a fresh process of its own a round, turn about; a figure is the median of the rounds. Both make the
network of their own layers, with the same weights, and their outputs are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.cases import SEED
from bench.engines import engine
from bench.engines.keras_function import import_keras
from bench.environments import python
from bench.protocol import command, environment, seconds_per_call
from bench.runner import usable_cpus

ENGINES = ("fastlstm", "keras_function")


def lrcn(keras: Any, shape: tuple[int, ...]) -> list[Any]:
    """A small convolution of every frame, then an LSTM over what is left of them."""
    layers, each = keras.layers, keras.layers.TimeDistributed
    return [
        keras.Input(shape),
        each(layers.Conv2D(4, 3, strides=2, padding="same")),
        each(layers.BatchNormalization()),
        each(layers.AveragePooling2D(2)),
        each(layers.GlobalMaxPooling2D()),
        layers.LSTM(5),
    ]


def deep_lrcn(keras: Any, shape: tuple[int, ...]) -> list[Any]:
    """Four convolutions of every frame, as the tutorials have them."""
    layers, each = keras.layers, keras.layers.TimeDistributed
    made = [keras.Input(shape)]
    for filters in (16, 32, 64, 64):
        made.append(each(layers.Conv2D(filters, 3, padding="same", activation="relu")))
        made.append(each(layers.MaxPooling2D(2)))
    return [*made, each(layers.Flatten()), layers.LSTM(32), layers.Dense(10, activation="softmax")]


def conv_lstm(keras: Any, shape: tuple[int, ...]) -> list[Any]:
    """Two ConvLSTM2D with a normalization between, and a Dense."""
    layers = keras.layers
    return [
        keras.Input(shape),
        layers.ConvLSTM2D(16, 3, padding="same", return_sequences=True),
        layers.BatchNormalization(),
        layers.ConvLSTM2D(16, 3, padding="same"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1, activation="sigmoid"),
    ]


# Network and shape of its input: frames, rows, columns, channels.
NETWORKS: dict[str, tuple[Callable[..., list[Any]], tuple[int, ...]]] = {
    "lrcn": (lrcn, (16, 64, 64, 3)),
    "deep_lrcn": (deep_lrcn, (16, 64, 64, 3)),
    "conv_lstm": (conv_lstm, (10, 32, 32, 1)),
}


def rows(environments: Path, names: list[str], threads: int, rounds: int, seconds: float) -> list[list[str]]:
    """Headings, then a row per network: microseconds of each engine, and the ratio.

    Args:
        environments: Folder of the engines' environments.
        names: Of `NETWORKS`.
        threads: Each engine's; it is pinned to as many cores.
        rounds: Processes of every engine.
        seconds: About how long one figure takes in one process.

    Raises:
        RuntimeError: The engines' outputs differ.
    """
    cpus = usable_cpus()[-threads:]
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in ENGINES}
    for _ in range(rounds):
        for key in ENGINES:
            code = f"from bench.frames import in_process; in_process({key!r}, {names}, {cpus}, {threads}, {seconds})"
            line = command(python(environments, key), code)
            text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
            found[key].append(json.loads(text.splitlines()[-1]))
    made = [["network", *(f"{engine(key).name}, us" for key in ENGINES), "ratio"]]
    for name in names:
        outputs = np.array([found[key][0][name]["y"] for key in ENGINES])
        if np.ptp(outputs, axis=0).max() > 1e-4:
            raise RuntimeError(f"the engines' outputs of {name} differ: {outputs.tolist()}")
        ours, theirs = (median(one[name]["seconds"] for one in found[key]) * 1e6 for key in ENGINES)
        made.append([name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{theirs / ours:.2f}"])
    return made


def in_process(key: str, names: list[str], cpus: list[int], threads: int, seconds: float) -> None:
    """What a fresh process runs and prints."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    os.environ["FASTLSTM_NUM_THREADS"] = str(threads)
    print(json.dumps(measure(key, names, threads, seconds)))


def measure(key: str, names: list[str], threads: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Of each network an engine's seconds per call and its output."""
    if key != "keras_function":
        import fastlstm as keras
    else:
        keras, tf = import_keras()
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    figures = {}
    for name in names:
        make, shape = NETWORKS[name]
        rng = np.random.default_rng(SEED)
        model = keras.Sequential(make(keras, shape))
        # Variances, and the factors beside them, are positive.
        model.set_weights([rng.uniform(0.02, 0.3, weight.shape).astype(np.float32) for weight in model.weights])
        x = rng.standard_normal((1, *shape)).astype(np.float32)
        call = model.predict_on_batch
        if key == "keras_function":
            function = tf.function(model, input_signature=[tf.TensorSpec(x.shape, tf.float32)])
            call = lambda x, function=function: function(x).numpy()  # noqa: E731
        figures[name] = {"y": np.ravel(call(x)).tolist(), "seconds": seconds_per_call(call, x, seconds)}
    return figures
