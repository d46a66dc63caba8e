"""Write keras_names.json: the public names that objects of real Keras 3 have, as tab completion shows them."""

from __future__ import annotations

import json
from pathlib import Path

import keras


def public(obj: object) -> list[str]:
    return [name for name in dir(obj) if not name.startswith("_")]


def main() -> None:
    layers = keras.layers
    inputs = keras.Input((3, 2))
    objects = {
        "sequential": keras.Sequential([inputs, layers.LSTM(2)]),
        "functional": keras.Model(inputs, layers.LSTM(2)(inputs)),
        "lstm": layers.LSTM(2),
        "bidirectional": layers.Bidirectional(layers.GRU(2)),
        "dense": layers.Dense(2),
    }
    names = {name: public(obj) for name, obj in objects.items()}
    (Path(__file__).parent / "keras_names.json").write_text(json.dumps(names, indent=0) + "\n")


if __name__ == "__main__":
    main()
