import numpy as np
import pytest

from fastlstm import Model, layers
from fastlstm.layers import AdditiveAttention, Attention, Input
from fastlstm.layers.base.arrays import as_tensors, carried_mask
from fastlstm.layers.base.structure import flatten

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


def derivative(function, arrays, direction, step=1e-2):
    """The slope of a function of arrays along a direction, by central differences."""
    ahead, behind = ([x + sign * step * v for x, v in zip(arrays, direction, strict=True)] for sign in (1, -1))
    return (function(ahead) - function(behind)) / (2 * step)


ATTENTIONS = {
    "self": ({"num_heads": 2, "key_dim": 3}, {}, 2),
    "key of its own": ({"num_heads": 2, "key_dim": 3, "value_dim": 4, "output_shape": 5}, {}, 3),
    "causal": ({"num_heads": 2, "key_dim": 3}, {"use_causal_mask": True}, 2),
    "masked": ({"num_heads": 2, "key_dim": 3, "use_bias": False}, {"masks": True}, 2),
    "scores": ({"num_heads": 2, "key_dim": 3}, {"return_attention_scores": True, "masks": True}, 2),
    "gate": ({"num_heads": 2, "key_dim": 3, "use_gate": True}, {}, 2),
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_gradients_of_heads(name):
    arguments, call, count = ATTENTIONS[name]
    rng = np.random.default_rng(len(name))
    layer = layers.MultiHeadAttention(**arguments)
    given = [rng.normal(size=shape).astype("float32") for shape in ((3, 4, 6), (3, 5, 7), (3, 5, 8))[:count]]
    call = dict(call)
    if call.pop("masks", False):
        call |= {"query_mask": rng.random((3, 4)) < 0.7, "value_mask": rng.random((3, 5)) < 0.7}
    layer(*given, **call)
    layer.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in layer.get_weights()])
    outputs, backward = layer.call_with_gradient(*given, **call)
    for ours, plain in zip(flatten(outputs), flatten(layer.call(*given, **call)), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)
    d = [rng.normal(size=one.shape).astype("float32") for one in flatten(outputs)]
    d_query, of_weights, others = backward(tuple(d) if len(d) > 1 else d[0])
    slopes = [d_query, *(others[name] for name in ("value", "key")[: count - 1]), *of_weights]
    assert len(of_weights) == len(layer.trainable_weights) and set(others) == {"value", "key"} - (
        {"key"} if count == 2 else set()
    )

    def value(arrays):
        layer.set_weights(arrays[count:])
        return sum(
            float((one * by).sum()) for one, by in zip(flatten(layer.call(*arrays[:count], **call)), d, strict=True)
        )

    arrays = [*given, *layer.get_weights()]
    for number, slope in enumerate(slopes):
        direction = [np.zeros_like(x) for x in arrays]
        direction[number] = rng.normal(size=arrays[number].shape).astype("float32")
        direction[number] /= np.linalg.norm(direction[number])
        expected = derivative(value, arrays, direction)
        np.testing.assert_allclose(
            (slope * direction[number]).sum(), expected, rtol=5e-3, atol=5e-3, err_msg=str(number)
        )


@pytest.mark.parametrize(
    ("equation", "output", "bias_axes", "shape"),
    [
        ("abc,cd->abd", (None, 4), "d", (3, 5, 6)),
        ("abc,cde->abde", (None, 2, 4), "de", (3, 5, 6)),
        ("...x,xy->...y", (4,), "y", (3, 2, 5, 6)),
        ("ab...,bc->ac...", (4,), None, (3, 6, 5)),
        ("abc,bd->adc", (4, 6), "d", (3, 5, 6)),
    ],
)
def test_gradients_of_sums_of_products(equation, output, bias_axes, shape):
    rng = np.random.default_rng(len(equation))
    layer = layers.EinsumDense(equation, output, activation="tanh", bias_axes=bias_axes)
    x = rng.normal(size=shape).astype("float32")
    layer(x)
    layer.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in layer.get_weights()])
    y, backward = layer.call_with_gradient(x)
    np.testing.assert_allclose(y, layer.call(x), rtol=1e-5, atol=1e-6)
    d = rng.normal(size=y.shape).astype("float32")
    d_x, of_weights = backward(d)

    def value(arrays):
        layer.set_weights(arrays[1:])
        return float((layer.call(arrays[0]) * d).sum())

    arrays = [x, *layer.get_weights()]
    for number, slope in enumerate([d_x, *of_weights]):
        direction = [np.zeros_like(one) for one in arrays]
        direction[number] = rng.normal(size=arrays[number].shape).astype("float32")
        direction[number] /= np.linalg.norm(direction[number])
        np.testing.assert_allclose(
            (slope * direction[number]).sum(), derivative(value, arrays, direction), rtol=5e-3, atol=5e-3
        )


def test_a_network_with_attention_of_heads_learns():
    x = layers.Input((6, 4))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 3, dropout=0.1)(y, y))
    model = Model(x, layers.Dense(1)(layers.GlobalMaxPooling1D()(y)))
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 6, 4))
    history = model.fit(inputs, inputs.sum(axis=(1, 2))[:, None] / 5, epochs=8, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]


@pytest.mark.parametrize("trainable", [True, False])
def test_attention_of_heads_sees_the_masks_in_training(trainable):
    """As in Keras, the loss before the first step is that of `evaluate`."""
    x = layers.Input((6, 4))
    y = layers.Masking()(x)
    y = layers.MultiHeadAttention(2, 3, trainable=trainable)(y, y)
    model = Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(y)))
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(4, 6, 4)), rng.normal(size=(4, 1))
    inputs[:, 3:] = 0
    expected = model.evaluate(inputs, targets, verbose=0)
    np.testing.assert_allclose(model.train_on_batch(inputs, targets), expected, rtol=1e-6)
