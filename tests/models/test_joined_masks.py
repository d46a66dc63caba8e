"""Masks in graphs that run as one Program: the bits of the same layers one by one."""

import numpy as np
import pytest

from fastlstm import Input, Model, get_num_threads, layers, set_num_threads
from fastlstm.models.parts import GraphPart
from networks import flat, one_by_one, randomized

pytestmark = pytest.mark.packed_kernels

RNG = np.random.default_rng(8)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def lstm(units, **flags):
    return layers.LSTM(units, return_sequences=True, **flags)


def masked_ids():
    x = Input((9,))
    return x, layers.Embedding(6, 12, mask_zero=True)(x)


def masked_translation():
    source, target = Input((9,)), Input((7,))
    _, *states = layers.LSTM(8, return_state=True)(layers.Embedding(6, 5, mask_zero=True)(source))
    y = lstm(8)(layers.Embedding(6, 5, mask_zero=True)(target), initial_state=states)
    return Model([source, target], layers.Dense(6, activation="softmax")(layers.LSTM(5)(y)))


def masked_features(*inner, value=0.0):
    def make():
        x = Input((9, 3))
        y = layers.Masking(value)(layers.Dropout(0.5)(x))
        for layer in inner:
            y = layer(y)
        return Model(x, y)

    return make


def merged_masks(layer):
    def make():
        x, y = masked_ids()
        a, b = lstm(4)(y), layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum")(y)
        return Model(x, [layers.LSTM(3)(layer([a, b])), layers.Dense(2)(layers.GlobalAveragePooling1D()(a))])

    return make


def masks_that_end():
    x, y = masked_ids()
    z = layers.LayerNormalization()(layers.Dense(4)(y))
    return Model(x, [layers.LSTM(4)(layers.MaxPooling1D(2)(z)), lstm(3)(z)])


def states_of_masked():
    x, y = masked_ids()
    outputs, h, c = lstm(4, return_state=True, go_backwards=True)(y)
    return Model(x, [outputs, layers.Concatenate()([h, c])])


MASKED = {
    "translation": masked_translation,
    "features": masked_features(lstm(4), layers.Dense(3), layers.LSTM(2)),
    "a value for every feature": masked_features(layers.SimpleRNN(4, return_sequences=True), value=[0.0, 1.0, 2.0]),
    "both directions of features": masked_features(layers.Bidirectional(lstm(4)), layers.GlobalAveragePooling1D()),
    "TimeDistributed": masked_features(layers.TimeDistributed(layers.Dense(3)), layers.GRU(4)),
    "sum": merged_masks(layers.Add()),
    "difference": merged_masks(layers.Subtract()),
    "features side by side": merged_masks(layers.Concatenate()),
    "masks that end": masks_that_end,
    "states": states_of_masked,
}


def masked_inputs(model, rows):
    found = []
    for tensor in model.inputs:
        shape = (rows, *tensor.shape[1:])
        if len(shape) == 2:
            x = RNG.integers(0, 6, shape).astype(np.float32)
            x[:, -2:] = 0
        else:
            x = values(*shape)
            x[RNG.random(shape[:2]) < 0.4] = 0
            x[RNG.random(shape[:2]) < 0.2] = np.arange(shape[2])
            x[0, 0, 0] = np.nan
        found.append(x)
    return found


@pytest.mark.filterwarnings("ignore:Layer 'max_pooling1d")
@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("rows", [1, 6])
def test_masks_have_the_bits_of_the_layers_one_by_one(name, rows):
    model = MASKED[name]()
    randomized(model)
    assert [type(part) for part in model.current_plan._runs] == [GraphPart]
    x = masked_inputs(model, rows)
    expected = one_by_one(model, x)
    for output, exact in zip(flat(model.predict_on_batch(x)), expected, strict=True):
        np.testing.assert_array_equal(output, exact)
    before = get_num_threads()
    try:
        set_num_threads(2)
        more = [np.concatenate([array] * 9) for array in x]
        for output, exact in zip(flat(model.predict_on_batch(more)), expected, strict=True):
            np.testing.assert_array_equal(output, np.concatenate([exact] * 9))
    finally:
        set_num_threads(before)


def test_outputs_carry_the_masks_that_they_carried():
    x, y = masked_ids()
    model = Model(x, [layers.Add()([lstm(4)(y), lstm(4)(y)]), layers.LSTM(3)(y)])
    assert [type(part) for part in model.current_plan._runs] == [GraphPart]
    given = masked_inputs(model, 3)[0]
    outputs = model(given)
    np.testing.assert_array_equal(outputs[0]._keras_mask, given != 0)
    assert getattr(outputs[1], "_keras_mask", None) is None


@pytest.mark.parametrize("layer", [layers.Multiply(), layers.Maximum(), layers.Concatenate(axis=1), layers.Attention()])
def test_masks_that_change_values_have_the_layer_run_by_itself(layer):
    x, y = masked_ids()
    model = Model(x, layers.LSTM(3)(layer([lstm(4)(y), lstm(4)(y)])))
    randomized(model)
    given = masked_inputs(model, 4)
    assert type(layer).__name__ in model.plan()
    np.testing.assert_array_equal(model.predict_on_batch(given), one_by_one(model, given)[0])


def test_masks_of_one_of_two_inputs():
    x, y = masked_ids()
    other = Input((9, 4))
    model = Model([x, other], layers.LSTM(3)(layers.Add()([lstm(4)(y), other])))
    randomized(model)
    given = [masked_inputs(model, 4)[0], values(4, 9, 4)]
    np.testing.assert_array_equal(model.predict_on_batch(given), one_by_one(model, given)[0])
