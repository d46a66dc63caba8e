"""Modules of PyTorch as models: their weights, read from their attributes; PyTorch itself is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastlstm.layers.activations.activation import Activation
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.core.dense import Dense
from fastlstm.layers.core.input_layer import Input
from fastlstm.layers.rnn.bidirectional import Bidirectional
from fastlstm.layers.rnn.gru import GRU
from fastlstm.layers.rnn.lstm import LSTM
from fastlstm.layers.rnn.simple_rnn import SimpleRNN
from fastlstm.models.sequential import Sequential

# Keras' order of the gates from that of PyTorch: i, f, g, o; r, z, n.
_ORDER = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}
_ACTIVATIONS = {"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
_NOTHING = ("Dropout", "Identity")

Made = tuple[Layer, list[np.ndarray]]


def from_torch(module: Any) -> Sequential:
    """Return a PyTorch module as a model: `nn.LSTM`, `nn.GRU`, `nn.RNN`, `nn.Linear`, or `nn.Sequential` of these.

    Activations (`nn.ReLU`, `nn.Sigmoid`, `nn.Tanh`), `nn.Dropout` and `nn.Identity` may be between them.

    Args:
        module: The module; its weights are copied, so that what becomes of it later changes nothing.

    Returns:
        A model `(batch, timesteps, features)` → the outputs of every step where there is a recurrent module, whatever
        its `batch_first`; else `(batch, features)` → `(batch, units)`.

    Raises:
        ValueError: When a module is another one, or has an argument that is not supported; the text names it.
    """
    modules = list(_leaves(module, type(module).__name__))
    made = [pair for one, name in modules for pair in _layers(one, name)]
    sizes = [getattr(one, "input_size", getattr(one, "in_features", None)) for one, _ in modules]
    known = [size for size in sizes if size is not None]
    if not known:
        raise ValueError(f"{type(module).__name__} has no nn.LSTM, nn.GRU, nn.RNN or nn.Linear in it.")
    recurrent = any(type(one).__name__ in _ORDER for one, _ in modules)
    model = Sequential([Input((None, known[0]) if recurrent else (known[0],)), *(layer for layer, _ in made)])
    for layer, weights in made:
        layer.set_weights(weights)
    return model


def _leaves(module: Any, name: str) -> Iterator[tuple[Any, str]]:
    """The modules in a row, each with its place for errors."""
    if type(module).__name__ != "Sequential":
        yield module, name
        return
    for key, child in module.named_children():
        yield from _leaves(child, f"{name}.{key} ({type(child).__name__})")


def _layers(module: Any, name: str) -> Iterator[Made]:
    """The layers of a module, with their weights."""
    kind = type(module).__name__
    if kind in _NOTHING:
        return
    if kind in _ACTIVATIONS:
        yield Activation(_ACTIVATIONS[kind]), []
        return
    arrays = {key: np.array(value.detach().cpu(), np.float32) for key, value in module.state_dict().items()}
    if kind == "Linear":
        bias = [arrays["bias"]] if "bias" in arrays else []
        yield Dense(module.out_features, use_bias=bool(bias)), [np.ascontiguousarray(arrays["weight"].T), *bias]
    elif kind in _ORDER:
        if getattr(module, "proj_size", 0):
            raise ValueError(f"{name}: the argument `proj_size` is not supported.")
        for number in range(module.num_layers):
            yield _recurrent(module, kind, arrays, number)
    else:
        raise ValueError(f"{name}: the module {kind} is not supported.")


def _recurrent(module: Any, kind: str, arrays: Mapping[str, np.ndarray], number: int) -> Made:
    """One layer of a recurrent module, in one direction or both."""
    given: dict[str, Any] = {"return_sequences": True, "use_bias": bool(module.bias)}
    cls: Any = {"LSTM": LSTM, "GRU": GRU, "RNN": SimpleRNN}[kind]
    if kind == "RNN":
        given["activation"] = module.nonlinearity
    if not module.bidirectional:
        return cls(module.hidden_size, **given), _weights(kind, arrays, f"l{number}")
    pair = Bidirectional(cls(module.hidden_size, **given))
    return pair, [*_weights(kind, arrays, f"l{number}"), *_weights(kind, arrays, f"l{number}_reverse")]


def _weights(kind: str, arrays: Mapping[str, np.ndarray], suffix: str) -> list[np.ndarray]:
    """The weights of a layer: columns for rows, the gates in Keras' order."""
    order = _ORDER[kind]

    def columns(rows: np.ndarray) -> np.ndarray:
        blocks = np.split(rows, len(order))
        return np.ascontiguousarray(np.concatenate([blocks[gate] for gate in order]).T)

    made = [columns(arrays[f"weight_{of}_{suffix}"]) for of in ("ih", "hh")]
    if f"bias_ih_{suffix}" in arrays:
        of_inputs, of_states = (columns(arrays[f"bias_{of}_{suffix}"]) for of in ("ih", "hh"))
        made.append(np.stack([of_inputs, of_states]) if kind == "GRU" else of_inputs + of_states)
    return made
