"""The base class of all callbacks, and what calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.arguments import explained
from fastlstm.printable import shown

Logs = dict[str, Any] | None


class Callback:
    """Base class of all callbacks: methods that training, testing and prediction call.

    `self.model` is the model, `self.params` a dict with `verbose`, `epochs` and `steps`. Setting
    `self.model.stop_training = True` ends training after the present batch. `logs` has the metrics so far by name.
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] | None = None
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that calls."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self._model = model

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before an epoch; the first one is 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after an epoch, validation included."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The same as `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The same as `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of training; the first one of an epoch is 0."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of training."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of `evaluate` or of validation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of `evaluate` or of validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of `predict`; `logs["outputs"]` are its outputs."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called at the beginning of training."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called at the end of training."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called at the beginning of `evaluate` or of validation."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called at the end of `evaluate` or of validation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called at the beginning of `predict`."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called at the end of `predict`."""


_METHODS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class History(Callback):
    """What `fit` returns: the metrics of all epochs, as lists by name, in `history`; the epochs in `epoch`."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class LambdaCallback(Callback):
    """Functions as a callback.

    Args:
        on_epoch_begin, on_epoch_end: `f(epoch, logs)`, or None.
        on_train_begin, on_train_end: `f(logs)`, or None.
        on_train_batch_begin, on_train_batch_end: `f(batch, logs)`, or None.
        **kwargs: Functions in place of further methods of `Callback`.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        self.__dict__.update({name: function for name, function in given.items() if function is not None}, **kwargs)


class CallbackList(Callback):
    """Callbacks as one, called in their order.

    Args:
        callbacks: A callback, or a list of callbacks or of lists of them; None for none.
        add_history: Boolean, whether to add a `History` if there is none.
        add_progbar: Boolean, whether to add a `ProgbarLogger` if there is none.
        model: The model.
        **params: What becomes `params`.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        from fastlstm.callbacks.progress import ProgbarLogger

        self.callbacks: list[Any] = _flat(callbacks)
        for callback in self.callbacks:
            if not callable(getattr(callback, "set_model", None)):
                raise TypeError(f"`callbacks` should be instances of Callback. Received: {shown(callback)}")
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(callback, ProgbarLogger) for callback in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        # Most callbacks define a few methods; a batch calls no others.
        self._called = {name: [c for c in self.callbacks if _defines(c, name)] for name in _METHODS}
        self.set_model(model)
        self.set_params(params)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params: dict[str, Any] | None = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        if model is None:
            return
        super().set_model(model)
        for callback in self.callbacks:
            if isinstance(callback, History):
                model.history = callback
            callback.set_model(model)

    def _call(self, method: str, *arguments: Any, logs: Logs) -> None:
        called = self._called[method]
        if called:
            # One dict for all of them: what one adds, the next ones see.
            logs = as_python(logs)
            for callback in called:
                getattr(callback, method)(*arguments, logs)


def _calling(method: str, numbered: bool) -> Callable[..., None]:
    """Return the method of `CallbackList` that calls those of the callbacks."""
    if numbered:

        def on_number(self: CallbackList, number: int, logs: Logs = None) -> None:
            self._call(method, number, logs=logs)

        return on_number

    def on_event(self: CallbackList, logs: Logs = None) -> None:
        self._call(method, logs=logs)

    return on_event


for _method in _METHODS:
    setattr(CallbackList, _method, _calling(_method, "batch" in _method or "epoch" in _method))


def as_python(logs: Logs) -> dict[str, Any]:
    """Return logs in the order of their names, with Python's floats for what is one number.

    Args:
        logs: Metrics by name, or dicts of them, or None.
    """
    result: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result |= as_python(value)
            continue
        try:
            result[name] = float(value)
        except (TypeError, ValueError):
            result[name] = value
    return result


@explained
def _flat(callbacks: Any) -> list[Any]:
    if isinstance(callbacks, (list, tuple)):
        return [callback for item in callbacks for callback in _flat(item)]
    return [] if callbacks is None else [callbacks]


def _defines(callback: Any, method: str) -> bool:
    """Return whether a callback does something in a method."""
    if method in getattr(callback, "__dict__", {}):
        return True
    found = getattr(type(callback), method, None)
    if method in ("on_train_batch_begin", "on_train_batch_end") and found is getattr(Callback, method):
        return _defines(callback, method.replace("train_", ""))
    return found is not None and found is not getattr(Callback, method)
