"""How a layer is built once, and whether its class redefines what a base defines."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

from fastlstm.layers.base.input_spec import standardize_shape
from fastlstm.layers.base.structure import map_shapes


def once(build: Any) -> Any:
    """Wrap a `build` so that the second call checks the shape and leaves the weights alone."""

    several = tuple(inspect.signature(build).parameters)[1:]

    @functools.wraps(build)
    def build_once(self: Any, input_shape: Sequence[int | None] | None = None, *others: Any, **named: Any) -> None:
        if others or named:
            shapes = dict(zip(several, (input_shape, *others), strict=False)) if input_shape is not None else {}
            _build_of_several(self, build, {**shapes, **named})
            return
        if input_shape is None:
            # A layer whose weights do not depend on the shape says so by a default.
            if not build.__defaults__:
                raise TypeError(f"{type(self).__name__}.build() needs an `input_shape`.")
            (input_shape,) = build.__defaults__
        shape = map_shapes(standardize_shape, input_shape)
        self.check_input_shape(shape)
        if self.built:
            return
        build(self, shape)
        self._build_shape = shape
        self.built = True

    return build_once


def _build_of_several(layer: Any, build: Any, given: dict[str, Any]) -> None:
    """Build a layer from the shapes of several arguments of its call, each under its name."""
    shapes = {name: map_shapes(standardize_shape, shape) for name, shape in given.items() if shape is not None}
    if not layer.built:
        build(layer, **shapes)
        layer._build_shape = shapes
        layer.built = True


def overrides(cls: type, names: Sequence[str], over: str) -> bool:
    """Return whether a class, or a base of it, redefines a method of the base that defines `over`.

    Args:
        cls: The class.
        names: Of the methods.
        over: Name of the method whose class is the last that may define them.
    """
    for base in cls.__mro__:
        if over in base.__dict__:
            return False
        if any(name in base.__dict__ for name in names):
            return True
    return False
