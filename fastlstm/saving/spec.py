"""What a model expects of a weight file, in plain words: the only thing that `saving` knows about layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from fastlstm.records import Record


class VariableSpec(Record):
    """One array of weights.

    Args:
        name: `kernel`, `bias`, `gamma` …, without a path.
        shape: All dimensions known.
        trainable: Whether the optimizer would change it (legacy files store the trainable ones first).
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True


class LayerSpec(Record):
    """One layer or model, its own variables and its children, in Keras' order.

    Args:
        name: The layer's name.
        class_name: Its Keras class (`LSTM`, `LSTMCell`, `Sequential` …); files number their groups by it.
        variables: Its own variables, trainable ones first.
        children: `(attribute, child)` pairs. A child is a LayerSpec (an LSTM's `cell`) or a tuple of them
            (a Sequential's `layers`).
        subclassed: Whether it is a model whose children are attributes, rather than a Sequential or Functional one.
        constants: Arrays by name that are written beside the variables, where Keras 3 looks for them.
        stored_form: How the file that it came from stores the first variable; see `policies.take_stored_form`.
    """

    name: str
    class_name: str
    variables: tuple[VariableSpec, ...] = ()
    children: tuple[tuple[str, LayerSpec | tuple[LayerSpec, ...]], ...] = ()
    subclassed: bool = False
    constants: tuple[tuple[str, np.ndarray], ...] = ()
    stored_form: Mapping[str, Any] = MappingProxyType({})

    def members(self) -> Iterator[LayerSpec]:
        """Every child, those in tuples one by one."""
        for _, child in self.children:
            yield from child if isinstance(child, tuple) else (child,)

    def flatten(self) -> Iterator[VariableSpec]:
        """Every variable in the order of Keras' `weights`: own first, then the children's, depth first."""
        yield from self.variables
        for layer in self.members():
            yield from layer.flatten()
