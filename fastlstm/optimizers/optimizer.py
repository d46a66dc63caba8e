"""The base class of all optimizers: what is done to gradients, the state, the learning rate.

The state of one kind for all variables (all momentums, say) is one array, of which the variables' own are views. A
subclass says which kinds it has, and does one step on flat arrays of any length; the arrays go through it in blocks
that stay in the cache. All operations are exactly rounded, and sums have a fixed order: the same bits on every
instruction set.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.arguments import check_config, check_name, check_numbers
from fastlstm.backend import Variable, auto_name
from fastlstm.older_modules import Gone
from fastlstm.optimizers import schedules
from fastlstm.optimizers.averaged import Averaged
from fastlstm.optimizers.clipping import clip
from fastlstm.optimizers.given import as_gradient, as_rate, with_gradients
from fastlstm.optimizers.state import BLOCK, array_of, assign, is_ours, name_of
from fastlstm.printable import quoted


class Optimizer(Averaged):
    """Base class of all optimizers.

    Args:
        learning_rate: Float, a `LearningRateSchedule`, or a callable without arguments that returns it.
        weight_decay: Float, by how much of itself a variable shrinks at each step, times the learning rate; or None.
        clipnorm: Float, the largest norm of the gradient of a variable, or None.
        clipvalue: Float, the largest size of a number in a gradient, or None.
        global_clipnorm: Float, the largest norm of all gradients together, or None.
        use_ema: Boolean, whether to keep a moving average of the variables.
        ema_momentum: Float from 0 to 1, the part of the average that stays at each step.
        ema_overwrite_frequency: Integer, after how many steps the variables are set to their average, each time; None
            for only at the end of training.
        loss_scale_factor: Float by which the loss was multiplied, and gradients are divided; or None.
        gradient_accumulation_steps: Integer of at least 2, of how many steps the gradients are averaged before one
            changes the variables; or None.
        name: String; None makes one.

    Raises:
        ValueError: When an argument is not valid.

    Differs from Keras: an optimizer of one's own defines `slot_names` and `step` in place of `build` and
    `update_step`.
    """

    # Whether a step treats all numbers alike, whatever variable they are of.
    elementwise = True
    lr: Gone = Gone("it is called `learning_rate`")

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=3)
        if kwargs:
            hint = ". `lr` is called `learning_rate` since Keras 3." if "lr" in kwargs else ""
            raise ValueError(f"Argument(s) not recognized: {kwargs}{hint}")
        self.name: str = name or auto_name(type(self).__name__)
        check_name(self.name)
        check_numbers(
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            ema_momentum=ema_momentum,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._check_arguments()
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Any] = []
        self._undecayed: tuple[Sequence[Any], Sequence[str]] = (), ()
        self._iterations = self.add_state("iteration", np.zeros((), np.int64))
        self._learning_rate: Any = self._checked_learning_rate(learning_rate)

    def _check_arguments(self) -> None:
        steps = self.gradient_accumulation_steps
        if steps and not steps >= 2:
            raise ValueError(
                f"`gradient_accumulation_steps` must be an integer >= 2. Received: gradient_accumulation_steps={steps}"
            )
        frequency = self.ema_overwrite_frequency
        if self.use_ema and not 0 <= self.ema_momentum <= 1:
            raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={self.ema_momentum}")
        if self.use_ema and frequency and (not isinstance(frequency, int) or frequency < 1):
            raise ValueError(
                "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                f"Received: ema_overwrite_frequency={quoted(frequency)}"
            )
        if sum(value is not None for value in (self.clipnorm, self.clipvalue, self.global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
                f"Received: clipnorm={self.clipnorm}, clipvalue={self.clipvalue}, "
                f"global_clipnorm={self.global_clipnorm}"
            )

    # What a kind of optimizer provides

    def begin_step(self, learning_rate: np.float32) -> None:
        """Work out what is the same for all numbers of a step.

        Args:
            learning_rate: That of the step.
        """

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        """Change some numbers of the variables, and of their state, in place.

        Args:
            value: float32 `(n,)`.
            gradient: float32 `(n,)`, not to be changed.
            slots: The state of these numbers, an array `(n,)` for each of `slot_names`.
            scratch: Three arrays `(n,)` to compute in.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `step`.")

    # The learning rate

    def _checked_learning_rate(self, learning_rate: Any) -> Any:
        if isinstance(learning_rate, schedules.LearningRateSchedule) or callable(learning_rate):
            return learning_rate
        if not isinstance(learning_rate, float):
            raise ValueError(
                "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a callable (that "
                "takes in the current iteration value and returns the corresponding learning rate value). "
                f"Received instead: learning_rate={quoted(learning_rate)}"
            )
        return self.add_state("learning_rate", np.array(learning_rate, np.float32))

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step: a variable, or a number where it follows a schedule."""
        if isinstance(self._learning_rate, schedules.LearningRateSchedule):
            return self._learning_rate(self._iterations)
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if not callable(learning_rate):
            if not isinstance(self._learning_rate, Variable):
                raise TypeError(
                    "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` "
                    "constructor argument, hence its learning rate is not settable. If you need the learning rate to "
                    "be settable, you should instantiate the optimizer with a float `learning_rate` argument."
                )
            self._learning_rate.assign(as_rate(learning_rate))
            return
        self._variables = [variable for variable in self._variables if variable is not self._learning_rate]
        self._learning_rate = learning_rate

    # Steps

    def scale_loss(self, loss: Any) -> Any:
        """Return a loss, or its gradient, times `loss_scale_factor`, by which a step divides gradients."""
        return loss if self.loss_scale_factor is None else loss * np.float32(self.loss_scale_factor)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Variable:
        """Do one step.

        Args:
            grads_and_vars: Pairs of a gradient and its variable.

        Returns:
            The number of steps so far.
        """
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Do one step; the first one makes the state.

        Args:
            grads: Arrays, or None for a variable that is left alone, with a warning.
            trainable_variables: Those of the state: float32 arrays or variables, changed in place where that is
                possible, else by `assign`; None for all of them.

        Raises:
            ValueError: When a variable is unknown, or there is no gradient.
        """
        if len(grads) == 0:
            return
        variables = self.all_variables(len(grads)) if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        places = [self.place_of(variable) for variable in variables]
        kept = with_gradients(grads, variables)
        values = [array_of(variables[i]) for i in kept]
        arrays = [array if is_ours(array) else np.array(array, np.float32, order="C") for array in values]
        gradients = [as_gradient(grads[i], np.shape(variables[i])) for i in kept]
        self._do_step(gradients, arrays, [places[i] for i in kept])
        for i, array, before in zip(kept, arrays, values, strict=True):
            if array is not before:
                assign(variables[i], array)

    def update(self, gradients: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> None:
        """Do one step on arrays in place, as training does it: nothing is checked.

        Args:
            gradients: C-contiguous float32 arrays, as the variables of the state; or one flat array of all numbers.
            values: C-contiguous float32 arrays, to be changed, as the variables of the state; or one flat array.
        """
        flat = (gradients[0], values[0]) if len(self.ranges) > 1 == len(values) else None
        if flat is not None:
            gradients, values = self.cut(flat[0]), self.cut(flat[1])
        self._do_step(gradients, values, range(len(values)), flat)

    def _do_step(
        self,
        gradients: Sequence[np.ndarray],
        values: Sequence[np.ndarray],
        places: Sequence[int],
        flat: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Do one step.

        Args:
            gradients, values: Of some variables.
            places: Theirs among the variables of the state.
            flat: The same as two arrays of all numbers, if they are.
        """
        if self.changes_gradients:
            own = self.cut(self.own_gradients)
            flat = None if flat is None else (self.own_gradients, flat[1])
            gradients = self._prepared_gradients(gradients, [own[place] for place in places], places)
        if not self.accumulates or self._accumulation_ends():
            rate = self.learning_rate
            learning_rate = np.float32(rate.value if isinstance(rate, Variable) else rate)
            self._decay(values, places, learning_rate)
            self.begin_step(learning_rate)
            if flat is not None and self.elementwise:
                self._run(flat[1], flat[0], 0)
            else:
                for value, gradient, place in zip(values, gradients, places, strict=True):
                    self.update_variable(value, gradient, place)
        if self.use_ema:
            self.update_averages(values, places)
        for value, place in zip(values, places, strict=True):
            constraint = self.constraints[place]
            if constraint is not None:
                value[...] = constraint(value)
        self._iterations.value += 1

    def update_variable(self, value: np.ndarray, gradient: np.ndarray, place: int) -> None:
        """Change one variable, and its state, in place.

        Args:
            value: Its float32 array.
            gradient: Of the same shape.
            place: Its place among the variables of the state.
        """
        self._run(value.reshape(-1), gradient.reshape(-1), self.ranges[place][0])

    def _run(self, value: np.ndarray, gradient: np.ndarray, start: int) -> None:
        """Bring flat arrays, whose state begins at `start`, through `step`."""
        for begin in range(0, len(value), BLOCK):
            end = min(begin + BLOCK, len(value))
            self.step(
                value[begin:end],
                gradient[begin:end],
                [slot[start + begin : start + end] for slot in self.slots],
                self.scratch[:, : end - begin],  # type: ignore[arg-type]  # its rows
            )

    # Before and after the update itself

    @property
    def changes_gradients(self) -> bool:
        return bool(
            self.loss_scale_factor is not None
            or self.accumulates
            or self.clipnorm
            or self.clipvalue
            or self.global_clipnorm
        )

    def _prepared_gradients(
        self, gradients: Sequence[np.ndarray], own: Sequence[np.ndarray], places: Sequence[int]
    ) -> Sequence[np.ndarray]:
        """Return gradients unscaled, averaged and clipped, in arrays of the optimizer's own."""
        for gradient, kept in zip(gradients, own, strict=True):
            if self.loss_scale_factor is None:
                kept[...] = gradient
            else:
                np.divide(gradient, np.float32(self.loss_scale_factor), out=kept)
        if self.accumulates:
            sums = self.cut(cast(np.ndarray, self.accumulated))
            for kept, place in zip(own, places, strict=True):
                sums[place] += kept
            if not self._accumulation_ends():
                return own
            for kept, place in zip(own, places, strict=True):
                np.divide(sums[place], np.float32(self.gradient_accumulation_steps), out=kept)
            cast(np.ndarray, self.accumulated)[...] = 0
        clip(own, self.clipnorm, self.clipvalue, self.global_clipnorm)
        return own

    def _accumulation_ends(self) -> bool:
        return (int(self._iterations.value) + 1) % cast(int, self.gradient_accumulation_steps) == 0

    def _decay(self, values: Sequence[np.ndarray], places: Sequence[int], learning_rate: np.float32) -> None:
        if self.weight_decay is None:
            return
        for value, place in zip(values, places, strict=True):
            if self.decays[place]:
                value -= value * np.float32(self.weight_decay) * learning_rate

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave some variables out of weight decay.

        Args:
            var_list: Variables.
            var_names: Regular expressions that are searched for in the names of variables.

        Raises:
            ValueError: When the state is made already.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` can only be configured before the optimizer is built.")
        self._undecayed = tuple(var_list or ()), tuple(var_names or ())

    def is_decayed(self, variable: Any) -> bool:
        variables, patterns = self._undecayed
        return not (
            any(variable is excluded for excluded in variables)
            or any(re.search(pattern, name_of(variable)) for pattern in patterns)
        )

    # Configs

    def get_config(self) -> dict[str, Any]:
        learning_rate = self._learning_rate
        is_number = isinstance(learning_rate, Variable)
        learning_rate = float(learning_rate) if is_number else schedules.serialize(learning_rate)
        return {
            "name": self.name,
            "learning_rate": learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Optimizer:
        """Return the optimizer of a config.

        Args:
            config: As `get_config` returns it.
            custom_objects: Schedules of one's own by name, or None.
        """
        check_config(config)
        learning_rate = config.get("learning_rate")
        if isinstance(learning_rate, dict):
            config = {**config, "learning_rate": schedules.deserialize(learning_rate, custom_objects)}
        return cls(**config)
