import copy
import pickle

import numpy as np
import pytest

from fastlstm.layers.base.variable import CHANGES, Variable, Watch


def test_filled_on_first_read():
    asked = []

    def fill(shape):
        asked.append(shape)
        return np.full(shape, 3.0)

    variable = Variable(fill, (2, 3), "kernel", "a/kernel")
    assert asked == []
    assert (variable.shape, variable.ndim, variable.size, variable.dtype) == ((2, 3), 2, 6, "float32")
    np.testing.assert_array_equal(variable, np.full((2, 3), 3.0))
    variable.numpy()
    assert asked == [(2, 3)]
    assert repr(variable) == "<Variable path=a/kernel, shape=(2, 3), dtype=float32>"


def test_huge_variables_cost_nothing_until_read():
    assert Variable(np.zeros, (2**31, 2**31)).size == 2**62


def test_assign_replaces_the_fill_and_counts():
    variable = Variable(lambda shape: pytest.fail("the initializer ran"), (2,))
    watch, other = Watch(), Watch()
    with CHANGES.lock:
        variable.watch(watch)
        Variable(np.zeros, (2,)).watch(other)
    given = np.array([1, 2])
    variable.assign(given)
    given[:] = 9
    assert watch.count > 0 == other.count
    np.testing.assert_array_equal(variable.value, [1, 2])
    assert variable.value.dtype == np.float32
    with pytest.raises(ValueError, match=r"must match. variable.shape=\(2,\), Received: value.shape=\(3,\)"):
        variable.assign(np.ones(3))


def test_values_cannot_be_changed_behind_its_back():
    variable = Variable(np.ones, (2,))
    with pytest.raises(ValueError, match="read-only"):
        variable.value[0] = 5
    variable.numpy()[0] = 5
    np.asarray(variable)[0] = 5
    np.testing.assert_array_equal(variable, [1, 1])
    assert np.asarray(variable, "float64").dtype == np.float64
    for again in (copy.deepcopy(variable), pickle.loads(pickle.dumps(variable))):
        np.testing.assert_array_equal(again, variable)
        assert not again.value.flags.writeable


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"must be fully-defined \(no `None` dimensions\)"):
        Variable(np.ones, (None, 2))
    with pytest.raises(ValueError, match=r"must return shape \(2,\). It returned \(3,\)"):
        Variable(lambda shape: np.ones(3), (2,)).numpy()
