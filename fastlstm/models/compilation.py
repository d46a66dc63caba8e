"""The arguments of `compile`: checked by name, kept for saving and for training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastlstm.identifiers import serialize_object, snake_case

_OPTIMIZERS = """
Adadelta Adafactor Adagrad Adam Adamax AdamW Ftrl Lion LossScaleOptimizer Muon Nadam RMSprop ScheduleFreeAdamW SGD
"""
_LOSSES = """
bce binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
categorical_hinge circle cosine_similarity ctc dice hinge huber kl_divergence kld log_cosh mae mape mean_absolute_error
mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse msle poisson
sparse_categorical_crossentropy squared_hinge tversky
"""
_ABBREVIATED_LOSSES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
_METRICS = """
acc accuracy auc bce binary_accuracy binary_crossentropy binary_io_u categorical_accuracy categorical_crossentropy
categorical_hinge ce concordance_correlation cosine_similarity crossentropy f1_score f_beta_score false_negatives
false_positives hinge io_u kl_divergence log_cosh_error mae mape mean mean_absolute_error
mean_absolute_percentage_error mean_io_u mean_squared_error mean_squared_logarithmic_error mse msle one_hot_io_u
one_hot_mean_io_u pearson_correlation poisson precision precision_at_recall r2_score recall recall_at_precision
root_mean_squared_error sensitivity_at_specificity sparse_categorical_accuracy sparse_categorical_crossentropy
sparse_top_k_categorical_accuracy specificity_at_sensitivity squared_hinge sum top_k_categorical_accuracy
true_negatives true_positives
"""


class CompileArguments:
    """What `compile` was given.

    Args:
        **arguments: Those of `Model.compile`, all of them.

    Raises:
        ValueError: When an optimizer, a loss or a metric is none of Keras'.

    Differs from Keras: losses and metrics are checked here too, not only when training starts.
    """

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        _check_name("optimizer", arguments["optimizer"], _OPTIMIZERS)
        for loss in _leaves(arguments["loss"]):
            _check_name("loss", loss, _LOSSES)
        for name in ("metrics", "weighted_metrics"):
            metrics = arguments[name]
            if metrics is not None and not isinstance(metrics, (list, tuple, Mapping)):
                raise ValueError(
                    f"Expected `{name}` argument to be a list, tuple, or dict. "
                    f"Received instead: {name}={metrics} of type {type(metrics)}"
                )
            for metric in _leaves(metrics):
                _check_name("metric", metric, _METRICS)

    def config(self) -> dict[str, Any] | None:
        """Return the arguments as plain JSON data that Keras reads back.

        None if one of them is code, or there is no optimizer: Keras opens no file that says so.
        """
        if self.arguments["optimizer"] is None:
            return None
        kept = {name: value for name, value in self.arguments.items() if name != "auto_scale_loss"}
        kept["jit_compile"] = kept["jit_compile"] is True
        kept["optimizer"] = _written_optimizer(kept["optimizer"])
        kept["loss"] = _written_loss(kept["loss"])
        try:
            return json.loads(json.dumps(kept, default=_described))
        except TypeError:
            return None


def kept_compile_config(config: dict[str, Any] | None, keras3: bool) -> dict[str, Any] | None:
    """Return the `compile` arguments in a file as Keras 3 would write them, None if it would not read them.

    Args:
        config: As they are in the file, or None.
        keras3: Whether Keras 3 wrote the file: the arguments of older ones have other names.
    """
    optimizer = (config or {}).get("optimizer")
    if not keras3 or not isinstance(optimizer, dict) or optimizer.get("class_name") not in _OPTIMIZERS.split():
        return None
    # A legacy file leaves the module out.
    optimizer = {"module": "keras.optimizers", "registered_name": None, **optimizer}
    return {**config, "optimizer": optimizer, "loss": _written_loss(config.get("loss"))}


def _written_optimizer(optimizer: Any) -> Any:
    """A name as the dict of its class: Keras reads no bare name from a legacy file."""
    if not isinstance(optimizer, str):
        return optimizer
    class_names = {class_name.lower(): class_name for class_name in _OPTIMIZERS.split()}
    class_name = class_names[optimizer.lower()]
    return {"module": "keras.optimizers", "class_name": class_name, "config": {}, "registered_name": None}


def _written_loss(loss: Any) -> Any:
    """Abbreviations in full: Keras writes them to a legacy file, but does not read them there."""
    if isinstance(loss, str):
        return _ABBREVIATED_LOSSES.get(loss.lower(), loss)
    if isinstance(loss, (list, tuple)):
        return [_written_loss(item) for item in loss]
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return {output: _written_loss(item) for output, item in loss.items()}
    return loss


def _described(value: Any) -> Any:
    """The Keras 3 dict of an optimizer, loss or metric object."""
    if not hasattr(value, "get_config"):
        raise TypeError(f"{value!r} cannot be written to a config.")
    return serialize_object(value)


def _leaves(nested: Any) -> Iterator[Any]:
    if isinstance(nested, (list, tuple)):
        for item in nested:
            yield from _leaves(item)
    elif isinstance(nested, Mapping) and "class_name" not in nested:
        for item in nested.values():
            yield from _leaves(item)
    else:
        yield nested


def _check_name(noun: str, identifier: Any, names: str) -> None:
    """Accept None, known names, serialized dicts, and objects or functions of whoever trains."""
    if isinstance(identifier, str):
        known = not {identifier.lower(), snake_case(identifier)}.isdisjoint(names.lower().split())
    else:
        known = identifier is None or isinstance(identifier, Mapping) or hasattr(identifier, "get_config")
        known = known or (noun != "optimizer" and callable(identifier))
    if not known:
        raise ValueError(f"Could not interpret {noun} identifier: {identifier}")
