"""The settings of `keras.config` that mean something here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.arguments import check_numbers
from fastlstm.identifiers import missing_names
from fastlstm.printable import quoted

_FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")

_epsilon = 1e-7
_image_data_format = "channels_last"
_interactive_logging = True


def backend() -> str:
    """Return `"numpy"`: what layers take and give are NumPy's arrays."""
    return "numpy"


def floatx() -> str:
    """Return the float type of all weights and results, `"float32"`."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accept `"float32"`, the only float type there is.

    Args:
        value: String.

    Raises:
        NotImplementedError: For another float type of Keras.
        ValueError: For anything else.
    """
    if value not in _FLOAT_TYPES:
        raise ValueError(f"Unknown `floatx` value: {quoted(value)}. Expected one of {_FLOAT_TYPES}")
    if value != floatx():
        raise NotImplementedError(f"`floatx` {value!r} is not supported: fastlstm computes in float32.")


def epsilon() -> float:
    """Return the small number that keeps losses, metrics and layers away from divisions by zero."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Replace the small number that `epsilon` returns.

    Args:
        value: Float.
    """
    global _epsilon
    check_numbers(value=value)
    _epsilon = float(value)


def image_data_format() -> str:
    """Return where layers that are not told otherwise have their channels, at first `"channels_last"`."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Say where layers that are not told otherwise have their channels.

    Args:
        data_format: `"channels_first"` or `"channels_last"`.

    Raises:
        ValueError: For anything else.
    """
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Return a layer's `data_format`, None being `image_data_format()`.

    Raises:
        ValueError: When it is neither of the two.
    """
    if data_format is None:
        return _image_data_format
    lowered = quoted(data_format).lower()
    if lowered not in ("channels_first", "channels_last"):
        raise ValueError(
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
            f"Received: data_format={lowered}"
        )
    return lowered


def enable_interactive_logging() -> None:
    """Let messages and progress bars go to standard output, as they do at first."""
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Let messages and progress bars go to the logger `fastlstm`, at level INFO."""
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Return whether messages go to standard output."""
    return _interactive_logging


def print_message(message: Any, line_break: bool = True) -> None:
    """Print, or log where interactive logging is disabled.

    Args:
        message: What to print.
        line_break: Boolean, whether a new line follows.
    """
    if _interactive_logging:
        print(message, end="\n" if line_break else "", flush=True)
    else:
        import logging  # not before it is needed: it takes longer than most of fastlstm

        logging.getLogger("fastlstm").info("%s", message)


__getattr__: Callable[[str], Any] = missing_names(
    __name__,
    """
    disable_flash_attention disable_traceback_filtering enable_flash_attention
    enable_traceback_filtering enable_unsafe_deserialization is_flash_attention_enabled is_nnx_enabled
    is_traceback_filtering_enabled max_epochs max_steps_per_epoch set_backend set_max_epochs
    set_max_steps_per_epoch
    """,
)
