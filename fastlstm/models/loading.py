"""Models to files and back."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from fastlstm.arguments import check_numbers
from fastlstm.layers.base.serialization import deserialize
from fastlstm.memory import asking, without_collection
from fastlstm.models.compilation import arguments_of_file
from fastlstm.models.keras_3 import check_calls, for_keras_3, legacy_problem
from fastlstm.models.older_keras import HARD_SIGMOIDS, warn_of_other_functions, with_hard_sigmoid
from fastlstm.models.precision import in_float32
from fastlstm.models.predictor import Predictor
from fastlstm.models.quantization import require_floats, require_plain_inputs
from fastlstm.models.weight_spec import weight_spec
from fastlstm.printable import quoted, shown
from fastlstm.records import replaced
from fastlstm.saving import OptimizerState, open_file, write_keras, write_legacy_h5, write_weights
from fastlstm.saving.budget import Budget
from fastlstm.saving.config import normalise
from fastlstm.saving.errors import reading
from fastlstm.saving.json_data import parse_json
from fastlstm.saving.source import Source
from fastlstm.saving.version import KERAS_VERSION, parse_version

if TYPE_CHECKING:
    from fastlstm.models.model import Model

_LEGACY_EXTENSIONS = (".h5", ".hdf5")


_FLOATS_ONLY = "Keras' files hold its weights as float32"


def load_model(
    filepath: Source,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    hard_sigmoid: str = "auto",
) -> Model:
    """Return the model in a file that any version of Keras wrote.

    Args:
        filepath: A `.keras` or `.h5` file, the folder of an unzipped `.keras`, a SavedModel folder that Keras wrote, or
            the `model.json` of a TensorFlow.js layers model; its content decides, not its name. A file may also be
            given as a file object that is open in binary mode, or as bytes.
        custom_objects: Dict of the caller's own classes and functions by the names that the file has for them: layers,
            cells and models with a `call` in NumPy, activations, the functions of `Lambda` layers, losses, metrics,
            optimizers.
        compile: Boolean, whether the model is to be compiled as the file says, if Keras 3 wrote it, with the state of
            its optimizer: training goes on where it ended. What is not known here is named in a warning, and the model
            is not compiled. False saves the memory of that state to who only predicts.
        safe_mode: Changes nothing but for a warning if it is False: nothing in a file is ever executed.
        hard_sigmoid: Which function the name `hard_sigmoid` means: `"keras2"` is `clip(0.2 x + 0.5, 0, 1)`,
            `"keras3"` is `clip(x / 6 + 0.5, 0, 1)`, `"auto"` the one of the Keras that wrote the file.

    Raises:
        ValueError: When there is no such file, it is not a whole model, or it holds what cannot be honoured.
        TypeError: When it is neither a path nor a file object nor bytes.

    Differs from Keras: `hard_sigmoid`, which Keras takes to be Keras 3's whatever wrote the file; file objects and
    bytes.
    """
    if not safe_mode:
        warnings.warn(
            f"`safe_mode={safe_mode}` changes nothing: code in a file is never executed. Give functions and classes of "
            "your own as `custom_objects`.",
            stacklevel=2,
        )
    if hard_sigmoid not in ("auto", *HARD_SIGMOIDS):
        raise ValueError(
            f"`hard_sigmoid` should be 'auto', 'keras2' or 'keras3'. Received: hard_sigmoid={quoted(hard_sigmoid)}"
        )
    with without_collection():
        return _loaded(filepath, custom_objects, compile, hard_sigmoid)


def _loaded(filepath: Source, custom_objects: Mapping[str, Any] | None, compile: bool, hard_sigmoid: str) -> Model:
    """The model; what it was made from is gone when this returns, before Python looks for what is unreachable."""
    with open_file(filepath) as file, asking(file.take_bytes):
        config = file.config
        if hard_sigmoid != "auto":
            config = with_hard_sigmoid(config, HARD_SIGMOIDS[hard_sigmoid])
        model = model_of(config, custom_objects)
        if not model.built:
            raise ValueError(f"The model in {file.name} was saved before it was built: the file contains no weights.")
        model.adopt_weights(file.read_weights(weight_spec(model)))
        if compile:
            keras3 = not _is_old(file.keras_version)
            arguments = arguments_of_file(file.compile_config, keras3, custom_objects)
            if arguments is not None:
                model.compile_as_in_file(replaced(arguments, optimizer_state=file.read_optimizer() or None))
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return the model that `to_json` described, with new weights.

    Args:
        json_string: String.
        custom_objects: As for `load_model`.

    Raises:
        ValueError: When it is no model, or one that cannot be honoured.
    """
    what = "The model's JSON"
    if not isinstance(json_string, str):
        raise TypeError(f"The JSON of a model should be a string. Received: {shown(json_string)}")
    budget = Budget(len(json_string))
    config = parse_json(json_string, what, budget)
    with reading(what):
        # Keras 1 and 2 name their version in it, Keras 3 does not.
        config = normalise(config, config.get("keras_version", KERAS_VERSION), budget)
    with asking(budget.take_bytes):
        return model_of(config, custom_objects)


def save_model(
    model: Model,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    **kwargs: Any,
) -> None:
    """Write a model to a file that Keras 3 opens; the old file, if any, is replaced once the new one is complete.

    Args:
        model: The model.
        filepath: Ends in `.keras`, or in `.h5` or `.hdf5` for the legacy format.
        overwrite: Boolean; if False and there is such a file, ask on a terminal, and raise elsewhere.
        zipped: False writes a folder instead of a `.keras` file.
        **kwargs: `include_optimizer`, boolean, whether to write the arguments of `compile` and the state of the
            optimizer, True by default; Keras' `save_format`, which changes nothing: the extension names the format.

    Raises:
        ValueError: When the name ends otherwise, or Keras 3 has no name for what the model does.
        FileExistsError: When the file is there and is not to be replaced.

    Differs from Keras: `include_optimizer` is heeded for both formats.
    """
    path = os.fspath(filepath)
    legacy = path.endswith(_LEGACY_EXTENSIONS)
    include_optimizer = kwargs.pop("include_optimizer", True)
    if kwargs.pop("save_format", None) is not None and not legacy and not path.endswith(".keras"):
        raise ValueError(
            "The `save_format` argument is deprecated in Keras 3. Please remove this argument and pass a file path "
            "with either `.keras` or `.h5` extension."
        )
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    zipped = zipped is None or zipped
    if not zipped and path.endswith(".keras"):
        raise ValueError(
            "When using `zipped=False`, the `filepath` argument should not end in `.keras`. "
            f"Received: filepath={quoted(filepath)}"
        )
    if zipped and not legacy and not path.endswith(".keras"):
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for the native Keras format "
            "(recommended) or a `.h5` extension. Use `model.export(filepath)` if you want to export a SavedModel for "
            f"use with TFLite/TFServing/etc. Received: filepath={quoted(filepath)}."
        )
    check_calls(model)
    require_plain_inputs(model)
    require_floats(model, f"{_FLOATS_ONLY}. `save_packed` writes it")
    if not _may_write(path, overwrite):
        return
    if not model.built:
        warnings.warn(
            "You are saving a model that has not yet been built. It might not contain any weights yet. Consider "
            "building the model first by calling it on some data.",
            stacklevel=3,
        )
    problem = legacy_problem(model) if legacy and zipped else None
    if problem is not None:
        warnings.warn(
            f"Keras cannot read what it writes to a legacy file (.h5) of {problem}. fastlstm can; for Keras, save the "
            "model as a .keras file.",
            stacklevel=3,
        )
    older = next((type(layer).__name__ for layer in model.leaves() if layer.before_keras_3), None)
    if older is not None:
        warnings.warn(f"Keras 3 has no {older}: fastlstm reads the file, Keras does not.", stacklevel=3)
    config, spec, arrays = model.serialized(), weight_spec(model), model.weight_arrays()
    config = for_keras_3(config)
    optimizer = _optimizer_state(model) if include_optimizer and "compile_config" in config else None
    if optimizer is None:
        config.pop("compile_config", None)
    if legacy and zipped:
        write_legacy_h5(path, config, spec, arrays, optimizer=optimizer)
    else:
        write_keras(path, config, spec, arrays, zipped=zipped, optimizer=optimizer)


def _optimizer_state(model: Model) -> OptimizerState | None:
    state = model.optimizer_state()
    return None if state is None else OptimizerState(*state)


def save_weights(
    model: Model, filepath: str | PathLike[str], overwrite: bool = True, max_shard_size: float | None = None
) -> None:
    """Write the weights alone; the arguments are those of `Model.save_weights`."""
    path = os.fspath(filepath)
    check_numbers(max_shard_size=max_shard_size)
    if max_shard_size is None and not path.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={quoted(filepath)}")
    _require_built(model, "saving a model")
    require_floats(model, f"{_FLOATS_ONLY}. `save_packed` writes it")
    if _may_write(path, overwrite):
        optimizer = None if max_shard_size is not None else _optimizer_state(model)
        write_weights(
            path, weight_spec(model), model.weight_arrays(), max_shard_size=max_shard_size, optimizer=optimizer
        )


def load_weights(model: Model, filepath: Source, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Read the weights alone; the arguments are those of `Model.load_weights`."""
    by_name = bool(kwargs.pop("by_name", False))
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    _require_built(model, "loading weights into a model")
    with open_file(filepath) as file:
        arrays = file.read_weights(weight_spec(model), by_name=by_name, skip_mismatch=skip_mismatch)
        # As in Keras, which reads no optimizer's state when it reads the weights of a legacy file.
        state = file.read_optimizer() if model.compiled and not file.is_legacy else []
        warn_of_other_functions(model, file)
    model.adopt_weights(arrays)
    if state and model.optimizer is not None:
        model.optimizer.load_own_variables({str(number): array for number, array in enumerate(state)})


def model_of(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return the model of a config in today's dialect, without the weights it once had.

    Raises:
        ValueError: When it is none, or cannot be honoured.
    """
    model = deserialize(in_float32(config), custom_objects)
    if not isinstance(model, Predictor):
        raise ValueError(f"The file holds a single layer, {model!r}, where a model was expected.")
    return cast("Model", model)


def _is_old(keras_version: str | None) -> bool:
    """Whether a file says that a Keras before 3 wrote it, or does not say."""
    return (parse_version(keras_version) or (0, 0)) < (3, 0)


def _require_built(model: Model, doing: str) -> None:
    if not model.built:
        raise ValueError(
            f"You are {doing} that has not yet been built. Try building the model first by calling it on some data or "
            "by using `build()`."
        )


def _may_write(path: str, overwrite: bool) -> bool:
    """Ask before a file is replaced, if it should not be without; raise where nobody could answer."""
    if overwrite or not os.path.exists(path):
        return True
    if not sys.stdin.isatty():
        raise FileExistsError(f"{path} exists already. Pass `overwrite=True` to replace it.")
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"[WARNING] {path} already exists - overwrite? [y/n]").strip().lower()
    return answer == "y"
