"""The policy that layers have where they are given none, as `keras.mixed_precision` and `keras.config` set it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import missing_names
from fastlstm.layers.base.dtype_policy import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = ["DTypePolicy", "Policy", "dtype_policy", "global_policy", "set_dtype_policy", "set_global_policy"]

__getattr__: Callable[[str], Any] = missing_names(
    __name__, "LossScaleOptimizer", {"LossScaleOptimizer": "losses are not scaled, for all is float32: leave it out"}
)
