"""One module per engine, all with the same names:

`name`: as in tables. `requirements`: what pip installs into its environment; empty for the runner's own.
`build(case, weights, threads)`: a function from x to y, arrays to arrays, weights already in place. It imports its
library itself, so that the runner can read the other names without it.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# Ours first: the peers are the rest.
OURS = ("fastlstm", "fastlstm_blas")
PEERS = ("onnxruntime", "openvino", "pytorch", "jax", "keras_function", "keras_predict", "litert")
ENGINES = OURS + PEERS


def engine(key: str) -> ModuleType:
    """The engine's module."""
    return import_module(f"bench.engines.{key}")
