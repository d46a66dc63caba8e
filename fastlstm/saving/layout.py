"""Walking a LayerSpec: who owns which variable, and Keras' names for the groups of a weight store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fastlstm.records import Record
from fastlstm.saving.spec import LayerSpec, VariableSpec


def numbered(names: Sequence[str]) -> list[str]:
    """Names made unique as Keras does it within one container: `lstm`, `lstm_1`, `dense`, `lstm_2`."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique


class Owner(Record):
    """A layer that has variables of its own, and where they are in `list(spec.flatten())`.

    Args:
        spec: The layer, often a cell inside another layer.
        path: Layer names from the model's layer down to this one.
        first: The index of its first variable.
    """

    spec: LayerSpec
    path: tuple[str, ...]
    first: int

    def slots(self) -> Iterator[tuple[int, VariableSpec]]:
        """`(index in the flat list, variable)` pairs."""
        return enumerate(self.spec.variables, self.first)


def owners(spec: LayerSpec, path: tuple[str, ...] = (), first: int = 0) -> Iterator[Owner]:
    """Every layer with variables of its own, in the order of `spec.flatten()`.

    Args:
        spec: The layer to walk.
        path: The names above it.
        first: The index of its first variable in the flat list of the whole model.
    """
    path = (*path, spec.name)
    if spec.variables:
        yield Owner(spec, path, first)
    first += len(spec.variables)
    for child in spec.members():
        yield from owners(child, path, first)
        first += sum(1 for _ in child.flatten())


def top_layers(model: LayerSpec) -> tuple[LayerSpec, ...]:
    """The model's own layers, in order."""
    return tuple(model.members())
