"""What the cells that the engine runs share: arguments, weights, one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm import random
from fastlstm.engine import layouts_of, ops
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.recurrent import Recurrent
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.rnn.dropout_steps import DropoutStep, steps_of
from fastlstm.layers.rnn.states import as_states, zero_states
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.random import SeedGenerator

_WEIGHTS = ("kernel", "recurrent", "bias")
_ACTIVATIONS = ("activation", "recurrent_activation")


def own_arguments(scope: dict[str, Any]) -> dict[str, Any]:
    """Return the named arguments of a constructor, without `**kwargs`.

    Args:
        scope: `locals()`, as its first statement sees them.
    """
    return {name: value for name, value in scope.items() if name not in ("self", "kwargs", "__class__")}


class Cell(Recurrent):
    """One time step that the engine knows how to run over a sequence.

    A class says how many `blocks` of columns its kernels have and how many states it carries, and gives the op.

    Args:
        arguments: The arguments of the class by name.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    # Arguments, by the names that classes give them.
    activation: Any
    recurrent_activation: Any
    use_bias: bool
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any
    seed: int | None

    # To the engine a cell is a layer that reads one step and returns its states.
    return_state = True

    blocks: ClassVar[int]
    state_count: ClassVar[int] = 1
    # Name of the argument that says the size of the output and of each state.
    size_argument: ClassVar[str] = "units"
    # Arguments that the class takes beyond those that it names.
    keywords: ClassVar[tuple[str, ...]] = ()

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        units = _checked_units(arguments[self.size_argument])
        super().__init__(**kwargs)
        self._argument_names = tuple(arguments)
        for name, value in arguments.items():
            setattr(self, name, value)
        self.units = units
        for name in self._activation_names():
            setattr(self, name, activation_layer.get(arguments[name]))
        for kind in _WEIGHTS:
            roles = ("initializer", "regularizer", "constraint")
            set_weight_arguments(self, kind, *(arguments[f"{kind}_{role}"] for role in roles))
        self.dropout: float = min(1.0, max(0.0, self.dropout))
        self.recurrent_dropout: float = min(1.0, max(0.0, self.recurrent_dropout))
        self.seed_generator: SeedGenerator = random.SeedGenerator(self.seed)
        self.state_size: int | list[int] = units if self.state_count == 1 else [units] * self.state_count
        self.output_size = units
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.recurrent_kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.bias: Variable | None = None

    def _activation_names(self) -> list[str]:
        return [name for name in _ACTIVATIONS if name in self._argument_names]

    def build(self, input_shape: Shape) -> None:
        columns = self.blocks * self.units
        self.kernel = add_weight(self, "kernel", (input_shape[-1], columns))
        self.recurrent_kernel = add_weight(self, "recurrent", (self.units, columns), "recurrent_kernel")
        if self.use_bias:
            self.bias = self.add_bias()
        self.input_spec: InputSpec = InputSpec(ndim=2, axes={-1: input_shape[-1]})

    def add_bias(self) -> Variable:
        """Create the bias."""
        return add_weight(self, "bias", (self.blocks * self.units,))

    def call(self, inputs: np.ndarray, states: Any, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return `(output, new_states)`.

        Args:
            inputs: `(batch, features)`.
            states: List of arrays `(batch, units)`; a cell of one state also takes the array, and returns one then.
            training: Boolean, whether values are dropped.

        Raises:
            ValueError: When a shape does not fit.
        """
        several = isinstance(states, (list, tuple))
        if training and self.drops:
            given = as_states(states, [(len(inputs), self.units)] * self.state_count, self.name)
            new_states, _ = steps_of(self).step(as_float32(inputs), given)
            return new_states[0], new_states if several else new_states[0]
        output, *new_states = self.chain.run(inputs[:, np.newaxis], None, states)
        return output, new_states if several else new_states[0]

    @property
    def native_in_training(self) -> bool:
        return self.native and not self.drops

    def call_with_gradient(
        self, inputs: np.ndarray, states: Any, training: bool = False
    ) -> tuple[tuple[np.ndarray, Any], Backward]:
        several = isinstance(states, (list, tuple))
        if training and self.drops:
            given = as_states(states, [(len(inputs), self.units)] * self.state_count, self.name)
            new_states, way = steps_of(self).step(as_float32(inputs), given)

            def of_steps(d: Any) -> Any:
                d_output, d_states = d
                first, *others = flatten(d_states)
                d_inputs, d_before, d_weights = way([d_output + first, *others])
                return d_inputs, d_weights, {"states": d_before if several else d_before[0]}

            return (new_states[0], new_states if several else new_states[0]), of_steps
        (output, *new_states), of_chain = self.training_chain.run(inputs[:, np.newaxis], None, states)

        def backward(d: Any) -> Any:
            d_output, d_states = d
            gradients = of_chain((d_output, *flatten(d_states)))
            return gradients.inputs[:, 0], gradients.weights, {"states": gradients.keywords["initial_state"]}

        return (output, new_states if several else new_states[0]), backward

    def starting_states(self, batch: int, given: Any) -> list[list[np.ndarray] | None]:
        """Return the call's states as the engine takes them."""
        return [as_states(given, [(batch, self.units)] * self.state_count, self.name)]

    def returned_states(self, states: list[list[np.ndarray]]) -> list[np.ndarray]:
        """Return the states that the engine gave as the call returns them."""
        return states[0]

    @property
    def drops(self) -> bool:
        """Whether training drops anything."""
        return 0 < self.dropout < 1 or 0 < self.recurrent_dropout < 1

    @property
    def drops_inputs_alone(self) -> bool:
        """Whether training drops values of the inputs alone, the same for all blocks of columns."""
        return self.drops and not 0 < self.recurrent_dropout < 1 and not self.has_mask_per_block

    @property
    def has_mask_per_block(self) -> bool:
        """Whether every block of columns has masks of its own."""
        return False

    def dropped_step(self, step: DropoutStep, *states: np.ndarray) -> tuple[list[np.ndarray], Any]:
        """Return the states after a step that drops values, and the function from gradients by them to a list of those
        by the states before it, without what comes by the products.

        Args:
            step: Gives the products.
            *states: Those before it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step that drops values.")

    def lower(self) -> list[ops.Op]:
        return [self.lower_over_time()]

    def integer_weights(self) -> dict[Variable, str]:
        layout_of = layouts_of(self.op(None, None, None))
        return {getattr(self, name): layout for name, layout in layout_of.items()}

    def lower_over_time(self, **over_time: Any) -> ops.Op:
        """Return the op that runs the cell over the steps of a sequence.

        Args:
            **over_time: `return_sequences`, `go_backwards`, `zero_output_for_mask`, as the op takes them.
        """
        bias = self.bias.value if self.bias is not None else None
        return self.op(self.kernel.operand, self.recurrent_kernel.operand, bias, **over_time)

    def op(self, *weights: Any, **over_time: Any) -> ops.Op:
        """Return `lower_over_time` of other weights.

        Args:
            *weights: Kernel, recurrent kernel and bias; None tells what the op is without a weight being made.
            **over_time: As for `lower_over_time`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no op.")

    def lowered_activations(self) -> list[ops.Activation]:
        """Return the activations as an op takes them, after the weights."""
        return [activation_layer.lower_activation(getattr(self, name), self.units) for name in self._activation_names()]

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Return a list of zeros, each `(batch_size, units)`."""
        return zero_states([self.units] * self.state_count, batch_size)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the class as a config holds them."""
        kept = {name: getattr(self, name) for name in self._argument_names}
        activations = {name: activation_layer.serialize_activation(kept[name]) for name in self._activation_names()}
        return kept | activations | weight_config(self, *_WEIGHTS)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments()}


class GatedCell(Cell):
    """A cell with gates; `implementation`, which it also takes, does not change the results."""

    keywords: ClassVar[tuple[str, ...]] = ("implementation",)

    def __init__(self, arguments: dict[str, Any], implementation: int = 2, **kwargs: Any) -> None:
        super().__init__(arguments, **kwargs)
        self.implementation: int = 1 if self.recurrent_dropout else implementation

    @property
    def has_mask_per_block(self) -> bool:
        return self.implementation == 1


def is_native(cell: Any) -> bool:
    """Return whether the engine can run the cell: one of this package whose step nobody has replaced."""
    return isinstance(cell, Cell) and cell.native


def _checked_units(units: Any) -> int:
    """Return `units` as an int, refusing floats, which Keras would only refuse when it builds."""
    if units <= 0 or not hasattr(units, "__index__"):
        raise ValueError(f"Received an invalid value for argument `units`, expected a positive integer, got {units}.")
    return int(units)


def check_cell(cell: Any) -> None:
    """Raise Keras' ValueError unless a cell has what one needs."""
    if not hasattr(cell, "call"):
        raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={quoted(cell)}")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer per "
            f"RNN state). Received: cell={quoted(cell)}"
        )
    if not isinstance(cell.state_size, (int, list, tuple)):
        raise ValueError(
            "state_size must be an integer, or a list/tuple of integers (one for each state tensor). "
            f"Received: state_size={cell.state_size}"
        )
