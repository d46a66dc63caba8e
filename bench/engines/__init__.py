"""One module per engine, all with the same names:

`name`: as in tables. `requirements`: what pip installs into its environment; empty for the runner's own.
`build(case, weights, threads)`: a function from x to y, arrays to arrays, weights already in place. It imports its
library itself, so that the runner can read the other names without it.
`on_file(path, inputs, threads)`: only of those of `bench real`; a function from a list of such inputs to the outputs.
`opened(path)`: only of those that open Keras' files; the model's `predict` as its users call it.
`environment`: only of those that share another engine's.
`source`: only where pip has no package; a file of the folder that `setup --source` names, which the environment's
`source` then links to.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# The ratio is to the best of the peers; the others stand beside them.
OURS = ("fastlstm", "fastlstm_blas")
PEERS = ("onnxruntime", "openvino", "pytorch", "jax")
OTHERS = ("keras_function", "keras_predict", "litert", "rtneural")
EXPORTER = "keras_export"
# What gives up exactness; run by `quantized`, or by name.
QUANTIZED_OURS = ("fastlstm_int16", "fastlstm_int8")
QUANTIZED_PEERS = ("onnxruntime_int8", "openvino_bf16", "pytorch_int8")
EXACT = OURS + PEERS + OTHERS
ENGINES = EXACT + QUANTIZED_OURS + QUANTIZED_PEERS


def engine(key: str) -> ModuleType:
    """The engine's module."""
    return import_module(f"bench.engines.{key}")
