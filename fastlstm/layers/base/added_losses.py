"""Losses that a layer adds in its `call`, and penalties of what layers give: who asks for them, and what they are."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from fastlstm.layers.base.contract import LayerContract
from fastlstm.layers.base.structure import flatten, packed
from fastlstm.layers.base.tracing import TRACING
from fastlstm.regularizers import penalty_gradient


class _Adding(threading.local):
    """What becomes of what layers add on a thread: whoever trains or tests a batch collects it, and a call that a user
    makes keeps it in the layers, for their `losses`."""

    found: list[np.float32] | None = None
    # Whether a user's call is under way.
    keeps: bool = False
    # Whether a layer has ever kept something, on any thread.
    kept: ClassVar[bool] = False

    @property
    def asked(self) -> bool:
        """Whether anybody asks for it."""
        return self.found is not None or self.keeps

    @contextmanager
    def into(self, found: list[np.float32]) -> Iterator[None]:
        """Collect in a list what is added meanwhile."""
        before = self.found, self.keeps
        self.found, self.keeps = found, False
        try:
            yield
        finally:
            self.found, self.keeps = before

    @contextmanager
    def call_of(self, layer: AddsLosses) -> Iterator[None]:
        """Keep in a layer and in those inside what they add meanwhile, and nothing from before; it is nothing new where
        somebody asks for it already."""
        if self.asked:
            yield
            return
        if _Adding.kept:
            for one in layer.adding_layers():
                one._added = ()
        self.keeps = True
        try:
            yield
        finally:
            self.keeps = False


ADDING = _Adding()


class AddsLosses(LayerContract):
    """What a layer adds to the loss of a batch."""

    inner_names = "add_penalties adding_layers d_penalized keep_loss penalized weight_penalties"
    activity_regularizer: Any
    # What a user's last call added.
    _added: tuple[np.float32, ...] = ()

    def add_loss(self, loss: Any) -> None:
        """Add to the loss of the batch, in the layer's `call`.

        Args:
            loss: A tensor, of which the values are summed, or a structure of them.

        Raises:
            ValueError: With Keras' text, when it is no tensor, or one of no call.
        """
        for one in flatten(loss):
            if TRACING.trace is not None and TRACING.trace.adds(one):
                continue
            if not isinstance(one, (np.ndarray, np.generic)):
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input. "
                    f"Received invalid value: {one!r:.200}"
                )
            self.keep_loss(np.sum(np.asarray(one), dtype=np.float32))

    @property
    def penalized(self) -> bool:
        """Whether outputs have penalties: of the layer, or of layers inside one of this package that it calls."""
        return self.activity_regularizer is not None

    def d_penalized(self, outputs: Any, d_outputs: Any) -> Any:
        """Return gradients by outputs with those of their penalties, which `add_penalties` adds."""
        if self.activity_regularizer is None:
            return d_outputs
        pairs = zip(flatten(outputs), flatten(d_outputs), strict=True)
        slopes = [d + penalty_gradient(self.activity_regularizer, leaf) / np.float32(len(leaf)) for leaf, d in pairs]
        return packed(outputs, slopes)

    def add_penalties(self, outputs: Any) -> None:
        """Add what the activity regularizer says of the outputs, if somebody asks for it."""
        if self.activity_regularizer is not None and ADDING.asked:
            for leaf in flatten(outputs):
                self.keep_loss(np.float32(self.activity_regularizer(leaf)) / np.float32(len(leaf)))

    def keep_loss(self, value: np.float32) -> None:
        """Give a loss to whoever asks for it."""
        if ADDING.found is not None:
            ADDING.found.append(value)
        elif ADDING.keeps:
            _Adding.kept = True
            self._added = (*self._added, value)

    def adding_layers(self) -> list[AddsLosses]:
        """Return this layer and those inside it, each once, in Keras' order."""
        found: dict[int, AddsLosses] = {id(self): self}
        pending: deque[Any] = deque(self.children)
        while pending:
            layer = pending.popleft()
            if isinstance(layer, AddsLosses) and id(layer) not in found:
                found[id(layer)] = layer
                pending.extendleft(layer.children)
        return list(found.values())

    @property
    def losses(self) -> list[Any]:
        """What this layer and those inside added in the last call, and the penalties of the weights' regularizers."""
        return [*(loss for layer in self.adding_layers() for loss in layer._added), *self.weight_penalties]
