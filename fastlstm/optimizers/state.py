"""The state of an optimizer: one array of each kind for all variables, of which the variables' own are views."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from fastlstm import initializers
from fastlstm.backend import Variable
from fastlstm.printable import quoted

# Numbers that go through a step at once: with their state they stay in a core's cache.
BLOCK = 16384
_SCRATCH = 3
_MADE_BY_BUILD: tuple[str, ...] = (
    "ranges",
    "_places",
    "constraints",
    "decays",
    "averages",
    "accumulated",
    "slots",
    "scratch",
)
_MADE_BY_BUILD += ("own_gradients",)


class OptimizerState:
    """The part of an optimizer that knows its variables and what it keeps of them."""

    name: str
    use_ema: bool
    gradient_accumulation_steps: int | None
    built: bool
    _variables: list[Variable]
    _trainable_variables: list[Any]
    _learning_rate: Any
    _iterations: Variable

    def slot_names(self) -> Sequence[Sequence[str]]:
        """Return the names of the state of a variable, e.g. `[("momentum", "velocity")]`, in groups: the state of all
        variables is listed group by group, and within a group variable by variable."""
        return ()

    def slot_initializer(self, name: str) -> Any:
        """Return the initializer of the state of this name."""
        return "zeros"

    @property
    def iterations(self) -> Any:
        """Number of steps that changed the variables."""
        if self.accumulates:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def accumulates(self) -> bool:
        """Whether the gradients of several steps are averaged."""
        return bool(self.gradient_accumulation_steps)

    @property
    def changes_gradients(self) -> bool:
        """Whether a step needs gradients in arrays of its own."""
        raise NotImplementedError

    def is_decayed(self, variable: Any) -> bool:
        """Return whether weight decay is for this variable too."""
        raise NotImplementedError

    def build(self, variables: Sequence[Any]) -> None:
        """Make the state of variables, once.

        Args:
            variables: Arrays, or objects with a `shape`, a `path` or `name`, and perhaps a `constraint`.
        """
        if self.built:
            return
        self._trainable_variables = list(variables)
        sizes = [int(np.prod(variable.shape)) for variable in variables]
        ends = np.cumsum([0, *sizes]).tolist()
        self.ranges: list[tuple[Any, Any]] = list(itertools.pairwise(ends))
        self._places = {id(variable): place for place, variable in enumerate(self._trainable_variables)}
        self.constraints: list[Any | None] = [
            getattr(variable, "constraint", None) for variable in self._trainable_variables
        ]
        self.decays: list[bool] = [self.is_decayed(variable) for variable in self._trainable_variables]
        self.averages: np.ndarray | None = self._added_slots(("average",))[0] if self.use_ema else None
        self.accumulated: np.ndarray | None = (
            self._added_slots(("gradient_accumulator",))[0] if self.accumulates else None
        )
        self.slots: list[np.ndarray] = [slot for group in self.slot_names() for slot in self._added_slots(group)]
        self.scratch: np.ndarray = np.empty((_SCRATCH, min(BLOCK, max(ends[-1], 1))), np.float32)
        self.own_gradients: np.ndarray = np.empty(ends[-1] if self.changes_gradients else 0, np.float32)
        self.built = True

    def _added_slots(self, names: Sequence[str]) -> list[np.ndarray]:
        """Return an array for each name, with the state of all variables, and list it variable by variable."""
        arrays = [np.empty(self.ranges[-1][1] if self.ranges else 0, np.float32) for _ in names]
        for variable, (start, end) in zip(self._trainable_variables, self.ranges, strict=True):
            for name, array in zip(names, arrays, strict=True):
                own = array[start:end].reshape(variable.shape)
                own[...] = initializers.get(self.slot_initializer(name))(variable.shape)
                self.add_state(f"{path_of(variable)}_{name}", own)
        return arrays

    def add_state(self, name: str, array: np.ndarray) -> Variable:
        """Return an array as a part of the state.

        Args:
            name: String.
            array: It is kept, not copied.
        """
        variable = Variable(0.0, trainable=False, name=name)
        variable.path = f"{self.name}/{name}"
        variable.value = array
        self._variables.append(variable)
        return variable

    def slots_of(self, place: int) -> list[np.ndarray]:
        """Return the state of one variable, in its shape."""
        start, end = self.ranges[place]
        return [slot[start:end].reshape(self._trainable_variables[place].shape) for slot in self.slots]

    @property
    def variables(self) -> list[Variable]:
        """The state, in the order in which files have it."""
        return list(self._variables)

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Overwrite the state.

        Args:
            weights: Arrays, as `variables` lists them.

        Raises:
            ValueError: When there is no state yet, or a shape is another one.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling `set_weights()`."
            )
        for variable, weight in zip(self._variables, weights, strict=False):
            if variable.shape != np.shape(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {variable.shape} not compatible with provided "
                    f"weight shape {np.shape(weight)}."
                )
            variable.assign(weight)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put the state into a dict, by numbers from `"0"` on.

        Args:
            store: Dict of arrays.
        """
        for number, variable in enumerate(self._variables):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Overwrite the state by what `save_own_variables` put into a dict.

        Args:
            store: Dict of arrays; one that does not fit is left out as a whole, with a warning.
        """
        if len(store) != len(self._variables):
            problem = (
                f"because it has {len(self._variables)} variables whereas the saved optimizer has {len(store)} "
                "variables. "
            )
            if not self.built:
                problem += "Here it is not built: call `optimizer.build(model.trainable_variables)` before."
        else:
            saved = [np.asarray(store[str(number)]) for number in range(len(store))]
            misfits = [pair for pair in zip(self._variables, saved, strict=True) if pair[0].shape != pair[1].shape]
            if not misfits:
                for variable, array in zip(self._variables, saved, strict=True):
                    variable.assign(array)
                return
            variable, array = misfits[0]
            problem = f"because its {variable.path} has shape {variable.shape} and the saved one {array.shape}."
        warnings.warn(f"Skipping variable loading for optimizer '{self.name}', {problem}", stacklevel=4)

    def cut(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return a flat array of all numbers as one of each variable."""
        return [
            flat[start:end].reshape(variable.shape)
            for (start, end), variable in zip(self.ranges, self._trainable_variables, strict=True)
        ]

    def all_variables(self, count: int) -> list[Any]:
        """Return the variables of the state.

        Args:
            count: How many there should be.

        Raises:
            ValueError: When there is no state yet, or they are not as many.
        """
        if not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on a list of variables. "
                "Call `optimizer.build(trainable_variables)` first. "
            )
        if count != len(self._trainable_variables):
            raise ValueError(
                "When passing `grads` as a list of gradient tensors, the gradients must match `optimizer.variables` "
                f"one-to-on. Received a list of {quoted(count)} gradients, but the optimizer is tracking "
                f"{len(self._trainable_variables)} trainable variables."
            )
        return self._trainable_variables

    def place_of(self, variable: Any) -> int:
        """Return the place of a variable among those of the state.

        Raises:
            ValueError: When it is none of them.
        """
        place = self._places.get(id(variable))
        if place is None:
            raise ValueError(
                f"Unknown variable: {variable}. This optimizer can only be called for the variables it was originally "
                "built with. When working with a new set of variables, you should recreate a new optimizer instance."
            )
        return place

    def __getstate__(self) -> dict[str, Any]:
        """The state as arrays: what is made by `build`, views and all, is made again."""
        kept = {name: value for name, value in self.__dict__.items() if name not in _MADE_BY_BUILD}
        own = [self._iterations, *([self._learning_rate] if isinstance(self._learning_rate, Variable) else ())]
        return {**kept, "_variables": own, "state": [variable.numpy() for variable in self._variables]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("state")
        self.__dict__.update(state)
        if self.built:
            self.built = False
            self.build(self._trainable_variables)
            self.set_weights(weights)


def array_of(variable: Any) -> np.ndarray:
    """Return the array of a variable, which may be one itself."""
    return variable if isinstance(variable, np.ndarray) else variable.value


def is_ours(array: np.ndarray) -> bool:
    """Return whether an array can be changed in place."""
    return array.dtype == np.float32 and array.flags.carray


def assign(variable: Any, array: np.ndarray) -> None:
    """Set a variable, which may be an array."""
    if isinstance(variable, np.ndarray):
        variable[...] = array
    else:
        variable.assign(array)


def name_of(variable: Any) -> str:
    """Return the name of a variable; an array has none."""
    return getattr(variable, "name", "var")


def path_of(variable: Any) -> str:
    """Return the path of a variable as a part of a name."""
    return getattr(variable, "path", name_of(variable)).replace("/", "_")
