"""SavedModel folders that Keras 2 wrote: the config as JSON in protocol buffers, the weights in a checkpoint.

    keras_metadata.pb    since TensorFlow 2.5: an entry per object, the model's under the path `root`
    saved_model.pb       before, the same JSON is in its graph of objects; the rest is TensorFlow's graph, not read
    variables/           the checkpoint

A folder without Keras' JSON holds a graph of TensorFlow's operations alone, which is no network of layers any more.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fastlstm.printable import shown
from fastlstm.saving.budget import Budget
from fastlstm.saving.config import entries
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.json_data import parse_json
from fastlstm.saving.model_file import Contents
from fastlstm.saving.object_graph import ObjectGraph
from fastlstm.saving.protobuf import Message
from fastlstm.saving.regular import read_part
from fastlstm.saving.tensor_bundle import INDEX, TensorBundle
from fastlstm.saving.vocabularies import LOOKUPS, of_graph, with_vocabularies

METADATA, GRAPH = "keras_metadata.pb", "saved_model.pb"
_VARIABLES = Path("variables", "variables")
_ROOT = "root"
_CONVERT = (
    "It holds operations of TensorFlow and variables, but no layers. Make the model in code, as it was made for "
    "training; these two lines then convert the folder:\n    model.load_weights(folder)\n    model.save('model.keras')"
)
_MODELS = ("_tf_keras_sequential", "_tf_keras_network", "_tf_keras_model")


def is_saved_model(folder: Path) -> bool:
    """Return whether a folder is a SavedModel."""
    return (folder / METADATA).is_file() or (folder / GRAPH).is_file()


def open_saved_model(folder: Path, stack: ExitStack) -> Contents:
    """Open a folder.

    Args:
        folder: The folder.
        stack: Closes the files.

    Raises:
        ValueError: Something is damaged or missing.
    """
    if not (folder / f"{_VARIABLES}{INDEX}").is_file():
        raise SavedModelError(f"There is no {_VARIABLES}{INDEX} in the folder.")
    budget = Budget(0)
    read = ObjectGraph(TensorBundle(folder / _VARIABLES, stack, budget), budget).read
    metadata = _metadata(folder, budget)
    if metadata is None:
        return Contents(read, budget, no_model=f"{folder} is a SavedModel without Keras' metadata. {_CONVERT}")
    version = metadata.get("keras_version")
    model = metadata.get("model_config") or {key: metadata.get(key) for key in ("class_name", "config")}
    if not (isinstance(model, dict) and isinstance(model.get("config"), dict) and "layers" in model["config"]):
        name = metadata.get("class_name")
        model, reason = None, f"{folder} holds a model of a class of its own, {shown(name)}. {_CONVERT}"
        return Contents(read, budget, no_model=reason)
    if (folder / GRAPH).is_file() and any(entry["class_name"] in LOOKUPS for entry in entries(model)):
        model = with_vocabularies(model, of_graph(read_part(folder / GRAPH, budget), budget))
    return Contents(read, budget, version if isinstance(version, str) else None, model)


def _metadata(folder: Path, budget: Budget) -> dict[str, Any] | None:
    """What Keras says of the model, if it wrote the folder."""
    if (folder / METADATA).is_file():
        nodes = Message(read_part(folder / METADATA, budget), budget).messages(1)
        found = [(node.text(4), node.text(5)) for node in nodes if node.text(3) == _ROOT]
    else:
        found = _first_object(Message(read_part(folder / GRAPH, budget), budget), budget)
    for identifier, text in found:
        if identifier in _MODELS and text:
            return parse_json(text, f"the metadata of {folder}", budget)
    return None


def _first_object(saved_model: Message, budget: Budget) -> list[tuple[str, str]]:
    """`(identifier, metadata)` of the first object of a SavedModel, which is the model."""
    for meta_graph in saved_model.messages(2):
        for graph in meta_graph.messages(7):
            for node in graph.pieces(1)[:1]:
                return [(user.text(1), user.text(3)) for user in Message(node, budget).messages(4)]
    return []
