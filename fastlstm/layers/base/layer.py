"""The base class of all layers: names, weights, configs, and the way from a call to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm import backend, regularizers
from fastlstm.arguments import check_config
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base import dtype_policy
from fastlstm.layers.base.arrays import as_float32, as_tensors, carried_mask, input_arrays
from fastlstm.layers.base.building import once, overrides
from fastlstm.layers.base.chain import Chain
from fastlstm.layers.base.differentiable import Differentiable
from fastlstm.layers.base.input_arguments import take_input_batch_shape
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.joining import GraphValues, one_value, rows_of_planes
from fastlstm.layers.base.own_config import is_own, own_config
from fastlstm.layers.base.structure import is_shape, map_structure
from fastlstm.layers.base.tracing import TRACING, UNDER_WAY
from fastlstm.layers.base.variable import CHANGES, Variable
from fastlstm.layers.symbolic.calling import (
    NOT_GIVEN,
    call_adding,
    call_parameters,
    call_shapes,
    first_by_name,
    shape_arguments,
    with_argument_masks,
)
from fastlstm.layers.symbolic.keras_tensor import is_symbolic
from fastlstm.layers.symbolic.node import Called, Node, record_call
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import TrainingChain


# What the engine does in a layer's stead where it runs the layer.
_ENGINES = ("call", "__call__", "compute_mask")
LATER_STEPS = "its output at a step may depend on later ones."


class Layer(Differentiable, Called):
    """A layer: weights, and a function of arrays.

    A subclass that the engine can run describes itself in `lower()`. Any other one implements `call(inputs)` in NumPy,
    and so may a subclass of a layer that the engine runs: its `call` is what counts then.
    A layer of several inputs is called on a list of them; `build`, `compute_output_shape` and `compute_mask` then get
    lists too.

    Args:
        activity_regularizer: Regularizer of the outputs, kept for configs and training.
        trainable: Boolean, whether training changes the weights.
        dtype: A dtype policy; see `DTypePolicy` for what it means here.
        autocast: Boolean; inputs are always cast to float32.
        name: String without `/`; None makes one from the class.
        **kwargs: `input_shape` (without batch), `input_dim` or `batch_input_shape`: the input of the model whose
            first layer this is.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    _runs_own_call: ClassVar[bool] = False
    traces: bool = False
    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backend.auto_name(type(self).__name__) if name is None else name, trainable)
        if not isinstance(self.name, str) or "/" in self.name:
            raise ValueError(
                "Argument `name` must be a string and cannot contain character `/`. "
                f"Received: name={quoted(name)} (of type {type(name)})"
            )
        if not isinstance(trainable, bool):
            raise ValueError(
                "Expected `trainable` to be a boolean. "
                f"Received: trainable={quoted(trainable)} (of type {type(trainable)})"
            )
        self.input_batch_shape: Shape | None = take_input_batch_shape(kwargs)
        stored_form = kwargs.pop("stored_form", None)
        if stored_form:
            self.stored_form = stored_form
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        try:
            self.dtype_policy: dtype_policy.DTypePolicy = dtype_policy.get(dtype)
        except ValueError as error:
            raise ValueError(f"Layer '{self.name}': {error}") from None
        self.autocast = autocast
        self.activity_regularizer: Any = regularizers.get(activity_regularizer)
        self.input_spec: InputSpec | None = None
        self._build_shape: Any = None
        self._nodes: list[Node] = []
        self._chain: Chain | None = None
        self._training_chain: TrainingChain | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        if is_own(cls):
            # From these, a class of a user's own that does not say its config has one made.
            layer._given = (args, kwargs)
        return layer

    def __init_subclass__(cls, builds_once: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if builds_once and "build" in cls.__dict__:
            cls.build = once(cls.__dict__["build"])  # type: ignore[method-assign]
        cls._runs_own_call = overrides(cls, _ENGINES, over="lower")
        cls.traces = cls.traces or is_own(cls.call)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # What a Program was made from may have changed; the underscored attributes are this package's own business.
        if not name.startswith("_") and self.__dict__.get("built") and name not in self.uncounted:
            CHANGES.count(self)
            self._traced = None

    def __dir__(self) -> list[str]:
        inner = {name for base in type(self).__mro__ for name in getattr(base, "inner_names", "").split()}
        return sorted(set(super().__dir__()) - inner)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # Building

    @once
    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights; a built layer only checks that the shape fits.

        Args:
            input_shape: Shape with the batch, None where unknown.
        """

    def build_child(self, child: Layer, input_shape: Sequence[int | None]) -> None:
        """Build a layer that belongs to this one, so that its weights' paths say so."""
        if not child.built:
            child._scope = self.path
        child.build(input_shape)

    def get_build_config(self) -> dict[str, Any] | None:
        """Return what `build_from_config` takes, None before the layer is built."""
        if self._build_shape is None:
            return None
        several = shape_arguments(type(self))
        return {"shapes_dict": self._build_shape} if several else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the layer for the input shape in `config`, or the shapes of several arguments."""
        check_config(config)
        shape, shapes = config.get("input_shape"), config.get("shapes_dict")
        if shape_arguments(type(self)):
            # Keras 2 wrote one shape of a layer that needs several; it is built when it is called.
            if isinstance(shapes, dict):
                self.build(**shapes)
            return
        if shape is None:
            return
        if not (self.takes_structures or is_shape(shape)):
            if not isinstance(shape, (list, tuple)) or not shape:
                raise ValueError(f"`input_shape` should be a shape. Received: input_shape={quoted(shape)}")
            # Keras 2 counted the initial states of a recurrent layer among its inputs.
            shape = shape[0]
        self.build(shape)

    # Calling

    def __call__(self, inputs: Any = NOT_GIVEN, *args: Any, **kwargs: Any) -> Any:
        """Return the layer's outputs as tensors, building it first if need be.

        Args:
            inputs: Array of any numeric dtype and memory order, which is not changed; or a list of them for a layer of
                several inputs. KerasTensors in place of arrays give KerasTensors.
            *args, **kwargs: As `call` takes them; `training` where the layer has no use for it changes nothing.

        Raises:
            ValueError: When the inputs do not fit.
        """
        if inputs is NOT_GIVEN:
            inputs, kwargs = first_by_name(self, kwargs)
        if "training" in kwargs and "training" not in call_parameters(type(self)):
            del kwargs["training"]
        if UNDER_WAY and TRACING.trace is not None:
            return record_call(self, *TRACING.trace.symbolic((inputs, args, kwargs)))
        if is_symbolic(inputs, args, kwargs):
            return record_call(self, inputs, args, kwargs)
        inputs = self.standardized_input(inputs)
        x = inputs if self.takes_raw else map_structure(as_float32, inputs)
        shape, *others = shapes = call_shapes(self, x, args, kwargs)
        self.check_input_shape(shape)
        if not self.built:
            self.build(*shapes)
        if others:
            kwargs = with_argument_masks(self, inputs, args, kwargs, carried_mask)
        return as_tensors(*call_adding(self, x, args, kwargs, map_structure(carried_mask, inputs)))

    def standardized_input(self, inputs: Any) -> Any:
        """Return the array in what the layer was called with, or the structure of arrays.

        Raises:
            ValueError: With Keras' text, when there is something else.
        """
        return input_arrays(inputs, self.name, self.takes_structures)

    @property
    def takes_structures(self) -> bool:
        """Whether the layer may be called on several inputs: the engine's layers and those with a spec take one."""
        return self.input_spec is None and type(self).lower is Layer.lower

    def check_input_shape(self, shape: Any) -> None:
        """Raise Keras' ValueError if the layer cannot take inputs of `shape` (batch included)."""
        if self.input_spec is not None:
            self.input_spec.check(shape, self.name)

    if TYPE_CHECKING:
        # Which arguments there are is for subclasses to say.
        def call(self, *args: Any, **kwargs: Any) -> Any: ...
        def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any: ...
    else:

        def call(self, inputs: np.ndarray) -> Any:
            """Return the outputs for float32 inputs, as new arrays."""
            return self.chain.run(inputs)

        def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
            """Return the shape of the output, or a tuple of shapes, for a shape with the batch (None where unknown)."""
            raise NotImplementedError(
                f"Layer {type(self).__name__} does not have a `compute_output_shape` method implemented. "
                "Should implement `def compute_output_shape(self, input_shape)`."
            )

    @property
    def chain(self) -> Chain:
        """This layer alone, ready for the engine.

        Raises:
            NotImplementedError: When the engine has no ops for it.
        """
        chain = self._chain
        if chain is None:
            if not self.lowers:
                raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")
            self._chain = chain = Chain([self])
        return chain

    @property
    def native(self) -> bool:
        """Whether the engine runs the layer: it has ops for it, and no subclass has a `call` of its own."""
        return self.lowers and not self._runs_own_call

    @property
    def lowers(self) -> bool:
        """Whether the engine has ops for the layer, which is built, with the arguments that it has."""
        return type(self).lower is not Layer.lower

    def lower(self) -> list[ops.Op]:
        """Return the layer, which `lowers`, as ops of the engine; none leave its inputs as they are."""
        raise NotImplementedError(f"Layer {type(self).__name__} has no ops.")

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        """Add the ops of a call to a graph; a class with a method of its own takes several values, or uses their masks.

        Args:
            graph: The graph.
            args, kwargs: The arguments of the call, with a `GraphValue` in place of every tensor.

        Returns:
            What the call gives; None if the engine has no ops for it, and the graph may have some too many then.
        """
        x = one_value(args, kwargs, 2, 3, 4, 5)
        if x is not None and x.rank > 3:
            number = rows_of_planes(graph, self.lower(), x)
            return None if number is None else [number]
        return None if x is None else [graph.add_row(self.lower(), x.number, mask=x.mask if self.reads_masks else None)]

    def lower_mask(self, graph: Graph, inputs: int, outputs: int) -> int | None:
        """Return the number of the op that makes the mask of the layer, which `makes_masks`; None if none can.

        Args:
            graph: The graph, to which it may be added.
            inputs, outputs: The numbers of the values that `lower_call` read and gave.
        """
        return None

    @property
    def joins(self) -> bool:
        """Whether the engine may run calls of the layer, as `lower_call` says: no subclass has a `call` of its own."""
        own = type(self).lower_call is not Layer.lower_call
        return not overrides(type(self), _ENGINES, over="lower_call") if own else self.native

    def integer_weights(self) -> dict[Variable, str]:
        """Return the weights of the layer, which is built, that can be integers, each with the layout in which its op
        takes them; none of them is read."""
        return {}

    def lower_inside(self) -> list[list[ops.Op]]:
        """Return what the layer, which runs in NumPy, has the engine run for it: the ops of each Program."""
        return []

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        """Return why the layer, which is built, cannot run one time step after the other; None if it can.

        It can if its output at a step depends on no later one.

        Args:
            shape: Of its input in a call of the whole sequence.
            in_time: Whether axis 1 is time; not so after a recurrent layer without `return_sequences`.
        """
        return None if self.native else LATER_STEPS

    # Training

    @property
    def native_in_training(self) -> bool:
        """Whether the engine runs the layer in training too, where it does nothing else than at inference."""
        if not self.native or "training" in call_parameters(type(self)):
            return False
        return all(isinstance(op, ops.TrainableOp) for op in self.lower())

    @property
    def training_chain(self) -> TrainingChain:
        """This layer alone, ready for the engine to train."""
        from fastlstm.layers.base.gradient import TrainingChain

        if self._training_chain is None:
            self._training_chain = TrainingChain([self])
        return self._training_chain

    @property
    def says_output_shape(self) -> bool:
        """Whether the layer knows the shape of its output from that of its input."""
        return type(self).compute_output_shape is not Layer.compute_output_shape

    def output_shapes(self, shapes: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
        """Return the shape of the output, or several, of a call.

        Args:
            shapes: Those that `compute_output_shape` takes.
            arguments: Those of the call, by name.
        """
        return self.compute_output_shape(*shapes)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the outputs."""
        return previous_mask

    @property
    def passes_masks(self) -> bool:
        """Whether the outputs' mask is always that of the inputs."""
        return self.supports_masking and type(self).compute_mask is Layer.compute_mask

    # Configs

    @property
    def dtype(self) -> str:
        """Dtype of the weights, `"float32"`."""
        return self.dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def output_dtype(self) -> str:
        """Dtype of the outputs, in graphs."""
        return "float32"

    @property
    def compute_dtype(self) -> str:
        """Dtype of the results, `"float32"`."""
        return self.dtype_policy.compute_dtype

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which `from_config` makes an equal layer, without its weights."""
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policy.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        says = type(self).get_config is not Layer.get_config
        return config if says or not is_own(type(self).__init__) else own_config(self, config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Return a new layer from `get_config()`.

        Args:
            config: The arguments of the class by name.
        """
        return cls(**config)

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        # A copy of a layer is not a copy of the graph around it.
        return {**self.__dict__, "_chain": None, "_training_chain": None, "_traced": None, "_nodes": [], "_watches": ()}
