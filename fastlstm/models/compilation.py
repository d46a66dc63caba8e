"""The arguments of `compile`: checked by name, kept for saving and for training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.identifiers import is_of_keras, serialize_object, snake_case
from fastlstm.object_registration import get_registered_object, open_scopes
from fastlstm.printable import quoted, shown
from fastlstm.records import Record

_OPTIMIZERS = """
Adadelta Adafactor Adagrad Adam Adamax AdamW Ftrl Lamb Lion Nadam RMSprop SGD
"""
_SCHEDULES = """
CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay PolynomialDecay
"""
_LOSSES = """
bce binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
categorical_generalized_cross_entropy categorical_hinge ce cosine_similarity crossentropy ctc dice hinge huber
kl_divergence kld log_cosh mae mape mean_absolute_error mean_absolute_percentage_error mean_squared_error
mean_squared_logarithmic_error mse msle poisson sparse_categorical_crossentropy squared_hinge tversky
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
                    f"Received instead: {name}={quoted(metrics)} of type {type(metrics)}"
                )
            for metric in _leaves(metrics):
                _check_name("metric", metric, _METRICS)

    def config(self) -> dict[str, Any] | None:
        """Return the arguments as plain JSON data that Keras reads back.

        None if there is no optimizer, as Keras opens no file that says so; or, with a warning, if one of them has no
        name under which it could be found again.
        """
        if self.arguments["optimizer"] is None:
            return None
        kept = {name: value for name, value in self.arguments.items() if name != "auto_scale_loss"}
        kept["jit_compile"] = kept["jit_compile"] is True
        kept["optimizer"] = _written_optimizer(kept["optimizer"])
        kept["loss"] = _written_loss(kept["loss"])
        try:
            return json.loads(json.dumps(kept, default=_described))
        except TypeError as error:
            warnings.warn(f"The arguments of `compile` are left out: {error}", stacklevel=3)
            return None


class FileArguments(Record):
    """What a file has of `compile`, kept until the model is trained or evaluated.

    Args:
        config: The arguments as Keras 3 writes them; all names in it are known.
        custom_objects: The caller's own classes and functions, by those names.
        optimizer_state: The arrays of the optimizer in its own order; None for none.
    """

    config: dict[str, Any]
    custom_objects: Mapping[str, Any]
    optimizer_state: Sequence[np.ndarray] | None = None


def arguments_of_file(
    config: Any, keras3: bool, custom_objects: Mapping[str, Any] | None = None
) -> FileArguments | None:
    """Return the `compile` arguments in a file as Keras 3 would write them.

    Args:
        config: As they are in the file, or None.
        keras3: Whether Keras 3 wrote the file: the arguments of older ones have other names.
        custom_objects: The caller's own classes and functions by name.

    Returns:
        None if Keras would not read them; with a warning if they name what is not known.
    """
    optimizer = config.get("optimizer") if isinstance(config, dict) else None
    if not keras3 or not isinstance(optimizer, dict) or not isinstance(optimizer.get("class_name"), str):
        return None
    known = dict(custom_objects or {})
    for scope in open_scopes():
        known |= scope
    own: dict[str, Any] = {}
    unknown = [
        f"{noun} {shown(name)}"
        for noun, item, names in _named_in(config)
        if (name := _unknown_name(item, names, known, own)) is not None
    ]
    if unknown:
        warnings.warn(
            f"The model is loaded, but not compiled: there is no {', no '.join(dict.fromkeys(unknown))} here. Give it "
            "as one of `custom_objects`, or call `compile`; with `compile=False` this warning is not given.",
            stacklevel=3,
        )
        return None
    # A legacy file leaves the modules out.
    rooms = {"loss": "losses", "metrics": "metrics", "weighted_metrics": "metrics"}
    config = {**config, **{key: _with_modules(config[key], room, own) for key, room in rooms.items() if key in config}}
    if not is_of_keras(optimizer, optimizer["class_name"]):
        return FileArguments({**config, "loss": _written_loss(config.get("loss"))}, own)
    optimizer = {"module": "keras.optimizers", "registered_name": None, **optimizer}
    return FileArguments({**config, "optimizer": optimizer, "loss": _written_loss(config.get("loss"))}, own)


def _with_modules(item: Any, room: str, own: Mapping[str, Any]) -> Any:
    """Losses or metrics with the module in which Keras looks for those of its own that are objects."""
    if isinstance(item, list):
        return [_with_modules(each, room, own) for each in item]
    if not isinstance(item, dict):
        return item
    name = item.get("class_name")
    if not isinstance(name, str) or "config" not in item:
        return {key: _with_modules(each, room, own) for key, each in item.items()}
    if "module" in item or ">" in name or name in own:
        return item
    return {"module": f"keras.{room}", "registered_name": None, **item}


def _named_in(config: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """What a config names: as what, itself, and the names that are known."""
    optimizer = config["optimizer"]
    yield "optimizer", optimizer, _OPTIMIZERS
    arguments = optimizer.get("config")
    schedule = arguments.get("learning_rate") if isinstance(arguments, dict) else None
    if isinstance(schedule, dict):
        yield "learning rate schedule", schedule, _SCHEDULES
    for loss in _leaves(config.get("loss")):
        yield "loss", loss, _LOSSES
    for argument in ("metrics", "weighted_metrics"):
        for metric in _leaves(config.get(argument)):
            yield "metric", metric, _METRICS


def _unknown_name(item: Any, names: str, known: Mapping[str, Any], own: dict[str, Any]) -> Any:
    """Return the name in an item of a config if it is not known, else None; put the caller's own object into `own`."""
    if item is None:
        return None
    registered, name = None, item
    if isinstance(item, Mapping):
        name, registered = item.get("class_name"), item.get("registered_name")
        name = item.get("config") if name == "function" else name
    if not isinstance(name, str):
        return item
    for candidate in (name, registered):
        if isinstance(candidate, str) and (found := get_registered_object(candidate, known)) is not None:
            own[candidate] = found
            return None
    return None if is_of_keras(item, name) and _is_known(name, names) else name


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
    """The Keras 3 dict of an optimizer, a loss or a metric: an object or a function."""
    if hasattr(value, "get_config"):
        return serialize_object(value)
    name = getattr(value, "__name__", None)
    if not callable(value) or name is None or name == "<lambda>":
        raise TypeError(f"{value!r} has no name under which a file could keep it.")
    if _is_known(name, _LOSSES + _METRICS) and not value.__module__.startswith("fastlstm."):
        raise TypeError(f"{value!r} has the name of one of Keras', as which it would come back from a file.")
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


@explained
def _leaves(nested: Any) -> list[Any]:
    if isinstance(nested, (list, tuple)):
        return [leaf for item in nested for leaf in _leaves(item)]
    if isinstance(nested, Mapping) and "class_name" not in nested:
        return [leaf for item in nested.values() for leaf in _leaves(item)]
    return [nested]


def _check_name(noun: str, identifier: Any, names: str) -> None:
    """Accept None, known names, serialized dicts, and objects or functions of whoever trains."""
    if isinstance(identifier, str):
        known = _is_known(identifier, names)
    else:
        known = identifier is None or isinstance(identifier, Mapping) or hasattr(identifier, "get_config")
        known = known or (noun != "optimizer" and callable(identifier))
    if not known:
        raise ValueError(f"Could not interpret {noun} identifier: {quoted(identifier)}")


def _is_known(name: str, names: str) -> bool:
    return not {name.lower(), snake_case(name)}.isdisjoint(names.lower().split())
