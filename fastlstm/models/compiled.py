"""A compiled model: one step of training or of evaluation, and the metrics of the steps so far."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm import losses, metrics, optimizers
from fastlstm.engine import activate
from fastlstm.engine.ops import Activation
from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.arrays import as_tensors, carried_mask
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.base.variable import CHANGES, Variable, Watch
from fastlstm.models.compile_loss import CompileLoss, OutputLoss
from fastlstm.models.compile_metrics import CompileMetrics
from fastlstm.models.own_losses import trace_losses
from fastlstm.models.plan import Plan
from fastlstm.models.training_plan import TracedPlan, TrainingPlan
from fastlstm.object_registration import get_registered_object
from fastlstm.regularizers import penalty_gradient

if TYPE_CHECKING:
    from fastlstm.models.predictor import Predictor

trace_losses()


class Compiled:
    """What `compile` made of its arguments.

    Args:
        model: The model.
        arguments: Those of `compile`, by name.

    Raises:
        ValueError: When one is not valid.
    """

    def __init__(self, model: Predictor, arguments: dict[str, Any]) -> None:
        self.model = model
        self._arguments = arguments
        self.optimizer: Any = optimizers.get(arguments["optimizer"])
        self.loss_tracker: metrics.Mean = metrics.Mean(name="loss")
        self._loss: CompileLoss | None = None
        self._metrics: CompileMetrics | None = None
        names = self._names = getattr(model, "output_names", None)
        if arguments["loss"] is not None:
            self._loss = CompileLoss(arguments["loss"], arguments["loss_weights"], names)
        if arguments["metrics"] is not None or arguments["weighted_metrics"] is not None:
            self._metrics = CompileMetrics(arguments["metrics"], arguments["weighted_metrics"], names)
        # Of the outputs, once there was a batch.
        self._structure: Any = None
        self._variables: list[Variable] | None = None
        self._forget_plans()

    def _forget_plans(self) -> None:
        self._watch = Watch()
        self._seen = self._testing_seen = -1
        self._traceable = True  # the model's `call`, as far as is known
        self._training: _Forward | None = None
        self._testing: _Forward | None = None
        self._regularizes = True  # weights, as far as is known

    @property
    def variables(self) -> list[Variable]:
        """What is trained: the weights that are trainable when it is first asked for."""
        if self._variables is None:
            self._variables = list(self.model.trainable_weights)
        return self._variables

    def restore_optimizer(self, state: Sequence[np.ndarray]) -> None:
        """Give the optimizer the state that a file has of it.

        Args:
            state: Its arrays, in its own order. What does not fit is left out, with a warning.
        """
        if len(state) > len(self.optimizer.variables):
            self.optimizer.build(self.variables)
        # Else it was written before the first step.
        self.optimizer.load_own_variables({str(number): array for number, array in enumerate(state)})

    # Metrics

    @property
    def metrics(self) -> list[Any]:
        """The mean loss, the compiled metrics as one, and the mean of each loss where there are several."""
        found: list[Any] = [self.loss_tracker]
        if self._metrics is not None:
            found.append(self._metrics)
        return found + ([] if self._loss is None else self._loss.metrics)

    def reset_metrics(self) -> None:
        """Forget all steps."""
        for metric in self.metrics:
            metric.reset_state()

    def results(self) -> dict[str, float]:
        """Return all metrics by name."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            results |= result if isinstance(result, dict) else {metric.name: result}
        return {name: _as_number(result) for name, result in results.items()}

    # Steps

    def train_step(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Change the weights by a batch, and count it.

        Args:
            x: What `Model.prepared` made of the inputs.
            y, sample_weight: Targets and weights; see `CompileLoss`.

        Raises:
            ValueError: When something does not fit.
            NotImplementedError: When training cannot go through a layer, or a loss, a regularizer or the optimizer
                cannot be trained with.
        """
        added: list[np.float32] = []
        if self.model.expands:
            forward = self._training_forward(y)
            with ADDING.into(added):
                recorded = cast("TrainingPlan", forward.plan).run(x if isinstance(x, tuple) else (x,))
        else:
            forward = self._traced_forward(x, y)
            with ADDING.into(added):
                recorded = cast("TracedPlan", forward.plan).run(x)
        d_outputs: list[np.ndarray | None] = [None] * len(recorded.outputs)
        values = []
        for item, value, gradient in self._values(forward, y, recorded.outputs, recorded.masks, sample_weight):
            values.append((item, value))
            d_outputs[item.number] = gradient if item.weight is None else gradient * np.float32(item.weight)
        self._count_loss(values, [*recorded.penalties, *added], len(recorded.outputs[0]))
        outputs = forward.activated(recorded.outputs)
        gradients = recorded.gradients(d_outputs, self.variables)
        for place, variable in enumerate(self.variables):
            if variable.regularizer is not None:
                slope = penalty_gradient(variable.regularizer, variable.value)
                gradients[place] = slope if gradients[place] is None else gradients[place] + slope
        # A step of the optimizer divides by as much.
        gradients = [None if gradient is None else self.optimizer.scale_loss(gradient) for gradient in gradients]
        with cast("TrainingPlan | TracedPlan", forward.plan).learning():
            self._apply(gradients)
        # What this step changed itself needs no new plan.
        self._seen = self._watch.count
        self._count_metrics(y, outputs, recorded.masks, sample_weight)

    def _apply(self, gradients: Sequence[np.ndarray | None]) -> None:
        """Let the optimizer do one step, which gives all variables new arrays."""
        optimizer, variables = self.optimizer, self.variables
        if not variables:
            warnings.warn("The model does not have any trainable weights.", stacklevel=5)
            return
        optimizer.build(variables)
        if len(variables) == 1 or any(gradient is None for gradient in gradients):
            optimizer.apply(gradients, variables)
            return
        values = np.concatenate([variable.value.reshape(-1) for variable in variables])
        optimizer.update(
            [np.concatenate([gradient.reshape(-1) for gradient in gradients if gradient is not None])], [values]
        )
        values.flags.writeable = False
        with CHANGES.making(*variables):
            for variable, array in zip(variables, optimizer.cut(values), strict=True):
                variable.adopt(array)

    def test_step(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Count a batch; as `train_step`."""
        added: list[np.float32] = []
        with ADDING.into(added):
            forward, outputs, masks = self._tested(x, y)
        values = [
            (item, value) for item, value, _ in self._values(forward, y, outputs, masks, sample_weight, gradients=False)
        ]
        self._count_loss(values, added, len(outputs[0]))
        outputs = outputs if forward is None else forward.activated(outputs)
        self._count_metrics(y, outputs, masks, sample_weight)

    def _training_forward(self, y: Any) -> _Forward:
        """How a batch is run in training; made anew after changes by others."""
        model = self.model
        if self._training is None or self._seen != self._watch.count:
            with CHANGES.lock:
                model.watch(self._watch)
                self._seen = self._watch.count
                plan = TrainingPlan(model.calls())
            self._build(y, model.structured(_one_or_all(model.outputs)))
            self._training = self._forward(plan)
        return self._training

    def _traced_forward(self, x: Any, y: Any) -> _Forward:
        """As `_training_forward`, of a model that has a `call` of its own."""
        if self._training is None or self._seen != self._watch.count:
            self.model.ready_to_trace(x)
            with CHANGES.lock:
                plan = TracedPlan(self.model, x)
                self.model.is_built_by(x)
                # Of what the trace has built, too.
                self.model.watch(self._watch)
                self._seen = self._watch.count
            self._build(y, plan.outputs)
            self._training = self._forward(plan)
        return self._training

    def _forward(self, plan: TrainingPlan | TracedPlan) -> _Forward:
        self._regularizes = any(weight.regularizer is not None for weight in self.model.weights)
        return _Forward(plan, self._losses)

    def _tested(self, x: Any, y: Any) -> tuple[_Forward | None, list[np.ndarray], list[Any]]:
        """How a batch was run, if by a plan; its outputs, as logits where losses take these, and their masks."""
        model = self.model
        if not model.expands:
            return self._tested_call(x, y)
        plan = model.current_plan.penalizing
        self._build(y, model.structured(_one_or_all(model.outputs)))
        if self._testing is None or self._testing.of is not plan:
            self._testing = _Forward(plan, self._losses)
        made, masks = cast("Plan", self._testing.plan).run_with_masks(x)
        outputs = list(made) if isinstance(made, tuple) else [made]
        return self._testing, outputs, masks or [None] * len(outputs)

    def _tested_call(self, x: Any, y: Any) -> tuple[_Forward | None, list[np.ndarray], list[Any]]:
        """As `_tested`, of a model that has a `call` of its own: that is run as it is, unless a loss takes logits."""
        forward = self._testing_forward(x, y)
        if forward is not None:
            recorded = cast("TracedPlan", forward.plan).run(x)
            for penalty in recorded.penalties:
                self.model.keep_loss(penalty)
            return forward, recorded.outputs, recorded.masks
        y_pred = self.model(x, training=False)
        self._build(y, y_pred)
        outputs = flatten(y_pred)
        return None, outputs, [carried_mask(output) for output in outputs]

    def _testing_forward(self, x: Any, y: Any) -> _Forward | None:
        """How a batch is tested if a loss takes logits; None if none does, or the `call` cannot be traced."""
        taken = self._structure is None or any(item.loss.takes_logits for item in self._losses)
        if not (self._traceable and taken):
            return None
        if self._testing is None or self._testing_seen != self._watch.count:
            self.model.ready_to_trace(x)
            with CHANGES.lock:
                try:
                    plan = TracedPlan(self.model, x, training=False)
                except NotImplementedError:
                    self._traceable = False
                    return None
                self.model.is_built_by(x)
                self.model.watch(self._watch)
                self._testing_seen = self._watch.count
            self._build(y, plan.outputs)
            self._testing = _Forward(plan, self._losses)
        return self._testing if self._testing.of_logits else None

    def _build(self, y: Any, y_pred: Any) -> None:
        """Make losses and metrics for the first batch.

        Args:
            y: Its targets.
            y_pred: Its outputs, or KerasTensors of their shapes, in their structure.
        """
        if self._structure is not None:
            return
        if self._loss is not None:
            self._loss.build(y, y_pred)
        if self._metrics is not None:
            self._metrics.build(self._targets(y, y_pred), y_pred)
        self._structure = map_structure(lambda leaf: None, y_pred)

    @property
    def _losses(self) -> list[OutputLoss]:
        return [] if self._loss is None else self._loss.losses or []

    def _targets(self, y: Any, y_pred: Any) -> list[Any]:
        loss = CompileLoss(None, None, self._names) if self._loss is None else self._loss
        return loss.targets(y, y_pred)

    def _values(
        self,
        forward: _Forward | None,
        y: Any,
        outputs: Sequence[np.ndarray],
        masks: Sequence[Any],
        sample_weight: Any,
        gradients: bool = True,
    ) -> Iterator[tuple[OutputLoss, np.float32, Any]]:
        """Each loss with its value and, if they are asked for, its gradient by the output."""
        if self._loss is None:
            return
        targets, weights = self._targets(y, self._structure), self._loss.sample_weights(sample_weight, len(outputs))
        if any(len(targets) <= item.number for item in self._losses):
            raise ValueError(f"`y` has {len(targets)} targets, but the model has {len(outputs)} outputs.")
        for item in self._losses:
            number = item.number
            loss = item.loss if forward is None else forward.of_logits.get(number, item.loss)
            given = targets[number], outputs[number], weights[number]
            if gradients:
                yield item, *loss.value_and_gradient(*given, masks[number])
            else:
                y_true, y_pred, weight = given
                yield item, np.sum(loss(y_true, as_tensors(y_pred, [masks[number]]), weight), dtype=np.float32), None

    def _count_loss(
        self, values: Sequence[tuple[OutputLoss, np.float32]], penalties: Sequence[np.float32], rows: int
    ) -> None:
        penalties = [*penalties, *self.model.weight_penalties] if self._regularizes else list(penalties)
        if self._loss is None and not penalties:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        total = np.float32(0) if self._loss is None else self._loss.total(values, rows)
        for penalty in penalties:
            total += np.float32(penalty)
        self.loss_tracker.update_state(total, sample_weight=rows)

    def _count_metrics(self, y: Any, outputs: Sequence[np.ndarray], masks: Sequence[Any], sample_weight: Any) -> None:
        if self._metrics is None:
            return
        weights = CompileLoss(None, None, self._names).sample_weights(sample_weight, len(outputs))
        tensors = [as_tensors(output, [mask]) for output, mask in zip(outputs, masks, strict=True)]
        self._metrics.update_state(self._targets(y, self._structure), tensors, weights)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_watch": None, "_training": None, "_testing": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_plans()


class _Forward:
    """A plan, whose outputs are logits where losses take these.

    Args:
        plan: The plan.
        of_outputs: The losses.
    """

    def __init__(self, plan: Plan | TrainingPlan | TracedPlan, of_outputs: Sequence[OutputLoss]) -> None:
        self.of = plan
        self.of_logits: dict[int, losses.Loss] = {}
        self._activations: dict[int, Activation] = {}
        for item in of_outputs:
            activation = plan.last_activation(item.number)
            loss = None if activation is None else item.loss.on_logits(activation.name)
            if activation is not None and loss is not None:
                self.of_logits[item.number] = loss
                self._activations[item.number] = activation
        self.plan = plan.giving_logits(list(self.of_logits)) if self.of_logits else plan

    def activated(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs with the last activation of those that are logits."""
        return [
            activate(output, self._activations[number]) if number in self._activations else output
            for number, output in enumerate(outputs)
        ]


def deserialized(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compile` as they are in a file, with objects in place of their dicts.

    Raises:
        ValueError: When one names nothing known, or an argument of it is not valid.
    """
    arguments = dict(config)
    try:
        arguments["optimizer"] = optimizers.get(config.get("optimizer"))
        arguments["loss"] = _deserialized(config.get("loss"), losses.get)
        for name in ("metrics", "weighted_metrics"):
            arguments[name] = _deserialized(config.get(name), _metric)
    except (ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"The file's arguments of `compile` make no sense: {error!r}") from error
    return arguments


def _deserialized(nested: Any, get: Callable[[Any], Any]) -> Any:
    """The structure with what `get` makes of its dicts; names stay: `"accuracy"` is chosen by the data."""
    if isinstance(nested, (list, tuple)):
        return [_deserialized(item, get) for item in nested]
    if isinstance(nested, Mapping):
        if "class_name" in nested:
            return get(dict(nested))
        return {key: _deserialized(value, get) for key, value in nested.items()}
    own = get_registered_object(nested) if isinstance(nested, str) else None
    return nested if own is None else own


def _metric(config: dict[str, Any]) -> Any:
    is_function = config["class_name"] == "function" and config["config"] in metrics.FUNCTIONS.objects
    return (metrics.FUNCTIONS if is_function else metrics).get(config)


def _one_or_all(outputs: Sequence[Any]) -> Any:
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _as_number(result: Any) -> Any:
    array = np.asarray(result)
    return float(array) if array.ndim == 0 else array
