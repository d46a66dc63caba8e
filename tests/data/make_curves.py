"""Write curves.json: the losses of twenty epochs of every network with every optimizer of curve_cases.py, by real Keras
3.15.1. Run with Keras; those that are there already stay.

    python tests/data/make_curves.py
    KERAS_BACKEND=jax python tests/data/make_curves.py embedding

On TensorFlow, Keras squares what every occurrence of an id adds to an Embedding's gradient by itself, so that Adam and
RMSprop take other steps there than on JAX and PyTorch, which square the sum, as fastlstm does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
from curve_cases import NETWORKS, OPTIMIZERS, losses_of


def main() -> None:
    path = Path(__file__).with_name("curves.json")
    curves = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    networks = [network for network in NETWORKS if network.__name__ in sys.argv[1:]]
    for network in networks or [network for network in NETWORKS if network.__name__ != "embedding"]:
        for optimizer in OPTIMIZERS:
            name = f"{network.__name__}, {optimizer}"
            if name not in curves:
                curves[name] = losses_of(keras, network, optimizer)
                path.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
