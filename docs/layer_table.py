"""The table of layers in the documentation, asked of the layers themselves: each is built once, as an example."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastlstm import layers
from fastlstm.engine.graph import Graph
from fastlstm.layers import Layer
from fastlstm.layers.base.joining import GraphValue
from fastlstm.models.quantization import quantizable

SEQUENCE, SERIES_OF_IMAGES, IMAGE, VOLUME = (None, 10, 8), (None, 4, 8, 8, 2), (None, 8, 8, 2), (None, 6, 6, 6, 2)
SHAPE_OF_AXES = {"1": SEQUENCE, "2": IMAGE, "3": VOLUME}

# The arguments that a layer cannot do without.
ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "Activation": lambda: ("tanh",),
    "Bidirectional": lambda: (layers.LSTM(3, return_sequences=True),),
    "CategoryEncoding": lambda: (4,),
    "Dense": lambda: (3,),
    "Discretization": lambda: ([0.0, 1.0],),
    "EinsumDense": lambda: ("abc,cd->abd", (None, 3)),
    "Embedding": lambda: (8, 3),
    "GroupQueryAttention": lambda: (4, 2, 1),
    "GroupNormalization": lambda: (2,),
    "Hashing": lambda: (5,),
    "Lambda": lambda: (lambda x: x,),
    "MultiHeadAttention": lambda: (2, 4),
    "Permute": lambda: ((2, 1),),
    "RNN": lambda: (layers.LSTMCell(3),),
    "RepeatVector": lambda: (3,),
    "Rescaling": lambda: (2.0,),
    "Reshape": lambda: ((8, 10),),
    "StackedRNNCells": lambda: ([layers.LSTMCell(3), layers.LSTMCell(4)],),
    "TimeDistributed": lambda: (layers.Dense(3),),
}
RATES = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise")
UNITS = ("GRU", "LSTM", "SimpleRNN")
SHAPES = {"Embedding": (None, 10), "RepeatVector": (None, 8)}
SEVERAL_INPUTS = ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract")
ATTENTION = ("AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention")
# Bases of one's own layers, and what is no layer of a network by itself.
NOT_LISTED = ("InputLayer", "Layer", "Wrapper")


def classes() -> dict[type[Layer], list[str]]:
    """Return the public layers, each with its names, the first being its own."""
    named: dict[type[Layer], list[str]] = {}
    for name in layers.__all__:
        value = getattr(layers, name)
        if inspect.isclass(value) and issubclass(value, Layer) and name not in NOT_LISTED:
            named.setdefault(value, []).append(name)
    return {cls: sorted(names, key=lambda name: name != cls.__name__) for cls, names in named.items()}


def example(name: str) -> tuple[Layer, tuple[int | None, ...]]:
    """Return a built layer of that class, and the shape of its input."""
    arguments: tuple[Any, ...] = ARGUMENTS.get(name, tuple)()
    keywords: dict[str, Any] = {}
    if name in RATES or name.startswith("SpatialDropout"):
        arguments = (0.5,)
    elif name in UNITS or name.endswith("Cell"):
        arguments, keywords = (3,), {"return_sequences": True} if name in UNITS else {}
    elif name.startswith("ConvLSTM"):
        arguments, keywords = (3, 2), {"return_sequences": True, "padding": "same"}
    elif "Conv" in name:
        arguments = (2,) if name.startswith("Depthwise") else (3, 2)
        keywords = {"padding": "causal"} if name == "Conv1D" else {}
    elif name == "Dot":
        keywords = {"axes": 2}
    elif name.startswith("AveragePooling"):
        arguments = (2,)
    layer, shape = getattr(layers, name)(*arguments, **keywords), shape_of(name)
    if not layer.built and name in ATTENTION[2:]:
        layer.build(shape, shape)
    elif not layer.built:
        layer.build([shape, shape] if name in SEVERAL_INPUTS or name in ATTENTION else shape)
    return layer, shape


def shape_of(name: str) -> tuple[int | None, ...]:
    """Return the shape of the input of an example."""
    axes = name.removesuffix("Transpose").removesuffix("D")[-1]
    if name.startswith("ConvLSTM"):
        return {"1": (None, 4, 8, 2), "2": SERIES_OF_IMAGES, "3": (None, 4, 4, 4, 4, 2)}[axes]
    if name.endswith("Cell") or name == "StackedRNNCells":
        return (None, 8)
    return SHAPES.get(name) or SHAPE_OF_AXES.get(axes, SEQUENCE)


def in_engine(layer: Layer, name: str, shape: tuple[int | None, ...]) -> bool:
    """Return whether the engine runs a call of the layer."""
    if layer.native or not layer.joins:
        return layer.native
    graph = Graph()
    value = GraphValue(graph.input(len(shape)), shape)
    several = ([value, value],) if name in SEVERAL_INPUTS or name in ATTENTION[:2] else (value,)
    args = (value, value) if name in ATTENTION[2:] else several
    return layer.lower_call(graph, args, {}) is not None


def row(cls: type[Layer], names: list[str]) -> tuple[str, ...]:
    """Return what the table says of a layer: its names, where it runs, whether it streams, trains, quantizes."""
    layer, shape = example(names[0])
    inside = not layer.takes_raw and (layer.lower_inside() or layer.children)
    where = "engine" if in_engine(layer, names[0], shape) else "engine, in part" if inside else "NumPy"
    problem = layer.step_problem(shape, True)
    spelled = ", ".join(f"`{name}`" for name in names)
    answers = (not problem, layer.has_gradient or layer.traces, any(quantizable(layer)))
    return spelled, where, *("yes" if answer else "no" for answer in answers)


def table() -> str:
    """Return the table in Markdown."""
    rows = sorted((row(cls, names) for cls, names in classes().items()), key=lambda cells: cells[0].lower())
    head = ("layer", "runs in", "streams", "trains", "quantizes")
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * 5, *rows))
