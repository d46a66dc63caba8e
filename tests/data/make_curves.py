"""Write curves.json: the losses of twenty epochs of every network with every optimizer of curve_cases.py, by real Keras
3.15.1. Run with Keras; those that are there already stay.

    python tests/data/make_curves.py
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
from curve_cases import NETWORKS, OPTIMIZERS, losses_of


def main() -> None:
    path = Path(__file__).with_name("curves.json")
    curves = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for network in NETWORKS:
        for optimizer in OPTIMIZERS:
            name = f"{network.__name__}, {optimizer}"
            if name not in curves:
                curves[name] = losses_of(keras, network, optimizer)
                path.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
