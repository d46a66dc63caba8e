"""One face for all formats: the config in today's dialect, the version that wrote the file, and the arrays."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.budget import Budget
from fastlstm.saving.config import entries, normalise
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.spec import LayerSpec


class Reader(Protocol):
    """Reads the arrays of a model; the arguments are those of `ModelFile.read_weights`."""

    def __call__(self, spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]: ...


class StateReader(Protocol):
    """Reads the state of an optimizer."""

    def __call__(self) -> list[np.ndarray]: ...


class Contents(Record):
    """What the opener of one format found.

    Args:
        read: Reads the arrays.
        budget: What the load may take.
        keras_version: The version that wrote the file, if it says so.
        model: The serialized model as written, or None in a weights-only file.
        compile_config: The arguments of `compile` as written, under today's names.
        no_model: Why there is no model, and what to do.
        read_optimizer: Reads the optimizer's state, None where the format has none.
        is_legacy: Whether it is a legacy `.h5`.
    """

    read: Reader
    budget: Budget
    keras_version: str | None = None
    model: dict[str, Any] | None = None
    compile_config: dict[str, Any] | None = None
    no_model: str = (
        "It holds weights alone: make the model that they belong to, in code or with `model_from_json`, and call its "
        "`load_weights`."
    )
    read_optimizer: StateReader | None = None
    is_legacy: bool = False


class ModelFile:
    """An open model or weights file, closed by `with`.

    Args:
        name: The file, for errors.
        contents: What is in it.
        stack: Closes whatever its reader holds open.
    """

    def __init__(self, name: str, contents: Contents, stack: ExitStack) -> None:
        self.name: str = name
        self._contents = contents
        self._stack = stack

    def __enter__(self) -> ModelFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def keras_version(self) -> str | None:
        """The version of Keras that wrote the file, if it says so."""
        return self._contents.keras_version

    @property
    def is_legacy(self) -> bool:
        """Whether it is a legacy `.h5`."""
        return self._contents.is_legacy

    @property
    def compile_config(self) -> dict[str, Any] | None:
        """The saved arguments of `compile`, untouched, or None."""
        return self._contents.compile_config

    def take_bytes(self, amount: int, where: str) -> None:
        """Take memory for the model, of what the load may take, before it is filled; see `Budget.take_bytes`."""
        self._contents.budget.take_bytes(amount, where)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model in today's dialect, as `normalise` describes it.

        Raises:
            ValueError: A weights-only file, or a config that cannot be honoured.
        """
        if self._contents.model is None:
            raise SavedModelError(f"No model config found in the file at {self.name}. {self._contents.no_model}")
        with reading(self.name):
            return normalise(self._contents.model, self.keras_version, self._contents.budget)

    def may_name(self, name: str) -> bool:
        """Return whether the model's config names an activation, if the file has a config that can be read."""
        try:
            return any(name in entry["config"].values() for entry in entries(self.config))
        except SavedModelError:
            return True

    def examined(self) -> tuple[dict[str, Any], list[str]]:
        """The config without the layers that cannot be honoured, and what is wrong with each of those.

        Raises:
            ValueError: As `config`, but for single layers.
        """
        if self._contents.model is None:
            return self.config, []
        refused: list[str] = []
        with reading(self.name):
            return normalise(self._contents.model, self.keras_version, self._contents.budget, refused), refused

    def read_weights(
        self, spec: LayerSpec, *, by_name: bool = False, skip_mismatch: bool = False
    ) -> list[np.ndarray | None]:
        """Read the arrays of a model; every shape is checked before any value is read.

        Args:
            spec: What the model expects.
            by_name: Pair layers by name (legacy `.h5` files only); layers that the file lacks stay None.
            skip_mismatch: Leave None, and warn, where something does not fit, instead of raising.

        Returns:
            float32, C-contiguous arrays aligned with `list(spec.flatten())`.

        Raises:
            ValueError: No weights, weights that do not fit, a damaged file, or storage that is not accepted.
        """
        with reading(self.name):
            return self._contents.read(spec, by_name=by_name, skip_mismatch=skip_mismatch)

    def read_optimizer(self) -> list[np.ndarray]:
        """Read the state of an optimizer: float32 arrays in its own order, none where the file has no state.

        Raises:
            ValueError: A damaged file, storage that is not accepted, or more than a load may take.
        """
        if self._contents.read_optimizer is None:
            return []
        with reading(self.name):
            return self._contents.read_optimizer()
