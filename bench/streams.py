"""Streams: steps of one time step, many streams together, and closed loops, beside ONNX Runtime fed states by hand, in
float32 and ours in integers too.

    python -m bench streams

Each engine runs in fresh processes of its own, turn about; a figure is the median of the rounds. The networks are those
of the cases step64, step128x2 (which is mid's too) and step512; the closed loop ends in a Dense layer back to 64
features.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.c_steps import steps_in_c
from bench.cases import CASES, SEED, Case, Weights
from bench.engines import QUANTIZED_OURS, engine
from bench.environments import python
from bench.onnx_graph import onnx_gates
from bench.protocol import command, environment, seconds_per_call
from bench.runner import usable_cpus

STEPS = ("step64", "step128x2", "step512")
POOLED = "step128x2"
SIZES = (1, 16, 256, 4096)
LOOP = 1000  # steps of a closed loop, and of one in C

Figures = dict[str, float]


def run(environments: Path, threads: int, rounds: int, seconds: float) -> dict[str, Figures]:
    """Every engine's figures, in seconds: of a step, of a step of a stream among N, of a step of a closed loop.

    Args:
        environments: Folder of the engines' environments.
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
            code = f"from bench.streams import in_process; in_process({key!r}, {cpus}, {threads}, {seconds})"
            line = command(python(environments, key), code)
            text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
            found[key].append(json.loads(text))
    checks = {key: np.array(of_engine[0]["check"]) for key, of_engine in found.items()}
    for key, check in checks.items():
        if np.abs(check - checks["fastlstm"]).max() > (2e-2 if key in QUANTIZED_OURS else 1e-4):
            raise RuntimeError(f"the engines' outputs differ: {check} of {key} and {checks['fastlstm']}")
    return {
        key: {name: median(one["figures"][name] for one in of_engine) for name in of_engine[0]["figures"]}
        for key, of_engine in found.items()
    }


def in_process(key: str, cpus: list[int], threads: int, seconds: float) -> None:
    """What a fresh process runs and prints."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    os.environ["FASTLSTM_NUM_THREADS"] = str(threads)
    figures, check = measure(key, threads, seconds, SIZES)
    print(json.dumps({"figures": figures, "check": check}))


def measure(key: str, threads: int, seconds: float, sizes: tuple[int, ...]) -> tuple[Figures, list[float]]:
    """An engine's figures, and some outputs of its closed loop."""
    steps = ENGINES[key](threads)
    figures: Figures = {}
    for name in STEPS:
        x = first_input(1, CASES[name].features)
        figures[name] = seconds_per_call(steps.step(CASES[name]), x, seconds)
        if isinstance(steps, Fastlstm):
            figures[f"{name} from C"] = seconds_per_call(steps.steps_from_c(CASES[name]), x, seconds) / LOOP
    for size in sizes:
        ids = np.random.default_rng(SEED).permutation(size)
        for way, call in steps.streams(CASES[POOLED], ids):
            figures[f"{size} {way}"] = seconds_per_call(call, first_input(size), seconds) / size
    generate = steps.closed_loop(CASES[POOLED])
    check = generate(first_input(1), 20)[-4:].tolist()
    figures["closed loop"] = seconds_per_call(lambda x: generate(x, LOOP), first_input(1), seconds) / LOOP
    return figures, check


def first_input(rows: int, features: int = CASES[POOLED].features) -> np.ndarray:
    return np.random.default_rng(SEED + 1).standard_normal((rows, features), np.float32)


def dense_weights(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the closed loop's last layer."""
    random = np.random.default_rng(SEED + 2)
    kernel = random.standard_normal((case.units[-1], case.features), np.float32) * np.float32(case.units[-1] ** -0.5)
    return kernel, random.standard_normal(case.features, np.float32)


class Fastlstm:
    """Streams, pools and `generate`.

    Args:
        threads: Taken from the environment.
        mode: What the weights are quantized to; None: they stay float32.
    """

    def __init__(self, threads: int, mode: str | None = None) -> None:
        self.threads = threads
        self.mode = mode

    def _model(self, case: Case, dense: bool = False) -> Any:
        from bench.engines.fastlstm import fastlstm_model
        from fastlstm import layers

        model = fastlstm_model(case, case.weights())
        if dense:
            model.add(layers.Dense(case.features))
            model.layers[-1].set_weights(dense_weights(case))
        if self.mode is not None:
            model.quantize(self.mode)
        return model

    def step(self, case: Case) -> Callable:
        stream, out = self._model(case).stream(), np.empty((1, case.units[-1]), np.float32)
        return lambda x: stream.step(x, out)

    def steps_from_c(self, case: Case) -> Callable:
        return steps_in_c(self._model(case).stream(), np.empty((1, case.units[-1]), np.float32), LOOP)

    def streams(self, case: Case, ids: np.ndarray) -> Iterator[tuple[str, Callable]]:
        model, out = self._model(case), np.empty((len(ids), case.units[-1]), np.float32)
        pool = model.stream_pool(len(ids))
        opened = np.array([pool.open() for _ in ids])[ids]
        yield "together", lambda x: pool.step(opened, x, out)
        streams = [model.stream() for _ in ids]

        def one_by_one(x: np.ndarray) -> None:
            for stream, row, to in zip(streams, x, out, strict=True):
                stream.step(row, to)

        yield "one by one", one_by_one

    def closed_loop(self, case: Case) -> Callable:
        stream = self._model(case, dense=True).stream()

        def generate(x: np.ndarray, steps: int) -> np.ndarray:
            stream.reset()
            return stream.generate(steps, x)[0, -1]

        return generate


class OnnxRuntime:
    """A session of one step whose states are inputs and outputs, in memory bound to it.

    Args:
        threads: Of the session.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def _session(self, case: Case, dense: bool = False) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        graph = step_graph(case, case.weights(), dense_weights(case) if dense else None)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def _bindings(self, session: Any, case: Case, loop: bool = False) -> tuple[list[Any], list[dict[str, Any]]]:
        """Two bindings, each of which reads the states that the other wrote; in a loop the output too."""
        from onnxruntime import OrtValue

        widths = {f"{state}{n}": units for n, units in enumerate(case.units) for state in "hc"}
        widths["y"] = case.features if loop else case.units[-1]
        values = [
            {name: OrtValue.ortvalue_from_numpy(np.zeros((1, 1, width), np.float32)) for name, width in widths.items()}
            for _ in range(2)
        ]
        x = OrtValue.ortvalue_from_numpy(np.zeros((1, 1, case.features), np.float32))
        bindings = [session.io_binding() for _ in range(2)]
        for binding, before, after in zip(bindings, values, values[::-1], strict=True):
            binding.bind_ortvalue_input("x", before["y"] if loop else x)
            binding.bind_ortvalue_output("y", after["y"])
            for name in list(widths)[:-1]:
                binding.bind_ortvalue_input(name, before[name])
                binding.bind_ortvalue_output(f"{name}_next", after[name])
        return bindings, values if loop else [{**of_one, "x": x} for of_one in values]

    def step(self, case: Case) -> Callable:
        session = self._session(case)
        bindings, values = self._bindings(session, case)
        turn = 0

        def step(x: np.ndarray) -> np.ndarray:
            nonlocal turn
            values[turn]["x"].update_inplace(x[np.newaxis])
            session.run_with_iobinding(bindings[turn])
            turn = 1 - turn
            return values[turn]["y"].numpy()

        return step

    def streams(self, case: Case, ids: np.ndarray) -> Iterator[tuple[str, Callable]]:
        session = self._session(case)
        states = {
            f"{state}{n}": np.zeros((1, len(ids), units), np.float32)
            for n, units in enumerate(case.units)
            for state in "hc"
        }
        outputs = ["y", *(f"{name}_next" for name in states)]

        def together(x: np.ndarray) -> np.ndarray:
            given = {name: state[:, ids] for name, state in states.items()}
            y, *after = session.run(outputs, {"x": x[np.newaxis], **given})
            for state, new in zip(states.values(), after, strict=True):
                state[:, ids] = new
            return y

        yield "together", together

    def closed_loop(self, case: Case) -> Callable:
        session = self._session(case, dense=True)
        bindings, values = self._bindings(session, case, loop=True)

        def generate(x: np.ndarray, steps: int) -> np.ndarray:
            for name, value in values[0].items():
                value.update_inplace(x[np.newaxis] if name == "y" else np.zeros(value.shape(), np.float32))
            outputs = np.empty((steps, case.features), np.float32)
            for t in range(steps):
                session.run_with_iobinding(bindings[t % 2])
                outputs[t] = values[1 - t % 2]["y"].numpy()[0, 0]
            return outputs[-1]

        return generate


ENGINES: dict[str, Callable[[int], Fastlstm | OnnxRuntime]] = {
    "fastlstm": Fastlstm,
    **{key: partial(Fastlstm, mode=key.removeprefix("fastlstm_")) for key in QUANTIZED_OURS},
    "onnxruntime": OnnxRuntime,
}


def step_graph(case: Case, weights: Weights, dense: tuple[np.ndarray, np.ndarray] | None) -> bytes:
    """One step as an ONNX model: `x (1, batch, features)` and states `h0, c0, …` to `y` and `h0_next, c0_next, …`."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, inputs, outputs = [], {}, [("x", case.features)], []
    sequence = "x"
    for n, (kernel, recurrent_kernel, bias) in enumerate(weights):
        constants[f"w{n}"] = onnx_gates(kernel).T[None]
        constants[f"r{n}"] = onnx_gates(recurrent_kernel).T[None]
        constants[f"b{n}"] = np.concatenate([onnx_gates(bias), np.zeros_like(bias)])[None]
        units = recurrent_kernel.shape[0]
        names = [sequence, f"w{n}", f"r{n}", f"b{n}", "", f"h{n}", f"c{n}"]
        nodes.append(helper.make_node("LSTM", names, ["", f"h{n}_next", f"c{n}_next"], hidden_size=units))
        inputs += [(f"h{n}", units), (f"c{n}", units)]
        outputs += [(f"h{n}_next", units), (f"c{n}_next", units)]
        sequence = f"h{n}_next"
    if dense is None:
        nodes.append(helper.make_node("Identity", [sequence], ["y"]))
    else:
        constants["kernel"], constants["bias"] = dense
        nodes += [
            helper.make_node("MatMul", [sequence, "kernel"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["y"]),
        ]
    outputs.append(("y", case.units[-1] if dense is None else case.features))

    def described(tensors: list[tuple[str, int]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, "batch", width)) for name, width in tensors]

    initializers = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "step", described(inputs), described(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def rows(figures: dict[str, Figures]) -> Iterator[list[str]]:
    """The lines of the table: what, a figure of every engine, then how many times as fast ours is as ONNX Runtime, and
    as its float32 in every mode of integers."""
    ours, theirs = figures["fastlstm"], figures["onnxruntime"]
    integers = [of_mode for key, of_mode in figures.items() if key in QUANTIZED_OURS]

    def line(what: str, name: str, text: Callable[[float], str]) -> list[str]:
        shown = [text(of_engine[name]) if name in of_engine else "" for of_engine in figures.values()]
        ratio = _times(theirs, ours, name) if name in theirs else ""
        return [what, *shown, ratio, *(_times(ours, of_mode, name) for of_mode in integers)]

    for name in (*STEPS, "closed loop"):
        yield line(f"{name}: µs a step", name, lambda seconds: f"{1e6 * seconds:.2f}")
        if f"{name} from C" in ours:
            yield line(f"{name} from C: µs a step", f"{name} from C", lambda seconds: f"{1e6 * seconds:.2f}")
    for size in [name.split()[0] for name in ours if name.endswith("together")]:
        yield line(f"{size} streams: streams/s", f"{size} together", lambda seconds: f"{1 / seconds:,.0f}")
        yield line(f"{size} streams one by one", f"{size} one by one", lambda seconds: f"{1 / seconds:,.0f}")


def headings(figures: dict[str, Figures]) -> list[str]:
    """Of the table."""
    by_float = [f"{key.removeprefix('fastlstm_')} by float32" for key in figures if key in QUANTIZED_OURS]
    return ["", *(engine(key).name for key in figures), "ratio", *by_float]


def _times(theirs: Figures, ours: Figures, name: str) -> str:
    return f"{theirs[name] / ours[name]:.2f}x"
