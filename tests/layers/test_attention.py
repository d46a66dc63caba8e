import numpy as np
import pytest

from fastlstm.layers import AdditiveAttention, Attention, Input
from fastlstm.layers.base.arrays import as_tensors, carried_mask

RNG = np.random.default_rng(3)
QUERY, VALUE, KEY = (RNG.normal(size=(9, *shape)).astype(np.float32) for shape in ((4, 33), (7, 6), (7, 33)))


@pytest.mark.parametrize("make", [Attention, lambda: Attention(score_mode="concat"), AdditiveAttention])
def test_rows_do_not_depend_on_the_batch(make):
    layer = make()
    y = layer([QUERY, VALUE, KEY])
    for row in (0, 4, 8):
        rows = slice(row, row + 1)
        np.testing.assert_array_equal(layer([QUERY[rows], VALUE[rows], KEY[rows]]), y[rows])


def test_masked_values_do_not_count():
    mask = RNG.random((9, 7)) < 0.5
    mask[:, 2] = True
    layer = Attention()
    y, weights = layer([QUERY, as_tensors(VALUE, [mask]), KEY], return_attention_scores=True)
    assert weights.shape == (9, 4, 7)
    assert not weights[~np.broadcast_to(mask[:, None], weights.shape)].any()
    for row in range(9):
        valid = mask[row]
        alone = layer([QUERY[row : row + 1], VALUE[row : row + 1, valid], KEY[row : row + 1, valid]])
        np.testing.assert_allclose(y[row], alone[0], rtol=1e-5, atol=1e-5)


def test_masked_queries_give_zero():
    mask = RNG.random((9, 4)) < 0.5
    y = Attention()([as_tensors(QUERY, [mask]), VALUE, KEY])
    assert not y[~mask].any()
    assert y[mask].all()
    np.testing.assert_array_equal(carried_mask(y), mask)
    np.testing.assert_array_equal(Attention()([QUERY, VALUE, KEY], mask=[mask, None]), y)


def test_causal():
    y = Attention()([KEY, VALUE, KEY], use_causal_mask=True)
    np.testing.assert_allclose(y[:, 0], VALUE[:, 0], rtol=1e-6)
    changed = VALUE.copy()
    changed[:, 3:] = 0
    np.testing.assert_array_equal(Attention()([KEY, changed, KEY], use_causal_mask=True)[:, :3], y[:, :3])


def test_dropout_in_training():
    layer = Attention(dropout=0.5, seed=1)
    inputs = [QUERY, VALUE, KEY]
    _, weights = layer(inputs, return_attention_scores=True)
    _, dropped = layer(inputs, training=True, return_attention_scores=True)
    kept = dropped != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(dropped[kept], 2 * weights[kept], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(score_mode="sum"), "Expected one of {'dot', 'concat'}. Received: score_mode=sum"),
        (lambda: Attention()(QUERY), "Attention layer must be called on a list of inputs, namely [query, value]"),
        (lambda: AdditiveAttention()([QUERY]), "AdditiveAttention layer accepts inputs list of length 2 or 3"),
        (lambda: Attention()([KEY, VALUE, KEY], mask=np.ones((9, 7))), "Attention layer mask must be a list"),
        (lambda: Attention()([KEY, VALUE, KEY], mask=[None]), "Attention layer accepts mask list of length 2 or 3."),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)


@pytest.mark.parametrize("make", [Attention, AdditiveAttention])
def test_the_shape_of_the_output_takes_no_call(make):
    """None of its inputs fits any memory."""
    x, y = Input((5, 10**10)), Input((4, 10**10))
    assert make(use_scale=False)([x, y]).shape == (None, 5, 10**10)
