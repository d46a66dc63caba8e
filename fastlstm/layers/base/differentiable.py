"""How training goes through a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.layers.base.added_losses import AddsLosses
from fastlstm.layers.base.building import overrides

# Takes the gradients by the outputs, in their structure; returns `Gradients` (`gradient.py`), or the plain tuple of its
# items.
Backward = Callable[[Any], tuple[Any, ...]]

_CALLS = ("call", "__call__")


class Differentiable(AddsLosses):
    """What a layer says of its gradient."""

    # Makes what trains a layer by tracing its `call`: set by the floor of models, where calls are planned.
    tracer: ClassVar[Any]
    _traced: Any = None

    if TYPE_CHECKING:
        # Of every layer.
        @property
        def native_in_training(self) -> bool: ...
        @property
        def training_chain(self) -> Any: ...

    @property
    def has_gradient(self) -> bool:
        """Whether training can go through the layer: the engine does, or a class gives `call_with_gradient`."""
        given = type(self).call_with_gradient is not Differentiable.call_with_gradient
        return self.native_in_training or (given and not overrides(type(self), _CALLS, over="call_with_gradient"))

    def call_with_gradient(self, inputs: Any, *args: Any, **kwargs: Any) -> tuple[Any, Backward]:
        """Return `(outputs, backward)`: what `call` returns in training, and the way back.

        `backward(d_outputs)`, called at most once, takes the gradients by the outputs, in their structure, and returns
        `(d_inputs, d_weights)`: those by the inputs, in their structure, and by `trainable_weights`, in their order. A
        third item, a dict by the arguments' names, has those by further tensors that the layer was called with.

        Args:
            inputs, *args, **kwargs: As for `call`.

        Raises:
            NotImplementedError: When the layer has no gradient.
        """
        self.check_gradient()
        if self.native_in_training:
            return self.training_chain.run(inputs)
        return self.traced_calls.call_with_gradient(inputs, args, kwargs)

    @property
    def trains_by_tracing(self) -> bool:
        """Whether training goes through what the layer's `call` calls: it is a user's, which gives no gradient."""
        return self.traces and not self.has_gradient

    @property
    def traced_calls(self) -> Any:
        """What runs the layer in training by tracing its `call`."""
        if self._traced is None:
            self._traced = self.tracer(self)
        return self._traced

    def in_order(self, **gradients: np.ndarray) -> list[np.ndarray | None]:
        """Return gradients, named by the attributes whose weights they are by, in the order of `trainable_weights`."""
        found = {id(getattr(self, name)): gradient for name, gradient in gradients.items()}
        return [found.get(id(weight)) for weight in self.trainable_weights]

    def check_gradient(self) -> None:
        """Raise NotImplementedError if training cannot go through the layer."""
        if not self.has_gradient and not self.traces:
            raise NotImplementedError(
                f"Layer '{self.name}' (of type {type(self).__name__}) does not say its gradient, so training cannot go "
                "through it. Give the class a method `call_with_gradient`, or freeze the layer and those before it "
                "(`trainable = False`)."
            )
