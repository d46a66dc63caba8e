"""The nodes of a Functional model: every dialect → `{"args": […], "kwargs": {…}}` with `__keras_tensor__` entries."""

from __future__ import annotations

from typing import Any

from fastlstm.saving.errors import SavedModelError

# Keras 2 passed an initial state as further inputs: [x, h, c].
_RECURRENT = {"Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN"}


def node(written: Any, class_name: str, layer_names: set[Any]) -> dict[str, Any]:
    """One call of a layer.

    Args:
        written: Keras 3's `{"args", "kwargs"}`, or the list `[[layer, node, tensor, kwargs?], …]` of older versions.
        class_name: The layer's class.
        layer_names: The names of the graph's layers, by which a tensor among the arguments is recognised.

    Returns:
        `{"args", "kwargs"}`; every tensor is `{"class_name": "__keras_tensor__", "config": {"keras_history": [layer,
        node, tensor], …}}`.

    Raises:
        ValueError: Neither form.
    """
    if isinstance(written, dict) and isinstance(written.get("args"), list):
        return {"args": written["args"], "kwargs": written.get("kwargs") or {}}
    if not isinstance(written, list) or not written:
        raise SavedModelError(f"A call of a {class_name} layer is stored in an unknown form: {written!r:.80}")
    if isinstance(written[0], str):  # a single tensor without its list
        written = [written]
    tensors = [_tensor(entry) for entry in written]
    kwargs = {}
    for entry in written:
        kwargs |= entry[3] if len(entry) > 3 else {}
    kwargs = {key: _argument(value, layer_names) for key, value in kwargs.items()}
    if len(tensors) == 1:
        return {"args": tensors, "kwargs": kwargs}
    if class_name in _RECURRENT:
        return {"args": tensors[:1], "kwargs": kwargs | {"initial_state": tensors[1:]}}
    return {"args": [tensors], "kwargs": kwargs}


def output_entry(written: Any, old: bool) -> Any:
    """`input_layers` or `output_layers`; before Keras 3 a list of one meant the bare tensor.

    Args:
        written: `[layer, node, tensor]`, or a list or dict of such.
        old: Whether the file is older than Keras 3.
    """
    if old and isinstance(written, list) and len(written) == 1:
        return written[0]
    return written


def _tensor(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, list) or len(entry) < 3 or not isinstance(entry[0], str):
        raise SavedModelError(f"An input of a layer is stored in an unknown form: {entry!r:.80}")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entry[:3]}}


def _argument(value: Any, layer_names: set[Any]) -> Any:
    """A keyword argument: tensors may hide in it as `[layer, node, tensor]`."""
    if not isinstance(value, list):
        return value
    is_tensor = len(value) in (3, 4) and isinstance(value[0], str) and value[0] in layer_names
    if is_tensor and type(value[1]) is int and type(value[2]) is int:
        return _tensor(value)
    return [_argument(item, layer_names) for item in value]
