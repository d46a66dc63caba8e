"""What owns weights: variables of its own and those of the owners inside it, in Keras' order."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence, Sized
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastlstm import constraints, initializers, regularizers
from fastlstm.layers.base.arrays import as_shaped, float32_copy
from fastlstm.layers.base.input_spec import standardize_shape
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.base.variable import CHANGES, Variable, Watch, Watched
from fastlstm.printable import quoted
from fastlstm.random import SeedGenerator

# Attributes in which `named_children` finds no layers: by their types, and those of every layer.
_NO_LAYERS = frozenset({bool, float, int, np.ndarray, str, type(None)})
_NO_CHILDREN = ("_given", "_nodes", "own_variables")


class WeightOwner(Watched):
    """Variables in a tree, under one name.

    Args:
        name: String without `/`.
        trainable: Boolean, whether training changes the weights.
    """

    # Whether it is a model whose layers are attributes, as files have to know.
    subclassed: bool = False
    # Arrays that files of Keras 3 have beside the weights, by name; read before the owner is made.
    stored_constants: Mapping[str, np.ndarray] = MappingProxyType({})
    # How the file that it came from stores its matrix: in integers, with a low-rank update; see `saving/policies.py`.
    stored_form: Mapping[str, Any] = MappingProxyType({})
    # The name by which files number it, where that is not the class' own.
    stored_class: ClassVar[str | None] = None

    def __init__(self, name: str, trainable: bool) -> None:
        self.name = name
        self.built = False
        self.own_variables: list[Variable] = []
        self._trainable = trainable
        self._scope = ""

    @property
    def path(self) -> str:
        """The name, with those of the layers around it when this was built inside them."""
        return f"{self._scope}/{self.name}" if self._scope else self.name

    def add_weight(
        self,
        shape: Sequence[int | None] = (),
        initializer: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str = "variable",
    ) -> Variable:
        """Create a weight of this layer.

        Args:
            shape: Its shape, all dimensions known.
            initializer: Identifier of its first value. Default: `glorot_uniform`.
            dtype: Only float32.
            trainable: Whether training changes it.
            regularizer: Identifier, or None.
            constraint: Identifier, or None.
            name: String.

        Raises:
            ValueError: When an argument is not valid.
        """
        if dtype not in (None, "float32"):
            raise ValueError(
                f"Weights are float32. Received: dtype={quoted(dtype)} for weight '{name}' of layer '{self.name}'"
            )
        fill = reserve_draw(initializers.get("glorot_uniform" if initializer is None else initializer))
        variable = Variable(
            fill,
            standardize_shape(shape),
            name,
            f"{self.path}/{name}",
            trainable,
            regularizers.get(regularizer),
            constraints.get(constraint),
        )
        if not isinstance(fill, initializers.Initializer):
            # A function of the caller's may draw from a sequence: the order of creation is the one that it expects.
            _ = variable.value
        self.own_variables.append(variable)
        self.own_variables.sort(key=lambda own: not own.trainable)
        return variable

    add_variable = add_weight

    def named_children(self) -> tuple[tuple[str, Any], ...]:
        """Return the layers among the attributes, and those in lists, tuples and dicts, in the order they were set."""
        found: list[tuple[str, Any]] = []
        for name, value in self.__dict__.items():
            if type(value) in _NO_LAYERS:
                continue
            if isinstance(value, WeightOwner):
                # A layer that serves as activation has no weights and is its owner's affair.
                found += [(name, value)] if name not in ("activation", "recurrent_activation") else []
            elif isinstance(value, (list, tuple, dict)) and value and name not in _NO_CHILDREN:
                inner = tuple(leaf for leaf in flatten(value) if isinstance(leaf, WeightOwner))
                found += [(name, inner)] if inner else []
        return tuple(found)

    @property
    def children(self) -> list[WeightOwner]:
        """The layers inside this one, one level deep."""
        return [
            owner for _, child in self.named_children() for owner in (child if isinstance(child, tuple) else (child,))
        ]

    def watch(self, watch: Watch) -> None:
        """Let `watch` count the changes of this, of all inside it, and of their weights."""
        super().watch(watch)
        for variable in self.own_variables:
            variable.watch(watch)
        for child in self.children:
            child.watch(watch)

    @property
    def weights(self) -> list[Variable]:
        """All variables, each once: the layer's own, trainable ones first, then those of the layers inside it."""
        found = [*self.own_variables, *(weight for child in self.children for weight in child.weights)]
        return list({id(weight): weight for weight in found}.values())

    variables = weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for the layers inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for child in self.children:
            child.trainable = value

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes, in the order of `weights`."""
        if not self.trainable:
            return []
        own = [variable for variable in self.own_variables if variable.trainable]
        found = own + [weight for child in self.children for weight in child.trainable_weights]
        return list({id(weight): weight for weight in found}.values())

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that training leaves alone, in the order of `weights`."""
        trainable = {id(variable) for variable in self.trainable_weights}
        return [variable for variable in self.weights if id(variable) not in trainable]

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the order of `weights`; of quantized ones what their integers stand for."""
        return [array.copy() for array in self.weight_arrays()]

    def weight_arrays(self) -> list[np.ndarray]:
        """Return the arrays of all weights themselves, read-only, as they are at one moment."""
        with CHANGES.lock:
            return [variable.value for variable in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Set all weights, in the order of `weights`, or none if one does not fit.

        Calls of a model on other threads see either the old ones or the new ones. So they do with `load_weights`; with
        `Variable.assign` that holds for the one variable. A batch is a call: those of one `predict` may differ.

        Args:
            weights: Arrays.

        Raises:
            ValueError: When their number or a shape is wrong.
        """
        variables = self.weights
        # Of an array of many rows, or of what does not end, no more is taken than it needs to be wrong.
        given = [as_shaped(weight) for weight in itertools.islice(weights, len(variables) + 1)]
        if len(given) != len(variables):
            length = len(weights) if isinstance(weights, Sized) else len(given)
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{length}, but the layer was expecting {len(variables)} weights."
            )
        for variable, weight in zip(variables, given, strict=True):
            if tuple(weight.shape) != variable.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with provided weight shape "
                    f"{tuple(weight.shape)}."
                )
        self.adopt_weights([float32_copy(weight, f"The weights of layer '{self.name}'") for weight in given])

    def adopt_weights(self, arrays: Sequence[np.ndarray | None]) -> None:
        """Take over arrays as the weights, uncopied.

        Args:
            arrays: float32, C-contiguous, of the right shapes in the order of `weights`; None leaves a weight as it is.
        """
        changed = [(variable, array) for variable, array in zip(self.weights, arrays, strict=True) if array is not None]
        for variable, _ in changed:
            variable.check_assignable()
        with CHANGES.making(*(variable for variable, _ in changed)):
            for variable, array in changed:
                variable.adopt(array)

    def share_weights(self, other: WeightOwner) -> None:
        """Take over the weights of another one of the same layers, uncopied, be they arrays or integers."""
        weights = self.weights
        with CHANGES.making(*weights):
            for mine, theirs in zip(weights, other.weights, strict=True):
                mine.share(theirs)

    @property
    def quantized_to(self) -> str | None:
        """What the integers are that some of the weights are, None if all are float32."""
        return next((weight.integers.mode for weight in self.weights if weight.integers is not None), None)

    def count_params(self) -> int:
        """Return the number of values in all weights.

        Raises:
            ValueError: When the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build "
                "it manually via: `layer.build(input_shape)`."
            )
        return sum(variable.size for variable in self.weights)

    @property
    def weight_penalties(self) -> list[Any]:
        """The penalties of the weights' regularizers, in the order of `weights`."""
        return [weight.regularizer(weight.value) for weight in self.trainable_weights if weight.regularizer]


def reserve_draw(initializer: Any) -> Any:
    """Return an initializer whose values no longer depend on when it is called.

    Args:
        initializer: One that draws from a `SeedGenerator` is copied with the seed of its next draw.
    """
    seed = getattr(initializer, "seed", None)
    if not isinstance(seed, SeedGenerator):
        return initializer
    number, step = seed.next()
    reserved = copy.copy(initializer)
    reserved.seed = int(np.random.SeedSequence([number % 2**64, step]).generate_state(1, np.uint64)[0])
    return reserved
