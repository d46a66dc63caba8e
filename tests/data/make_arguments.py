"""Write `arguments.json`: what every argument of every layer changes in Keras 3 (`argument_cases.py` says how).

python make_arguments.py            # with Keras 3
python make_arguments.py --compare  # with fastlstm: what it makes of them otherwise
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from argument_cases import LEFT_OUT, changes

PATH = Path(__file__).parent / "arguments.json"


def classes(K):
    """The classes that fastlstm has, by Keras' names."""
    from fastlstm.saving.dialects import KNOWN

    return [name for name in sorted(KNOWN) if hasattr(K.layers, name) and name not in LEFT_OUT]


def write():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    K = importlib.import_module("keras")
    found = {name: changes(K, name) for name in classes(K)}
    PATH.write_text(json.dumps(found, indent=1) + "\n")
    print(len(found), "classes,", sum(map(len, found.values())), "arguments")


def compare():
    fastlstm = importlib.import_module("fastlstm")
    expected = json.loads(PATH.read_text())
    for name, of_keras in expected.items():
        ours = changes(fastlstm, name, {argument.partition("=")[0] for argument in of_keras})
        for argument in of_keras | ours:
            if of_keras.get(argument) != ours.get(argument):
                print(f"{name}.{argument}: Keras {of_keras.get(argument)}, fastlstm {ours.get(argument)}")


if __name__ == "__main__":
    compare() if "--compare" in sys.argv else write()
