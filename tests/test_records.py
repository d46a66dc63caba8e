"""Records do what frozen dataclasses do."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from fastlstm.records import Record, replaced


class Point(Record):
    """With a default."""

    x: int
    y: int = 2


class Space(Point):
    """One more."""

    z: int = 3


class Weights(Record, eq=False):
    """Arrays are compared by identity."""

    array: np.ndarray


class Count(Record, frozen=False):
    """It changes."""

    number: int = 0


def test_fields_come_in_their_order_or_by_name_with_defaults():
    for point in Point(1), Point(x=1), Point(1, 2), Point(y=2, x=1):
        assert (point.x, point.y) == (1, 2) and vars(point) == {"x": 1, "y": 2}
        assert repr(point) == "Point(x=1, y=2)"
    assert repr(Space(1, z=4)) == "Space(x=1, y=2, z=4)"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, r"Point misses the fields \['x'\]"),
        ((), {"y": 1}, r"Point misses the fields \['x'\]"),
        ((1, 2, 3), {}, "Point has 2 fields, received 3 values"),
        ((1,), {"x": 1}, r"Point was given \['x'\] twice"),
        ((1,), {"z": 1}, r"Point has no fields \['z'\]"),
    ],
)
def test_other_arguments_are_refused(args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        Point(*args, **kwargs)


def test_values_are_compared_unless_a_class_says_otherwise():
    assert Point(1) == Point(1, 2) != Point(2) and hash(Point(1)) == hash(Point(y=2, x=1))
    assert Point(1) != Space(1) and Point(1) != (1, 2)
    array = np.zeros(3)
    assert Weights(array) != Weights(array) and len({Weights(array), Weights(array)}) == 2


def test_they_do_not_change_unless_a_class_says_so():
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2
    with pytest.raises(FrozenInstanceError):
        del point.x
    vars(point)["cached"] = "as functools.cached_property does"
    assert replaced(point, x=5) == Point(5) and point == Point(1)
    with pytest.raises(TypeError, match="no fields"):
        replaced(point, z=5)
    count = Count()
    count.number += 1
    assert count == Count(1) != Count()
    with pytest.raises(TypeError, match="unhashable"):
        hash(count)


@pytest.mark.parametrize("record", [Point(1), Space(1, z=7), Count(2)])
def test_copies_and_pickles_are_equal(record):
    for other in copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record)):
        assert other == record and other is not record
