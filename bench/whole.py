"""Networks like those of public projects (networks/) beside ONNX Runtime on our own exports: calls of 1 row, and of 32.

    python -m bench networks --json networks.json

fastlstm writes each network as a `.keras` file and, by `fastlstm.onnx.save`, as ONNX, whose LSTM and GRU are nodes of
their own: what ONNX Runtime is fastest with. The result is that of real.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import real
from bench.environments import python
from bench.protocol import Worker, working
from bench.runner import usable_cpus


def run(names: list[str], environments: Path, threads: int, rounds: int, seconds: float) -> Iterator[dict[str, Any]]:
    """The result so far, once after every network.

    Args:
        names: Of networks; none are all of them.
        environments, threads, rounds, seconds: As for `real.run`.

    Raises:
        FileNotFoundError: There is no environment.
        RuntimeError: There is no network of a name.
    """
    from bench.networks import NETWORKS

    unknown = [name for name in names if name not in NETWORKS]
    if unknown:
        raise RuntimeError(f"no network {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    result, cpus = real.begun(threads, rounds), usable_cpus()[-threads:]
    with ExitStack() as stack:
        workers = [stack.enter_context(working(key, python(environments, key), cpus, threads)) for key in real.ENGINES]
        result["versions"] = {worker.key: worker.ask("versions") for worker in workers}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names or NETWORKS:
            result["models"].append({"name": name, **_measured(name, folder, workers, rounds, seconds)})
            yield result


def _measured(name: str, folder: Path, workers: list[Worker], rounds: int, seconds: float) -> dict[str, Any]:
    """A network's entry but its name."""
    import fastlstm.onnx
    from bench.networks import network

    model = network(name)
    files = {"fastlstm": str(folder / "model.keras"), "onnxruntime": str(folder / "model.onnx")}
    found: dict[str, Any] = {"network": real.described(model), "by": "fastlstm", "failed": None, "calls": {}}
    model.save(files["fastlstm"])
    try:
        fastlstm.onnx.save(model, files["onnxruntime"])
    except NotImplementedError as error:
        return found | {"failed": f"no ONNX: {error}"}
    real.measure(found, files, real.inputs_of(model), workers, rounds, seconds)
    return found
