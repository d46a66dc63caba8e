"""Write torch_modules.npz: what PyTorch 2.13.0's own modules give, and their weights. Run with torch.

`described` is a JSON list, as bytes; a case is a list of modules in a row, each with its `kind` and the attributes that
`fastlstm.from_torch` reads. `<case>/x` and `<case>/y` are inputs and outputs with the batch first,
`<case>/<module>/<name>` the weights.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH, STEPS, FEATURES, UNITS = 3, 7, 4, 5
NAMES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size", "nonlinearity")
NAMES += ("in_features", "out_features", "batch_first")


def cases():
    """Yield the modules of a case."""
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        yield [kind(FEATURES, UNITS, 3, batch_first=True)]
        yield [kind(FEATURES, UNITS, 2, bidirectional=True, dropout=0.2)]
        yield [kind(FEATURES, UNITS, bias=False)]
    yield [nn.RNN(FEATURES, UNITS, nonlinearity="relu")]
    yield [nn.Linear(FEATURES, 6)]
    yield [nn.Linear(FEATURES, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2, bias=False), nn.Sigmoid(), nn.Tanh()]


def answer(modules, x):
    """The outputs, with the batch first."""
    for module in modules:
        module.eval()
        turned = isinstance(module, nn.RNNBase) and not module.batch_first
        x = module(x.transpose(0, 1) if turned else x)
        x = x[0] if isinstance(x, tuple) else x
        x = x.transpose(0, 1) if turned else x
    return x


def main():
    torch.manual_seed(0)
    arrays, described = {}, []
    for number, modules in enumerate(cases()):
        recurrent = isinstance(modules[0], nn.RNNBase)
        x = torch.randn(BATCH, STEPS, FEATURES) if recurrent else torch.randn(BATCH, FEATURES)
        with torch.no_grad():
            y = answer(modules, x)
        arrays |= {f"{number}/x": x.numpy(), f"{number}/y": y.numpy()}
        case = []
        for place, module in enumerate(modules):
            found = {name: getattr(module, name) for name in NAMES if hasattr(module, name)}
            plain = {name: value for name, value in found.items() if isinstance(value, (bool, int, str))}
            case.append({"kind": type(module).__name__, **plain})
            for name, value in module.state_dict().items():
                arrays[f"{number}/{place}/{name}"] = value.numpy()
        described.append(case)
    described = np.frombuffer(json.dumps(described).encode(), np.uint8)
    np.savez_compressed(Path(__file__).parent / "torch_modules.npz", described=described, **arrays)


if __name__ == "__main__":
    main()
