"""Records: classes that are nothing but fields under names, as frozen dataclasses are.

Python writes and compiles functions for every dataclass, a third of a millisecond for each whenever the package is
imported; records share theirs.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**how: Any) -> Any:
        return lambda cls: cls


R = TypeVar("R", bound="Record")


@dataclass_transform(frozen_default=True)
class Record:
    """What has the fields that a subclass annotates, with a class attribute's value as default.

    A subclass says what it is by keywords after this base, as `dataclass` is told: `eq=False` for records that are
    compared by identity, `frozen=False` for those that change.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, eq: bool = True, frozen: bool = True) -> None:
        own = cls.__annotations__
        cls._fields = tuple(dict.fromkeys((*cls._fields, *own)))
        cls._names = frozenset(cls._fields)
        cls._defaults = {**cls._defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}
        if not eq:
            cls.__eq__, cls.__hash__ = object.__eq__, object.__hash__  # type: ignore[method-assign]
        if not frozen:
            cls.__setattr__, cls.__hash__ = object.__setattr__, None  # type: ignore[assignment, method-assign]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(self._fields, args), **kwargs)  # noqa: B905  # too many are found below
        values = {**self._defaults, **given}
        if len(given) != len(args) + len(kwargs) or values.keys() != self._names:
            raise TypeError(_mismatch(type(self), args, kwargs))
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _values(self) -> tuple[Any, ...]:
        return tuple(map(vars(self).__getitem__, self._fields))

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__qualname__}({fields})"


def replaced(record: R, **changes: Any) -> R:
    """Return a record like another one but for some fields.

    Raises:
        TypeError: When it has no such field.
    """
    kept = {name: getattr(record, name) for name in record._fields if name not in changes}
    return type(record)(**kept, **changes)


def _mismatch(cls: type[Record], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What is wrong with the arguments of a record."""
    named = cls._fields[: len(args)]
    missing = [name for name in cls._fields[len(args) :] if name not in kwargs and name not in cls._defaults]
    if missing:
        return f"{cls.__name__} misses the fields {missing}"
    if len(args) > len(cls._fields):
        return f"{cls.__name__} has {len(cls._fields)} fields, received {len(args)} values"
    twice = [name for name in kwargs if name in named]
    unknown = [name for name in kwargs if name not in cls._fields]
    return f"{cls.__name__} was given {twice} twice" if twice else f"{cls.__name__} has no fields {unknown}"
