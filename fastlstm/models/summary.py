"""`Model.summary()`: the table of a model's layers, as Keras prints it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from fastlstm import backend
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import is_shape, map_structure
from fastlstm.layers.base.variable import Variable
from fastlstm.printable import quoted

_WIDTH, _GRAPH_WIDTH = 88, 108
_TRAINABLE_WIDTH = 12
_LONGEST_LINE = 10_000
_POSITIONS, _GRAPH_POSITIONS = (0.45, 0.80, 1.0), (0.3, 0.56, 0.74, 1.0)


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table of a model's layers; the arguments are those of `Model.summary`."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    graph = model.graph
    connections = None if graph is None or graph.is_row() else _connections(graph)
    default_width = (_WIDTH if connections is None else _GRAPH_WIDTH) + (_TRAINABLE_WIDTH if show_trainable else 0)
    if line_length is not None and not 0 <= line_length <= _LONGEST_LINE:
        raise ValueError(
            f"`line_length` should be from 1 to {_LONGEST_LINE}. Received: line_length={quoted(line_length)}"
        )
    width = line_length or min(default_width, shutil.get_terminal_size().columns - 4)
    titles = {"Layer (type)": "left", "Output Shape": "left", "Param #": "right"}
    if connections is not None:
        titles["Connected to"] = "left"
    positions = list(positions or (_POSITIONS if connections is None else _GRAPH_POSITIONS))
    if show_trainable:
        titles["Trainable"] = "center"
        positions = [0.9 * position for position in positions] + [1.0]
    widths = _column_widths(positions, width)
    columns = [
        Column(title, justify=cast(Any, justify), width=column)
        for (title, justify), column in zip(titles.items(), widths, strict=False)
    ]
    table = Table(*columns, width=width, show_lines=True)
    for fields in _rows(model, connections, expand_nested, show_trainable, layer_range):
        table.add_row(*map(Text, fields))

    plain: dict[str, Any] = {"force_terminal": False, "color_system": None} if print_fn else {}
    console = Console(highlight=False, **plain)
    with console.capture() as captured:
        console.print(Text(f'Model: "{model.name}"', style="bold"))
        console.print(table)
        for title, size in _totals(model):
            console.print(Text.assemble((f" {title}: ", "bold"), size))
    if print_fn:
        print_fn(captured.get())
    else:
        print(captured.get(), end="")


def html_summary(model: Any) -> str:
    """Return the table of a model's layers as HTML, for notebooks."""
    from html import escape

    graph = model.graph
    connections = None if graph is None or graph.is_row() else _connections(graph)
    titles = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if connections is not None else [])]
    rows = (
        [f"<th style='text-align: left'>{title}</th>" for title in titles],
        *(
            [
                f"<td style='text-align: {'right' if column == 2 else 'left'}'>{escape(text)}</td>"
                for column, text in row
            ]
            for row in map(enumerate, _rows(model, connections))
        ),
    )
    table = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    totals = "<br>".join(f"{title}: {size}" for title, size in _totals(model))
    return f"<p><b>Model: {escape(model.name)}</b></p><table>{table}</table><p>{totals}</p>"


def _rows(
    model: Any,
    connections: dict[Layer, str] | None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> Iterator[list[str]]:
    """What stands in the table: a list of texts for every layer."""
    layers = model.layers if model.graph is None else model.graph.layers
    for layer, depth in _listed(layers, layer_range, expand_nested):
        fields = _fields(layer, depth)
        if connections is not None:
            fields.append(connections.get(layer, "-"))
        if show_trainable:
            fields.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        yield fields


def _totals(model: Any) -> Iterator[tuple[str, str]]:
    """What stands below the table."""
    optimizer = model.optimizer
    of_optimizer = optimizer.variables if optimizer is not None and optimizer.built else []
    yield "Total params", _count_and_size(model.weights, of_optimizer)
    yield "Trainable params", _count_and_size(model.trainable_weights)
    yield "Non-trainable params", _count_and_size(model.non_trainable_weights)
    if of_optimizer:
        yield "Optimizer params", _count_and_size([], of_optimizer)
    for mode, variables in _quantized(model.weights).items():
        yield f"Quantized to {mode}", _count_and_size(variables)


def _column_widths(positions: Sequence[float], width: int) -> list[int]:
    ends = [int(position * width) for position in positions]
    widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if min(widths) < 4:
        raise ValueError("Insufficient console width to print summary.")
    return widths


def _listed(
    layers: Sequence[Layer], layer_range: Sequence[str] | None, expand_nested: bool
) -> Iterator[tuple[Layer, int]]:
    """The layers of the table, each with its depth."""
    first, last = _bounds(layers, layer_range)
    pending = [(layer, 0) for layer in reversed(layers[first:last])]
    while pending:
        layer, depth = pending.pop()
        yield layer, depth
        if expand_nested:
            pending.extend((inner, depth + 1) for inner in reversed(cast(Any, layer).layers if layer.expands else ()))


def _bounds(layers: Sequence[Layer], layer_range: Sequence[str] | None) -> tuple[int, int]:
    if layer_range is None:
        return 0, len(layers)
    if len(layer_range) != 2:
        raise ValueError(
            "layer_range must be a list or tuple of length 2. "
            f"Received: layer_range = {quoted(layer_range)} of length {len(layer_range)}"
        )
    if not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"layer_range should contain string type only. Received: {quoted(layer_range)}")
    firsts, lasts = (
        [index for index, layer in enumerate(layers) if re.match(name, layer.name)] for name in layer_range
    )
    if not firsts or not lasts:
        raise ValueError(
            f"Passed layer_names do not match the layer names in the model. Received: {quoted(layer_range)}"
        )
    ends = sorted((min(firsts), max(lasts)))
    return ends[0], ends[1] + 1


def _connections(graph: Any) -> dict[Layer, str]:
    """What each layer of a graph is called on: `layer[call][output]` for every tensor."""
    connections: dict[Layer, list[str]] = {}
    for node in sorted(graph.nodes, key=lambda node: node.number):
        for tensor in node.inputs:
            layer, call, index = graph.history(tensor)
            connections.setdefault(node.layer, []).append(f"{layer.name}[{call}][{index}]")
    return {layer: ", ".join(tensors) for layer, tensors in connections.items()}


def _fields(layer: Layer, depth: int) -> list[str]:
    prefix = "   " * depth + "└ " if depth else ""
    params = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
    return [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(layer), params]


def _output_shape(layer: Layer) -> str:
    """The shape, or list of shapes, in the model around the layer; else the one that the layer was built for."""
    try:
        output = layer.output
    except AttributeError:
        build_config = layer.get_build_config()
        if not build_config:
            return "?"
        shapes = layer.compute_output_shape(build_config["input_shape"])
        return str(shapes if is_shape(shapes) else list(shapes))
    shapes = map_structure(lambda tensor: tensor.shape, output)
    return str(shapes[0] if isinstance(output, (list, tuple)) and len(shapes) == 1 else shapes)


def _quantized(variables: Sequence[Variable]) -> dict[str, list[Variable]]:
    """The variables that are integers, by what these are."""
    found: dict[str, list[Variable]] = {}
    for variable in variables:
        if variable.integers is not None:
            found.setdefault(variable.integers.mode, []).append(variable)
    return found


def _count_and_size(variables: Sequence[Variable], state: Sequence[backend.Variable] = ()) -> str:
    """The number of numbers in variables of layers and of an optimizer, and their bytes."""
    count = sum(variable.size for variable in variables) + sum(one.value.size for one in state)
    size = float(sum(variable.nbytes for variable in variables) + sum(one.value.nbytes for one in state))
    unit = "B"
    for larger in ("KB", "MB", "GB", "TB", "PB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count:,} ({size:.2f} {unit})"
