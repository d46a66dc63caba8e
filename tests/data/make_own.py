"""Write own.json: the losses of the networks of own_cases.py, trained by real Keras 3.15.1. Run with Keras.

python tests/data/make_own.py
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
from own_cases import NETWORKS, losses_of


def main() -> None:
    curves = {network.__name__: losses_of(keras, network) for network in NETWORKS}
    Path(__file__).with_name("own.json").write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
