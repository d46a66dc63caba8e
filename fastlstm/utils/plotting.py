"""A drawing of a model's layers and of what passes between them, by pydot and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastlstm.printable import quoted

_DIRECTIONS = ("TB", "BT", "LR", "RL")


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Return a model as a `pydot.Dot`; as a `pydot.Cluster` with `subgraph`.

    Args:
        model: A model that has been built.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: Booleans, what stands beside
            the class of every layer.
        rankdir: Where it goes: `"TB"` from top to bottom, or `"BT"`, `"LR"`, `"RL"`.
        expand_nested: Boolean, whether the layers of models in the model are drawn, in a frame each.
        dpi: Dots an inch.
        subgraph: Boolean, whether the drawing is to stand inside another one.

    Raises:
        ImportError: pydot is not installed.
        ValueError: When the model is not built, or `rankdir` is none of the four.
    """
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"`rankdir` should be one of {_DIRECTIONS}. Received: rankdir={rankdir!r}")
    if not model.built:
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by calling the model on "
            "a batch of data."
        )
    pydot = _pydot()
    graph: Any
    if subgraph:
        graph = pydot.Cluster(graph_name=str(id(model)), style="dashed", label=_quoted(model.name), labeljust="l")
    else:
        graph = pydot.Dot(graph_type="digraph", rankdir=rankdir, concentrate=True, dpi=str(dpi), splines="ortho")
        graph.set_node_defaults(shape="plaintext", fontname="Helvetica")
    shown: dict[str, Any] = {
        "show_shapes": show_shapes,
        "show_dtype": show_dtype,
        "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations,
        "show_trainable": show_trainable,
    }
    for layer in _layers(model):
        if expand_nested and layer.expands:
            inside: dict[str, Any] = {"rankdir": rankdir, "expand_nested": True, "dpi": dpi, "subgraph": True}
            graph.add_subgraph(model_to_dot(layer, **inside, **shown))
        else:
            graph.add_node(pydot.Node(str(id(layer)), label=_label(layer, **shown)))
    for before, after in dict.fromkeys(_connections(model, expand_nested)):
        graph.add_edge(pydot.Edge(str(before), str(after), penwidth="2"))
    return graph


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Write a drawing of a model to a file.

    Args:
        model: A model that has been built.
        to_file: Path; its ending is the format: `.svg`, `.png`, `.pdf`, or `.dot` for Graphviz' own language.
        Others: As for `model_to_dot`.

    Returns:
        In a notebook the picture, where it is an `.svg` or `.png`; else None.

    Raises:
        ImportError: pydot is not installed.
        OSError: Graphviz' program `dot` is not installed, or the file cannot be written.
        ValueError: As `model_to_dot`, or there is no such format.
    """
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
    )
    path = Path(to_file)
    ending = path.suffix.lower().removeprefix(".")
    if ending == "dot":
        path.write_text(dot.to_string(), encoding="utf-8")
        return None
    if ending not in dot.formats:
        raise ValueError(
            f"`to_file` should end in .svg, .png, .pdf or another format of Graphviz. Received: {quoted(to_file)}"
        )
    try:
        path.write_bytes(dot.create(format=ending))
    except FileNotFoundError as error:
        raise OSError(
            "Graphviz' program `dot` draws the picture, and there is none on the PATH (apt install graphviz); a .dot "
            "file can be written without it."
        ) from error
    return _displayed(path, ending)


def _pydot() -> Any:
    try:
        import pydot
    except ImportError as error:
        raise ImportError("You must install pydot (`pip install pydot`) for `plot_model` to work.") from error
    return pydot


def _displayed(path: Path, ending: str) -> Any:
    """The picture for a notebook, None anywhere else."""
    try:
        from IPython import display, get_ipython
    except ImportError:
        return None
    if get_ipython() is None or ending not in ("png", "svg"):
        return None
    return display.SVG(filename=path) if ending == "svg" else display.Image(filename=path)


def _layers(model: Any) -> list[Any]:
    """What is drawn; of a model with a `call` of its own nobody knows what goes where: it is one node."""
    if not model.expands:
        return [model]
    return list(model.layers if model.graph is None else model.graph.layers)


def _connections(model: Any, expand_nested: bool) -> Iterator[tuple[int, int]]:
    """The ids of what gives and of what takes."""
    if model.graph is None:
        for before, after in pairwise(_layers(model)):
            yield _end(before, 0, "outputs", expand_nested), _end(after, 0, "inputs", expand_nested)
        return
    for node in model.graph.nodes:
        for number, tensor in enumerate(node.inputs):
            before, _, index = model.graph.history(tensor)
            yield _end(before, index, "outputs", expand_nested), _end(node.layer, number, "inputs", expand_nested)


def _end(layer: Any, number: int, side: str, expand_nested: bool) -> int:
    """The id of the node that an arrow begins or ends at: of a model in the model, one of its layers."""
    while expand_nested and layer.expands:
        if layer.graph is None:
            layer = layer.layers[-1 if side == "outputs" else 0]
        else:
            tensors = getattr(layer.graph, side)
            layer, _, number = layer.graph.history(tensors[min(number, len(tensors) - 1)])
    return id(layer)


def _label(
    layer: Any,
    show_shapes: bool,
    show_dtype: bool,
    show_layer_names: bool,
    show_layer_activations: bool,
    show_trainable: bool,
) -> str:
    """A table: the class, and below what is asked for."""
    title = f"<b>{escape(type(layer).__name__)}</b>"
    if show_layer_names:
        title = f"{escape(layer.name)} ({title})"
    rows = [title]
    if show_layer_activations and getattr(layer, "activation", None) is not None:
        name = getattr(layer.activation, "__name__", str(layer.activation))
        rows.append(f"Activation: <b>{escape(name)}</b>")
    if show_shapes:
        rows += [f"{word} shape: <b>{escape(_shape(layer, side))}</b>" for word, side in _SIDES]
    if show_dtype:
        rows.append(f"Output dtype: <b>{escape(layer.compute_dtype)}</b>")
    if show_trainable and layer.weights:
        rows.append(f"Trainable: <b>{bool(layer.trainable)}</b>")
    cells = "".join(f'<tr><td align="left">{row}</td></tr>' for row in rows)
    return f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="6">{cells}</table>>'


_SIDES = (("Input", "input_shape"), ("Output", "output_shape"))


def _shape(layer: Any, side: str) -> str:
    try:
        return str(getattr(layer, side))
    except AttributeError:
        return "?"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
