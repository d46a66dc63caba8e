import numpy as np
import pytest

from fastlstm.layers import Embedding
from fastlstm.layers.base.arrays import carried_mask

TABLE = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)


def test_rows_of_the_table():
    layer = Embedding(6, 4, weights=[TABLE])
    ids = np.array([[0, 5, 1], [2, 2, -1]])
    for dtype in ("int32", "int64", "float32", "float64", "int8"):
        np.testing.assert_array_equal(layer(ids.astype(dtype)), TABLE[ids])
    np.testing.assert_array_equal(layer(np.array([[1.9, -0.9, -6.9, -1.2]])), TABLE[[[1, 0, -6, -1]]])
    np.testing.assert_array_equal(layer(np.array([True, False])), TABLE[[1, 0]])
    assert layer(ids[:0]).shape == (0, 3, 4)
    y = layer(ids)
    y[:] = 0
    np.testing.assert_array_equal(layer.get_weights()[0], TABLE)


@pytest.mark.parametrize("bad", [6, 100, -7, np.nan, np.inf, -np.inf, 3e9])
def test_ids_outside_the_table(bad):
    with pytest.raises(ValueError, match=r"Embedding 'e': ids must be from -6 to 5. Received: "):
        Embedding(6, 4, name="e")(np.array([[0, bad]]))


def test_mask():
    layer = Embedding(6, 4, mask_zero=True)
    assert layer.supports_masking
    # Of the number itself, not of the row that it names.
    np.testing.assert_array_equal(carried_mask(layer(np.array([[0, 3, 0.5, -0.0]]))), [[False, True, True, False]])
    assert carried_mask(Embedding(6, 4)(np.array([[0, 3]]))) is None
    assert not Embedding(6, 4).supports_masking


@pytest.mark.parametrize("weights", [TABLE, [TABLE], TABLE.tolist()])
def test_weights_argument(weights):
    layer = Embedding(6, 4, weights=weights)
    assert layer.built
    np.testing.assert_array_equal(layer.embeddings.value, TABLE)
    with pytest.raises(ValueError, match="shape"):
        Embedding(6, 5, weights=weights)


def test_table_before_build():
    with pytest.raises(AttributeError, match="You must build the layer before accessing `embeddings`"):
        _ = Embedding(6, 4).embeddings


def test_input_length_is_deprecated():
    with pytest.warns(UserWarning, match="Argument `input_length` is deprecated. Just remove it."):
        layer = Embedding(6, 4, input_length=3)
    assert "input_length" not in layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "`input_dim` must be a positive integer. Received: input_dim=0 (of type int)."),
        ((6, 2.5), "`output_dim` must be a positive integer. Received: output_dim=2.5 (of type float)."),
        ((True, 4), "`input_dim` must be a positive integer. Received: input_dim=True (of type bool)."),
        ((2**24 + 1, 1), "`input_dim` can be at most 16777216"),
    ],
)
def test_refused_sizes(arguments, message):
    with pytest.raises(ValueError) as error:
        Embedding(*arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("argument", [{"lora_rank": 2}, {"lora_alpha": 1.0}, {"quantization_config": {}}])
def test_refused_arguments(argument):
    with pytest.raises(ValueError, match=f"the argument `{next(iter(argument))}` is not supported"):
        Embedding(6, 4, **argument)
