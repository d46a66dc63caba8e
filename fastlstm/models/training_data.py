"""What `fit` and `evaluate` are given, as batches `(x, y, sample_weight)`, epoch after epoch."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType
from typing import Any

import numpy as np

from fastlstm import arguments, random
from fastlstm.layers.base.arrays import is_array
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.models.inputs import DEFAULT_BATCH_SIZE, is_generator
from fastlstm.printable import quoted, shown

Batch = tuple[Any, Any, Any]


def unpacked(data: Any) -> Batch:
    """Return `(x, y, sample_weight)` of data that has one to three of them.

    Raises:
        ValueError: With Keras' text, when it has more.
    """
    data = tuple(data) if isinstance(data, list) else data
    if not isinstance(data, tuple):
        return data, None, None
    if len(data) > 3 or not data:
        raise ValueError(
            f"Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, found: {data}"
        )
    return (*data, *(None,) * (3 - len(data)))


class Epochs:
    """The batches of epochs.

    Args:
        x, y, sample_weight, batch_size, shuffle, class_weight: As for `fit`.
        steps: Batches of an epoch, None for all. Where there are more, the next epoch goes on with them, with fewer
            batches if they end.
        prepared: Makes of arrays of inputs what the model takes, once for all rows; takes the rows of a batch too.

    Raises:
        ValueError: With Keras' texts, when they do not fit together, or are of no type that is accepted.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: Any = False,
        class_weight: Mapping[int, float] | None = None,
        prepared: Callable[[Any, int | None], Any] = lambda x, rows: x,
    ) -> None:
        self._steps = steps
        self._seen = 0
        self._current: Iterator[Batch] | None = None
        self._data: _Arrays | _Batches | _Dataset | _OrderedDataset
        if is_arrays(x) and all(part is None or is_arrays(part) for part in (y, sample_weight)):
            self._data = _Arrays(x, y, sample_weight, batch_size, steps, shuffle, class_weight, prepared)
        elif is_generator(x):
            kind, adapter = _kind_of(x)
            for argument, value, words in (("y", y, "targets"), ("sample_weights", sample_weight, "sample weights")):
                if value is not None:
                    raise ValueError(
                        f"When providing `x` as a {kind}, `{argument}` should not be passed. Instead, the {words} "
                        f"should be included as part of the {kind}."
                    )
            self._data = adapter(x, shuffle, class_weight, prepared)
        else:
            raise ValueError(f"Unrecognized data type: x={quoted(x)} (of type {type(x)})")
        self._count = self._data.count

    @property
    def count(self) -> int | None:
        """Batches of an epoch, None while that is not known."""
        return self._steps or self._count

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        """Yield `(step, batch)` for the batches of the next epoch."""
        self._data.begin()
        if self._current is None or self._steps is None:
            self._current, self._seen = iter(self._data), 0
        for step in itertools.count() if self.count is None else range(self.count):
            if self._count and self._seen >= self._count:
                _warn_of_the_end()
                break
            try:
                batch = next(self._current)
            except StopIteration:
                self._count = self._count or self._seen
                _warn_of_the_end()
                self._current = None
                break
            self._seen += 1
            yield step, batch
        if self._count and self._seen >= self._count:
            self._current = None
        self._data.end()


def is_arrays(nested: Any) -> bool:
    """Return whether this is an array, or a structure of arrays."""
    leaves = flatten(nested)
    return bool(leaves) and all(is_array(leaf) for leaf in leaves)


def split(arrays: Batch, validation_split: float) -> tuple[Batch, Batch]:
    """Return all but the last part of the rows, and that part.

    Args:
        arrays: `x`, `y`, `sample_weight`; None for one that is not given.
        validation_split: The part, above 0 and below 1.

    Raises:
        ValueError: With Keras' texts, when they are no arrays, or one part would be empty.
    """
    leaves = [leaf for part in arrays for leaf in flatten(part) if leaf is not None]
    wrong = [type(leaf) for leaf in leaves if not is_array(leaf)]
    if wrong or not leaves:
        raise ValueError(
            "Argument `validation_split` is only supported for tensors or NumPy arrays."
            f"Found incompatible type in the input: {wrong}"
        )
    rows = len(leaves[0])
    at = math.floor(rows * (1.0 - validation_split)) if 0 <= validation_split <= 1 else 0
    if not 0 < at < rows:
        raise ValueError(
            f"Training data contains {rows} samples, which is not sufficient to split it into a validation and "
            f"training set as specified by `validation_split={validation_split}`. Either provide more data, or a "
            "different value for the `validation_split` argument."
        )

    def rows_of(part: Any, chosen: slice) -> Any:
        return None if part is None else map_structure(lambda leaf: np.asarray(leaf)[chosen], part)

    x, y, weight = ((rows_of(part, slice(at)), rows_of(part, slice(at, None))) for part in arrays)
    return (x[0], y[0], weight[0]), (x[1], y[1], weight[1])


def weights_of_classes(y: Any, class_weight: Mapping[int, float]) -> np.ndarray:
    """Return the weight of each sample: that of its class, 1 for a class that is not named.

    Args:
        y: Classes by number, `(rows,)` or `(rows, 1)`; or one-hot.
        class_weight: Weights by class.
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"`class_weight` should be a dict by class. Received: {shown(class_weight)}")
    classes = np.asarray(y)
    if classes.ndim > 1:
        classes = np.argmax(classes, axis=-1) if classes.shape[-1] != 1 else classes[..., 0]
    classes = np.round(classes).astype(np.int32)
    return np.array([class_weight.get(int(number), 1.0) for number in classes], np.float32)


class _Arrays:
    """Arrays whose rows are cut into batches."""

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None,
        steps: int | None,
        shuffle: Any,
        class_weight: Mapping[int, float] | None,
        prepared: Callable[[Any, int | None], Any],
    ) -> None:
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
            if isinstance(y, (list, tuple, dict)):
                raise ValueError("`class_weight` is only supported for Models with a single output.")
            sample_weight = weights_of_classes(y, class_weight)
        if steps is not None and not steps >= 1:
            raise ValueError(f"The number of steps should be a positive integer. Received: {steps!r}")
        _check_rows(x, y, sample_weight)
        self._rows = len(flatten(x)[0])
        of_steps = math.ceil(self._rows / min(steps, max(1, self._rows))) if steps else DEFAULT_BATCH_SIZE
        self._size = batch_size or of_steps
        self._x = prepared(x, self._size)
        self._y, self._weight = standardized(y), standardized(sample_weight)
        self._shuffle = shuffle
        self.count = math.ceil(self._rows / self._size)

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Batch]:
        order = _permutation(self._rows) if self._shuffle and self._shuffle != "batch" else None
        for start in range(0, self._rows, self._size):
            stop = min(start + self._size, self._rows)
            rows: Any = slice(start, stop)
            if self._shuffle == "batch":
                rows = start + _permutation(stop - start)
            elif order is not None:
                rows = order[start:stop]
            yield tuple(_rows(part, rows) for part in (self._x, self._y, self._weight))


class _ReadyMade:
    """Batches that somebody else has made.

    Args:
        count: How many there are in an epoch; None: nobody knows.
        class_weight, prepared: As for `Epochs`.
    """

    def __init__(
        self,
        count: int | None,
        class_weight: Mapping[int, float] | None,
        prepared: Callable[[Any, int | None], Any],
    ) -> None:
        self.count = count
        self._class_weight = class_weight
        self._prepared = prepared

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def _given(self) -> Iterator[Any]:
        """The batches of an epoch as they come."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._given():
            x, y, weight = unpacked(batch)
            if self._class_weight is not None:
                weight = weights_of_classes(y, self._class_weight)
            yield self._prepared(x, None), standardized(y), standardized(weight)


class _Batches(_ReadyMade):
    """A generator of batches."""

    def __init__(
        self,
        batches: Any,
        shuffle: Any,
        class_weight: Mapping[int, float] | None,
        prepared: Callable[[Any, int | None], Any],
    ) -> None:
        if class_weight is not None:
            raise ValueError(
                f"Argument `class_weight` is not supported for Python generator inputs. Received: {class_weight=}"
            )
        if shuffle:
            warnings.warn(
                "`shuffle=True` was passed, but will be ignored since the data `x` was provided as a generator. The "
                "generator is expected to yield already-shuffled data.",
                stacklevel=4,
            )
        first = list(itertools.islice(batches, 1))
        if not first:
            raise ValueError(
                "When passing a Python generator to a Keras model, the generator must yield at least one batch. "
                "Received an empty generator."
            )
        if not isinstance(first[0], tuple):
            raise ValueError(
                "When passing a Python generator to a Keras model, the generator must return a tuple, either (input,) "
                f"or (inputs, targets) or (inputs, targets, sample_weights). Received: {first[0]}"
            )
        super().__init__(None, None, prepared)
        self._batches = itertools.chain(first, batches)

    def _given(self) -> Iterator[Any]:
        return self._batches


class _Dataset(_ReadyMade):
    """A dataset that gives batches by number."""

    def __init__(
        self,
        dataset: Any,
        shuffle: Any,
        class_weight: Mapping[int, float] | None,
        prepared: Callable[[Any, int | None], Any],
    ) -> None:
        super().__init__(dataset.num_batches, class_weight, prepared)
        self._dataset = dataset
        self._shuffle = shuffle
        if self.count is None and shuffle:
            warnings.warn(
                "`shuffle=True` was passed, but will be ignored since the data `x` was provided as an infinite "
                "PyDataset. The PyDataset is expected to already be shuffled.",
                stacklevel=4,
            )

    def begin(self) -> None:
        """Tell the dataset that an epoch begins."""
        self._dataset.on_epoch_begin()

    def end(self) -> None:
        """Tell the dataset that an epoch has ended."""
        self._dataset.on_epoch_end()

    def _given(self) -> Iterator[Any]:
        numbers: Any = itertools.count() if self.count is None else range(self.count)
        if self._shuffle and self.count is not None:
            numbers = map(int, _permutation(self.count))
        return (self._dataset[number] for number in numbers)


class _OrderedDataset(_ReadyMade):
    """The batches of a dataset that has an order of its own, such as `timeseries_dataset_from_array` makes.

    Args:
        dataset: Every `for` loop over it begins again; `num_batches` says how many batches there are.
        shuffle, class_weight, prepared: As for `Epochs`.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: Any,
        class_weight: Mapping[int, float] | None,
        prepared: Callable[[Any, int | None], Any],
    ) -> None:
        super().__init__(dataset.num_batches, class_weight, prepared)
        self._dataset = dataset
        if shuffle:
            warnings.warn(
                "`shuffle=True` was passed, but will be ignored since the data `x` was provided as a tf.data.Dataset. "
                "The Dataset is expected to already be shuffled (via `.shuffle(buffer_size)`).",
                stacklevel=4,
            )

    def _given(self) -> Iterator[Any]:
        return iter(self._dataset)


def _kind_of(x: Any) -> tuple[str, type[_Batches | _Dataset | _OrderedDataset]]:
    """Keras' name of what batches come from, and what reads them."""
    if isinstance(x, GeneratorType):
        return "generator", _Batches
    return ("PyDataset", _Dataset) if hasattr(x, "on_epoch_begin") else ("tf.data.Dataset", _OrderedDataset)


def standardized(nested: Any) -> Any:
    """Return targets or weights as arrays: floats of any width as float32."""
    return None if nested is None else map_structure(_as_target, nested)


def _as_target(leaf: Any) -> Any:
    if leaf is None:
        return None
    array = arguments.array(leaf)
    if array.dtype == object:
        raise ValueError(f"Invalid dtype: {array.dtype.name}")
    return array.astype(np.float32) if array.dtype.kind == "f" and array.dtype != np.float32 else array


def _rows(part: Any, rows: Any) -> Any:
    return None if part is None else map_structure(lambda leaf: None if leaf is None else leaf[rows], part)


def _permutation(count: int) -> np.ndarray:
    return np.random.default_rng(random.make_default_seed()).permutation(count)


def _check_rows(x: Any, y: Any, sample_weight: Any) -> None:
    parts = {"x": x, "y": y, "sample_weight": sample_weight}
    sizes = {name: [len(leaf) for leaf in flatten(part) if leaf is not None] for name, part in parts.items()}
    if len({size for of_part in sizes.values() for size in of_part}) > 1:
        lines = [f"'{name}' sizes: {', '.join(map(str, of_part))}\n" for name, of_part in sizes.items() if of_part]
        raise ValueError(
            f"Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.{''.join(lines)}"
        )


def _warn_of_the_end() -> None:
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at "
        "least `steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function when building your "
        "dataset.",
        stacklevel=4,
    )
