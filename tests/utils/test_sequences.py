import numpy as np
import pytest

from fastlstm.utils import normalize, pad_sequences, to_categorical


def test_strings():
    padded = pad_sequences([["a", "b"], ["c"]], dtype=object, value="", padding="post")
    assert padded.tolist() == [["a", "b"], ["c", ""]]
    assert pad_sequences([["ab"], ["c", "d"]], dtype="<U2", value="xy").tolist() == [["xy", "ab"], ["c", "d"]]


@pytest.mark.parametrize(
    ("sequences", "arguments", "message"),
    [
        (3, {}, "`sequences` must be iterable."),
        ([[1], 2], {}, "`sequences` must be a list of iterables. Found non-iterable: 2"),
        ([["a"]], {"value": "b"}, "`dtype` int32 is not compatible with `value`'s type: <class 'str'>\nYou should set"),
        ([[1]], {"truncating": "mid"}, 'Truncating type "mid" not understood'),
        ([[1]], {"padding": "mid"}, 'Padding type "mid" not understood'),
        (
            [[[1, 2]], [[1]]],
            {},
            r"Shape of sample (1,) of sequence at position 1 is different from expected shape (2,)",
        ),
    ],
)
def test_refused(sequences, arguments, message):
    with pytest.raises(ValueError) as error:
        pad_sequences(sequences, **arguments)
    assert message in str(error.value)


def test_classes_out_of_range():
    with pytest.raises(ValueError, match="to_categorical cannot be computed of what it was given: index"):
        to_categorical([0, 3], num_classes=3)


@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
@pytest.mark.parametrize("axis", [-1, 1])
def test_normalize(order, axis):
    x = np.array([[1.0, -2, 2], [0, 0, 0], [3, 4, 0]])
    for given, dtype in ((x, np.float64), (x.tolist(), np.float32)):
        y = normalize(given, axis, order)
        assert y.dtype == dtype
        np.testing.assert_allclose(np.linalg.norm(y, order, axis), [1, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(normalize(x.tolist(), 0), x / np.linalg.norm(x, axis=0), rtol=1e-6)
    # As in Keras, an array's norms along axis 0 divide its last axis.
    np.testing.assert_allclose(normalize(x, 0), x / np.linalg.norm(x, axis=0)[:, np.newaxis], rtol=1e-6)
