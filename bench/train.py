"""Training: an epoch of 1,024 sequences in batches of 32, Adam, mean squared error, beside PyTorch, Keras and JAX.

    python -m bench train

A case is a stack of LSTM layers with a Dense(1) on the last step. Every engine begins from the same weights and takes
the batches in the same order; the losses of its epochs are compared. Each runs in a fresh process of its own a round,
turn about; a figure is the median of the rounds, each the best of a few epochs after one that is not counted.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.cases import CASES, SEED, Case
from bench.engines.keras_function import import_keras
from bench.environments import python
from bench.limits import Machine
from bench.protocol import command, environment
from bench.runner import usable_cpus

SEQUENCES, BATCH = 1024, 32
RATE, BETA_1, BETA_2 = 1e-3, 0.9, 0.999
# So small that it makes no difference that PyTorch adds it to the corrected root, Keras to the root as it is.
EPSILON = 1e-12
# The arithmetic of a step: the products of the forward pass, and backwards those of the inputs' and weights' gradients.
FORWARDS = 3
ENGINES = ("fastlstm", "pytorch", "keras_predict", "jax")
NAMES = ("tutorial4", "mid", "small")
HEADINGS = ("case", "fastlstm, s", "PyTorch, s", "Keras, s", "JAX, s", "ratio", "of the limit", "MB", "PyTorch, MB")

# From nothing to the mean loss of an epoch.
Epoch = Callable[[], float]


def training_case(name: str) -> Case:
    return replace(CASES[name], batch=BATCH)


def data(case: Case, sequences: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets `(sequences, 1)` that can be learnt, and the Dense layer's kernel."""
    rng = np.random.default_rng(SEED + 2)
    x = rng.standard_normal((sequences, case.timesteps, case.features), np.float32)
    head = rng.standard_normal((case.units[-1], 1), np.float32) * np.float32(case.units[-1] ** -0.5)
    return x, np.tanh(x[:, -3:].sum(axis=(1, 2), dtype=np.float32))[:, None], head


# --- engines --------------------------------------------------------------------------------------------------------


def fastlstm_epoch(case: Case, sequences: int, threads: int) -> Epoch:
    import fastlstm

    fastlstm.set_num_threads(threads)
    return _keras_like_epoch(fastlstm, case, sequences)


def keras_epoch(case: Case, sequences: int, threads: int) -> Epoch:
    keras, tf = import_keras()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return _keras_like_epoch(keras, case, sequences)


def _keras_like_epoch(keras: Any, case: Case, sequences: int) -> Epoch:
    layers, last = keras.layers, len(case.units) - 1
    x, y, head = data(case, sequences)
    lstms = [layers.LSTM(units, return_sequences=number < last) for number, units in enumerate(case.units)]
    model = keras.Sequential([layers.Input((case.timesteps, case.features)), *lstms, layers.Dense(1)])
    model.set_weights([*(array for layer in case.weights() for array in layer), head, np.zeros(1, np.float32)])
    model.compile(optimizer=keras.optimizers.Adam(RATE, epsilon=EPSILON), loss="mse")
    return lambda: model.fit(x, y, batch_size=case.batch, shuffle=False, verbose=0).history["loss"][0]


def pytorch_epoch(case: Case, sequences: int, threads: int) -> Epoch:
    import torch

    torch.set_num_threads(threads)
    arrays, (x, y, head) = case.weights(), map(torch.from_numpy, data(case, sequences))
    stack = torch.nn.LSTM(case.features, case.units[0], len(case.units), batch_first=True)
    dense = torch.nn.Linear(case.units[-1], 1)
    with torch.no_grad():
        for number, (kernel, recurrent_kernel, bias) in enumerate(arrays):
            getattr(stack, f"weight_ih_l{number}").copy_(torch.from_numpy(kernel.T))
            getattr(stack, f"weight_hh_l{number}").copy_(torch.from_numpy(recurrent_kernel.T))
            getattr(stack, f"bias_ih_l{number}").copy_(torch.from_numpy(bias))
            # One bias learns, as in Keras.
            getattr(stack, f"bias_hh_l{number}").zero_().requires_grad_(False)
        dense.weight.copy_(head.T)
        dense.bias.zero_()
    weights = [weight for weight in (*stack.parameters(), *dense.parameters()) if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, RATE, (BETA_1, BETA_2), EPSILON)

    def epoch() -> float:
        total = 0.0
        for start in range(0, sequences, case.batch):
            rows = slice(start, start + case.batch)
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(dense(stack(x[rows])[0][:, -1]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x[rows])
        return total / sequences

    return epoch


def jax_epoch(case: Case, sequences: int, threads: int) -> Epoch:
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import jax
    from jax import numpy as jnp

    def layer(sequence, kernel, recurrent_kernel, bias):
        def step(state, z):
            h, c = state
            i, f, g, o = jnp.split(z + h @ recurrent_kernel, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((sequence.shape[1], recurrent_kernel.shape[0]), jnp.float32)
        return jax.lax.scan(step, (zeros, zeros), sequence @ kernel + bias)

    def loss_of(weights, x, y):
        lstms, kernel, bias = weights
        sequence = x.swapaxes(0, 1)
        for arrays in lstms:
            (h, _), sequence = layer(sequence, *arrays)
        return jnp.mean((h @ kernel + bias - y) ** 2)

    @jax.jit
    def train(weights, m, v, step, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, gradients)
        v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, gradients)
        rate = RATE * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), weights, m, v)
        return loss, weights, m, v

    x, y, head = data(case, sequences)
    weights = jax.tree.map(jnp.asarray, (case.weights(), head, np.zeros(1, np.float32)))
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state, steps = (weights, zeros, zeros), 0

    def epoch() -> float:
        nonlocal state, steps
        total = 0.0
        for start in range(0, sequences, case.batch):
            steps += 1
            rows = slice(start, start + case.batch)
            loss, *state = train(*state, float(steps), x[rows], y[rows])
            total += float(loss) * len(x[rows])
        return total / sequences

    return epoch


EPOCHS: dict[str, Callable[[Case, int, int], Epoch]] = {
    "fastlstm": fastlstm_epoch,
    "pytorch": pytorch_epoch,
    "keras_predict": keras_epoch,
    "jax": jax_epoch,
}


# --- processes ------------------------------------------------------------------------------------------------------


def run(
    environments: Path, names: list[str], threads: int, rounds: int, epochs: int, sequences: int = SEQUENCES
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Per case and engine what its processes measured.

    Args:
        environments: Folder of the engines' environments.
        names: Of the cases.
        threads: Each engine's; it is pinned to as many cores.
        rounds: Processes of every engine and case.
        epochs: That are timed in one process.
        sequences: Of an epoch.

    Raises:
        RuntimeError: The engines' losses differ.
    """
    cpus = usable_cpus()[-threads:]
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {key: [] for key in ENGINES} for name in names}
    for _ in range(rounds):
        for name in names:
            for key in ENGINES:
                arguments = f"{key!r}, {name!r}, {cpus}, {threads}, {epochs}, {sequences}"
                line = command(
                    python(environments, key), f"from bench.train import in_process; in_process({arguments})"
                )
                text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
                found[name][key].append(json.loads(text.splitlines()[-1]))
    for name, of_case in found.items():
        losses = np.array([of_case[key][0]["losses"] for key in ENGINES])
        if np.max(np.abs(losses / losses[0] - 1)) > 1e-3:
            raise RuntimeError(
                f"the engines' losses of {name} differ: {dict(zip(ENGINES, losses.tolist(), strict=True))}"
            )
    return found


def in_process(key: str, name: str, cpus: list[int], threads: int, epochs: int, sequences: int) -> None:
    """What a fresh process runs and prints."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    print(json.dumps(measure(key, training_case(name), threads, epochs, sequences)))


def measure(key: str, case: Case, threads: int, epochs: int, sequences: int) -> dict[str, Any]:
    """Seconds of the best epoch, and of its processors; losses of all; MB that training takes more than the model."""
    epoch = EPOCHS[key](case, sequences, threads)
    before = _most_resident()
    losses, times = [epoch()], []
    for _ in range(epochs):
        started, busy = time.perf_counter(), time.process_time()
        losses.append(epoch())
        times.append((time.perf_counter() - started, time.process_time() - busy))
    seconds, processors = (min(column) for column in zip(*times, strict=True))
    taken = _most_resident() - before
    return {"seconds": seconds, "processor_seconds": processors, "losses": losses, "megabytes": taken}


def _most_resident() -> float:
    """MB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)


def rows(found: dict[str, dict[str, list[dict[str, Any]]]], machine: Machine, threads: int) -> list[list[str]]:
    """Headings, then a row per case.

    Args:
        found: As `run` returned it.
        machine: Its limits.
        threads: As for `run`.
    """
    made = [list(HEADINGS)]
    for name, of_case in found.items():
        seconds = {key: median(one["seconds"] for one in of_case[key]) for key in ENGINES}
        megabytes = {key: median(one["megabytes"] for one in of_case[key]) for key in ENGINES}
        ours, *peers = seconds.values()
        limit = FORWARDS * SEQUENCES / BATCH * machine.case_seconds(training_case(name), threads)
        made.append(
            [
                name,
                *(f"{value:.3f}" for value in seconds.values()),
                f"{min(peers) / ours:.2f}",
                f"{limit / ours:.0%}",
                f"{megabytes['fastlstm']:.0f}",
                f"{megabytes['pytorch']:.0f}",
            ]
        )
    return made
