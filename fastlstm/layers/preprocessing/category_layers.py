"""`CategoryEncoding`, `Discretization` and `Hashing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.serialization import register
from fastlstm.layers.preprocessing.encoding import (
    Categories,
    Shape,
    as_integers,
    batches_of,
    check_output_mode,
    checked_salt,
    encoded,
    encoded_shape,
    refuse,
)
from fastlstm.layers.preprocessing.hashing import bucket
from fastlstm.layers.preprocessing.tokens import as_strings, each
from fastlstm.printable import quoted


@register
class CategoryEncoding(Categories):
    """Integers as vectors of categories.

    Args:
        num_tokens: Number of categories.
        output_mode: `"multi_hot"`, `"one_hot"` or `"count"`.
        sparse: Only False.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        self._dtype = _name(kwargs.pop("dtype", None)) or "float32"
        super().__init__(**kwargs)
        self.output_mode: str = check_output_mode(self, output_mode, ("count", "one_hot", "multi_hot"))
        refuse(self, sparse=sparse)
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known beforehand, use the "
                "IntegerLookup layer instead."
            )
        if num_tokens < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={quoted(num_tokens)}.")
        self.num_tokens = num_tokens

    def call(self, inputs: Any, count_weights: Any = None) -> np.ndarray:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                "`count_weights` is not used when `output_mode` is not `'count'`. "
                f"Received `count_weights={quoted(count_weights)}`."
            )
        weights = None if count_weights is None else np.asarray(count_weights, np.float32)
        return encoded(as_integers(inputs), self.output_mode, self.num_tokens, self._dtype, weights)

    @property
    def output_dtype(self) -> str:
        return self._dtype

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def get_config(self) -> dict[str, Any]:
        own = {"dtype": self._dtype, "num_tokens": self.num_tokens, "output_mode": self.output_mode}
        return {**super().get_config(), **own}


@register
class Discretization(Categories):
    """Numbers as the numbers of the intervals that they are in.

    Args:
        bin_boundaries: Ascending numbers between the intervals; None for those that `adapt` finds.
        num_bins: Number of intervals that `adapt` finds.
        epsilon: How precisely it finds them.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`.
        sparse: Only False.
        dtype, name: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    raw_dtype = "float32"

    bin_boundaries: Any

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse(self, sparse=sparse)
        self.output_mode: str = check_output_mode(self, output_mode, ("int", "one_hot", "multi_hot", "count"))
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0. Received: `num_bins={quoted(num_bins)}`")
        if (num_bins is None) == (bin_boundaries is None):
            given = "You need to set either" if num_bins is None else "Both"
            end = "." if num_bins is None else " should not be set."
            raise ValueError(f"{given} `num_bins` {'or' if num_bins is None else 'and'} `bin_boundaries`{end}")
        self.bin_boundaries = None if bin_boundaries is None else [float(value) for value in bin_boundaries]
        self.num_bins: int | None = num_bins
        self.epsilon: float = epsilon

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the boundaries to quantiles of the data, as Keras estimates them.

        Args:
            data: Array, or an iterable of arrays.
            steps: Number of those that are read, None for all.

        Raises:
            ValueError: When the boundaries were given, or there is no data.
        """
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, use `num_bins` "
                "instead."
            )
        summary = np.empty((2, 0), np.float32)
        for batch in batches_of(iter((data,) if hasattr(data, "__array__") else data), steps):
            values = np.sort(np.asarray(batch, np.float32), axis=None)
            step = max(values.size * self.epsilon, 1)
            values = values[int(step - 1) :: int(step)]
            merged = np.concatenate([np.stack([values, np.full_like(values, step)]), summary], axis=1)
            summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)
        if not summary.size:
            raise ValueError("adapt() received no data.")
        self.bin_boundaries = _compressed(summary, 1.0 / self.num_bins)[0, :-1].astype(np.float32).tolist()

    @property
    def output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else "float32"

    def call(self, inputs: Any) -> np.ndarray:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or call `adapt(dataset)` "
                "before you can start using the `Discretization` layer."
            )
        bins = np.asarray(self.bin_boundaries, np.float32)
        indices = np.digitize(np.asarray(inputs, np.float32), bins).astype(np.int32)
        return indices if self.output_mode == "int" else encoded(indices, self.output_mode, len(bins) + 1, np.float32)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        return tuple(input_shape) if self.output_mode == "int" else encoded_shape(input_shape, self.output_mode, depth)

    def get_config(self) -> dict[str, Any]:
        base = super().get_config()
        del base["trainable"]  # which Keras' class does not take
        return {
            **base,
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": False,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Discretization:
        # After `adapt` there are both.
        both = config.get("bin_boundaries") is not None and config.get("num_bins") is not None
        layer = cls(**{name: value for name, value in config.items() if not (both and name == "bin_boundaries")})
        if both:
            layer.bin_boundaries = [float(value) for value in config["bin_boundaries"]]
        return layer


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of values and their weights with at most `1 / epsilon` values, interpolated at even shares."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    totals = summary[1].cumsum()
    values = np.interp(shares, totals / totals[-1], summary[0])
    totals = np.interp(shares, totals / totals[-1], totals)
    return np.stack([values, np.diff(totals, prepend=0.0)]).astype(np.float32)


@register
class Hashing(Categories):
    """Strings or integers as the numbers of bins, by a hash.

    Args:
        num_bins: Number of bins.
        mask_value: What bin 0 is kept for; None keeps it for nothing.
        salt: An integer or two for SipHash; None for FarmHash64.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`.
        sparse: Only False.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    raw_dtype = "string"

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        dtype = _name(kwargs.pop("dtype", None))
        super().__init__(**kwargs)
        refuse(self, sparse=sparse)
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                f"The `num_bins` for `Hashing` cannot be `None` or non-positive values. "
                f"Received: num_bins={quoted(num_bins)}."
            )
        self.output_mode: str = check_output_mode(self, output_mode, ("int", "one_hot", "multi_hot", "count"))
        self.num_bins: int = num_bins
        self.mask_value: Any = mask_value
        self.salt: list[int] | None = checked_salt(self, salt)
        self._dtype = dtype or ("int64" if self.output_mode == "int" else "float32")
        if self.output_mode == "int" and self._dtype not in ("int32", "int64"):
            raise ValueError(
                "When `output_mode=\"int\"`, `dtype` should be an integer type, 'int32' or 'in64'. "
                f"Received: dtype={self._dtype}"
            )

    @property
    def output_dtype(self) -> str:
        return self._dtype

    def call(self, inputs: Any) -> np.ndarray:
        x = np.asarray(inputs)
        values = each(as_integers(x).astype(object), _decimal) if x.dtype.kind in "biuf" else as_strings(x)
        masked = self.mask_value is not None and self.num_bins > 1
        mask = _encoded_value(self.mask_value) if masked else None
        known = {value: 0 if value == mask else self._bin(value, masked) for value in set(values.ravel().tolist())}
        indices = each(values, known.__getitem__).astype(np.int64)
        found = indices if self.output_mode == "int" else encoded(indices, self.output_mode, self.num_bins, np.float32)
        return found.astype(self._dtype)

    def _bin(self, value: bytes, masked: bool) -> int:
        return bucket(value, self.num_bins - masked, self.salt) + masked

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dtype": self.output_dtype,
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": False,
        }


def _name(dtype: Any) -> str | None:
    """The dtype of outputs, which Keras has as a policy."""
    name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else getattr(dtype, "name", dtype)
    return None if name is None else np.dtype(name).name


def _decimal(value: int) -> bytes:
    return str(value).encode()


def _encoded_value(value: Any) -> bytes:
    return bytes(as_strings(value).item()) if isinstance(value, (str, bytes)) else _decimal(int(value))
