"""Write activations.npz: what real Keras 3.15.1 gives for every activation. Run with Keras.

`x` (7, 9) is the input of all; an output is named by its function and the arguments after it, e.g. `softmax axis=0`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

CALLS: dict[str, list[dict]] = {
    "linear": [{}],
    "relu": [{}, {"negative_slope": 0.25, "max_value": 2.5, "threshold": 0.75}, {"max_value": 3.0}],
    "relu6": [{}],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "elu": [{}, {"alpha": 0.7}],
    "selu": [{}],
    "celu": [{}, {"alpha": 0.7}],
    "gelu": [{}, {"approximate": True}],
    "silu": [{}],
    "hard_silu": [{}],
    "mish": [{}],
    "softplus": [{}],
    "softsign": [{}],
    "softmax": [{}, {"axis": 0}],
    "log_softmax": [{}, {"axis": 0}],
    "sparsemax": [{}, {"axis": 0}],
    "sigmoid": [{}],
    "hard_sigmoid": [{}],
    "sparse_sigmoid": [{}],
    "log_sigmoid": [{}],
    "tanh": [{}],
    "hard_tanh": [{}],
    "tanh_shrink": [{}],
    "hard_shrink": [{}, {"threshold": 1.5}],
    "soft_shrink": [{}, {"threshold": 1.5}],
    "squareplus": [{}, {"b": 0.5}],
    "sparse_plus": [{}],
    "exponential": [{}],
    "threshold": [{"threshold": 0.3, "default_value": -2.0}],
}


def main() -> None:
    rng = np.random.default_rng(20)
    x = rng.normal(0.0, 3.0, (7, 9)).astype(np.float32)
    # Rows where sparsemax keeps several elements, and the corners of the piecewise functions.
    x[1] = rng.normal(0.0, 0.3, 9)
    x[2] = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0]
    arrays = {"x": x}
    for name, calls in CALLS.items():
        for arguments in calls:
            key = " ".join([name, *(f"{argument}={value}" for argument, value in arguments.items())])
            arrays[key] = np.asarray(getattr(keras.activations, name)(x, **arguments))
    even = x[:6, :8]
    for axis in (-1, 0):
        arrays[f"glu axis={axis}"] = np.asarray(keras.activations.glu(even, axis=axis))
    np.savez_compressed(Path(__file__).with_name("activations.npz"), **arrays)


if __name__ == "__main__":
    main()
