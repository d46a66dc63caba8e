"""The models that are served: each under a name, from a file that may be read again, or made by the caller."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.models import Model
from fastlstm.models.tensor_names import input_names, output_names
from fastlstm.onnx.opening import open_model
from fastlstm.serving.batcher import Batcher
from fastlstm.serving.metrics import ModelMetrics
from fastlstm.serving.protocol import ServiceError
from fastlstm.serving.settings import Settings
from fastlstm.serving.streams import Streams

VERSION = "1"


@dataclass(frozen=True)
class Version:
    """A model with the weights of one moment.

    Args:
        model: The model.
        batcher: Runs it.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
    """

    model: Model
    batcher: Batcher
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Served:
    """A model under its name.

    Args:
        name: The name.
        source: A model, or the path of its file.
        settings: Of the service.
        metrics: Of the model.

    Raises:
        ValueError: When the model cannot be served, or its file is none.
    """

    current: Version

    def __init__(self, name: str, source: Any, settings: Settings, metrics: ModelMetrics) -> None:
        if not re.fullmatch(r"[^/\s?#%]{1,200}", name):
            raise ValueError(f"A name of a model has neither blanks nor any of / ? # %. Received: {name!r}")
        self.name: str = name
        self.metrics: ModelMetrics = metrics
        self._settings = settings
        self.path: Any = None if isinstance(source, Model) else source
        self.current = self._version(source if self.path is None else open_model(self.path))
        self.streams: Streams | None = None
        self._without_streams = "--max-streams is 0"
        if settings.max_streams:
            try:
                self.streams = Streams(
                    self.current.model,
                    settings.max_streams,
                    settings.idle,
                    settings.max_batch,
                    settings.max_wait_us / 1e6,
                    settings.queue,
                    metrics,
                    metrics.streams,
                )
            except ValueError as error:
                self._without_streams = str(error)

    def _version(self, model: Model) -> Version:
        settings = self._settings
        try:
            inputs, outputs = tuple(input_names(model)), tuple(output_names(model))
        except (AttributeError, ValueError) as error:
            raise ValueError(f"Model '{self.name}' cannot be served: {error}") from None
        batcher = Batcher(model, settings.max_batch, settings.max_wait_us, settings.queue, self.metrics)
        return Version(model, batcher, inputs, outputs)

    async def reload(self) -> None:
        """Read the file again. Requests that have come are answered with the old weights, streams go on with them.

        Raises:
            ValueError, OSError: When the file cannot be read or served; the old model stays.
        """
        if self.path is None:
            raise ValueError(f"Model '{self.name}' has no file.")
        loop = asyncio.get_running_loop()
        new = self._version(await loop.run_in_executor(None, open_model, self.path))
        if self.streams is not None:
            self.streams.replace(new.model)
        old = self.current
        self.current = new
        old.batcher.close()

    @property
    def metadata(self) -> dict[str, Any]:
        """What the protocol tells of a model."""
        model = self.current.model
        inputs = zip(self.current.inputs, model.inputs, strict=True)
        outputs = zip(self.current.outputs, model.outputs, strict=True)
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": "fastlstm",
            "inputs": [_described(name, tensor, tensor.dtype) for name, tensor in inputs],
            "outputs": [_described(name, tensor, "float32") for name, tensor in outputs],
        }

    async def predict(self, inputs: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
        """Return the outputs by name.

        Raises:
            ServiceError: When an input does not fit.
        """
        version = self.current
        self._check_names(version, inputs)
        try:
            outputs = await version.batcher.predict_flat(dict(inputs))
        except (ValueError, TypeError) as error:
            raise _input_error(version.inputs, error) from None
        return list(zip(version.outputs, outputs, strict=True))

    async def step(
        self, inputs: Mapping[str, np.ndarray], stream: str, begin: bool, end: bool
    ) -> list[tuple[str, np.ndarray]]:
        """Return the outputs of a stream's next step or steps by name, with a batch of 1 if the input has one.

        Raises:
            ServiceError: When the model has no streams, or the stream or the input does not fit.
        """
        streams, version = self.require_streams(), self.current
        self._check_names(version, inputs)
        (x,) = inputs.values()
        batched = x.ndim == len(version.model.inputs[0].shape) and len(x) == 1
        try:
            y = await streams.step(stream, x[0] if batched else x, begin, end)
        except (ServiceError, ValueError) as error:
            raise _input_error(version.inputs, error) from None
        return [(version.outputs[0], y[np.newaxis] if batched else y)]

    def require_streams(self) -> Streams:
        """Return the streams, for requests that name one.

        Raises:
            ServiceError: When there are none, or requests may reach another process.
        """
        if self._settings.without_ids is not None:
            raise ServiceError(400, "no streams", self._settings.without_ids)
        return self.require_connections()

    def require_connections(self) -> Streams:
        """Return the streams, for a connection that is one.

        Raises:
            ServiceError: When there are none.
        """
        if self.streams is None:
            raise ServiceError(400, "no streams", f"Model '{self.name}' has no streams: {self._without_streams}")
        return self.streams

    def _check_names(self, version: Version, inputs: Mapping[str, np.ndarray]) -> None:
        for name in inputs:
            if name not in version.inputs:
                expected = ", ".join(version.inputs)
                raise ServiceError(400, "input", f"Model '{self.name}' has no input '{name}': there is {expected}.")


def _described(name: str, tensor: Any, dtype: str) -> dict[str, Any]:
    datatype = {"int32": "INT32", "int64": "INT64", "bool": "BOOL"}.get(dtype, "FP32")
    return {"name": name, "datatype": datatype, "shape": [-1 if size is None else size for size in tensor.shape]}


def _input_error(names: tuple[str, ...], error: Exception) -> ServiceError:
    """Keras' words, with the input's name before them where they do not say it."""
    if isinstance(error, ServiceError) and error.kind != "input":
        return error
    text = str(error)
    named = any(f"'{name}'" in text or f'"{name}"' in text for name in names)
    return ServiceError(400, "input", text if named or len(names) > 1 else f"input '{names[0]}': {text}")
