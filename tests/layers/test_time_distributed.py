import json

import numpy as np
import pytest

from fastlstm import Sequential, load_model
from fastlstm.layers import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    Input,
    Layer,
    TimeDistributed,
    Wrapper,
    deserialize,
    serialize,
)
from networks import randomized


@pytest.fixture
def frames():
    return np.random.default_rng(4).normal(size=(3, 5, 2, 4)).astype(np.float32)


@pytest.mark.parametrize("inner", [lambda: Dense(7, "tanh"), lambda: Activation("softmax"), lambda: Dropout(0.4)])
def test_pointwise_layers_run_as_without_the_wrapper(sequences, frames, inner):
    for x in (sequences, frames):
        layer = randomized(TimeDistributed(inner()), x)
        plain = randomized(inner(), x)
        assert layer.lower() is not None
        np.testing.assert_array_equal(layer(x), plain(x))
        assert layer.compute_output_shape(x.shape) == plain.compute_output_shape(x.shape)


@pytest.mark.parametrize(
    "inner",
    [
        lambda: LSTM(3),
        lambda: GRU(3, return_sequences=True),
        lambda: Bidirectional(LSTM(2)),
        lambda: Sequential([LSTM(3, return_sequences=True), GRU(2), Dense(3)]),
    ],
)
def test_every_step_by_itself(frames, inner):
    layer = randomized(TimeDistributed(inner()), frames)
    expected = np.stack([layer.layer(frames[:, t]) for t in range(5)], axis=1)
    y = layer(frames)
    np.testing.assert_array_equal(y, expected)
    assert layer.compute_output_shape(frames.shape) == y.shape
    assert layer.compute_output_shape((None, None, 2, 4)) == (None, None, *y.shape[2:])


def test_stateful_layer_inside_goes_on_from_step_to_step(frames):
    layer = randomized(TimeDistributed(LSTM(3, stateful=True)), frames)
    y = layer(frames)
    layer.layer.reset_state()
    for t in range(5):
        np.testing.assert_array_equal(y[:, t], layer.layer(frames[:, t]))


def test_mask_for_the_layer_inside(frames):
    mask = np.random.default_rng(6).random((3, 5, 2)) < 0.6
    layer = randomized(TimeDistributed(GRU(3)), frames)
    y = layer(frames, mask=mask)
    for t in range(5):
        np.testing.assert_array_equal(y[:, t], layer.layer(frames[:, t], mask=mask[:, t]))

    class Masked(Wrapper):
        def call(self, inputs, mask=None):
            return self.layer.call(inputs) * mask[:, np.newaxis]

    dense = randomized(Dense(2), frames[:, :, 0])
    y = TimeDistributed(Masked(dense))(frames[:, :, 0], mask=mask[:, :, 0])
    np.testing.assert_allclose(y, dense(frames[:, :, 0]) * mask[:, :, :1], rtol=1e-6)


def test_mask_goes_on(sequences):
    assert TimeDistributed(Dense(2)).supports_masking
    assert TimeDistributed(Dense(2)).compute_mask(sequences, "mask") == "mask"


def test_training_reaches_the_layer_inside(frames):
    layer = TimeDistributed(Dropout(0.5, seed=1))
    y = layer(frames, training=True)
    kept = np.asarray(y) != 0
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(y[kept], 2 * frames[kept], rtol=1e-6)
    np.testing.assert_array_equal(layer(frames), frames)


def test_refused(sequences, frames):
    class TwoOutputs(Layer):
        def call(self, inputs):
            return inputs, inputs

    with pytest.raises(ValueError, match=r"Please initialize `TimeDistributed` layer with .* Received: 3"):
        TimeDistributed(3)
    with pytest.raises(ValueError, match="Layer 3 supplied to Wrapper isn't a supported layer type"):
        Wrapper(3)
    layer = TimeDistributed(Dense(2))
    message = r"at least 3 dimensions, received: \(3, 4\)"
    for use in (layer, lambda x: layer.build(x.shape), lambda x: layer.compute_output_shape(x.shape)):
        with pytest.raises(ValueError, match=message):
            use(sequences[:, 0])
    layer(sequences)
    with pytest.raises(ValueError, match=message):
        layer(sequences[:, 0])
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        layer(sequences[:, :, :2])
    for shape in ((3, 7), (4, 6), (3, 7, 2)):
        with pytest.raises(ValueError, match=r"The `mask` passed to the `TimeDistributed` layer has a shape"):
            layer(sequences, mask=np.ones(shape, bool))
    with pytest.raises(ValueError, match="must be at least 2D"):
        layer(sequences, mask=np.ones(3, bool))
    with pytest.raises(ValueError, match="should have one output"):
        TimeDistributed(TwoOutputs())(frames)


def test_in_a_model_saved_and_loaded(sequences, tmp_path):
    model = Sequential([Input((6, 4)), LSTM(3, return_sequences=True), TimeDistributed(Dense(2, "relu")), GRU(3)])
    flat = Sequential([Input((6, 4)), LSTM(3, return_sequences=True), Dense(2, "relu"), GRU(3)])
    randomized(model, sequences)
    randomized(flat, sequences)
    expected = flat.predict(sequences, verbose=0)
    np.testing.assert_array_equal(model.predict(sequences, verbose=0), expected)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(sequences, verbose=0), expected)


def test_config_round_trip():
    layer = TimeDistributed(Dense(2, "relu", name="d"), name="t")
    layer.build((None, 5, 4))
    config = json.loads(json.dumps(serialize(layer)))
    again = deserialize(config)
    assert json.loads(json.dumps(serialize(again))) == config
    for built in (layer, again):
        assert [weight.path for weight in built.weights] == ["t/d/kernel", "t/d/bias"]
