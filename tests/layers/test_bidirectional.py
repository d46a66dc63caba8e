import json

import numpy as np
import pytest

from fastlstm import Sequential, load_model
from fastlstm.engine import reference
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    GRUCell,
    Input,
    LSTMCell,
    SimpleRNN,
    deserialize,
    serialize,
)
from networks import randomized

MODES = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every_step", [False, True])
def test_equals_the_oracle(sequences, mask, mode, every_step):
    layer = Bidirectional(LSTM(5, return_sequences=every_step, return_state=True), merge_mode=mode)
    randomized(layer, sequences)
    states = [np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32) for _ in range(4)]
    weights = layer.get_weights()
    for given in (None, states):
        y, *last = layer(sequences, initial_state=given, mask=mask)
        arguments = {"mask": mask, "zero_output_for_mask": every_step}
        forward, *forward_states = reference.lstm(
            sequences, *weights[:3], initial_state=given and given[:2], **arguments
        )
        backward, *backward_states = reference.lstm(
            sequences, *weights[3:], initial_state=given and given[2:], go_backwards=True, **arguments
        )
        expected = (
            MODES[mode](forward, backward[:, ::-1]) if every_step else MODES[mode](forward[:, -1], backward[:, -1])
        )
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)
        for state, expected_state in zip(last, [*forward_states, *backward_states], strict=True):
            np.testing.assert_allclose(state, expected_state, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("inner", [LSTM, GRU, SimpleRNN])
def test_both_outputs(sequences, inner):
    layer = randomized(Bidirectional(inner(3, return_sequences=True), merge_mode=None), sequences)
    merged = randomized(Bidirectional(inner(3, return_sequences=True)), sequences)
    outputs = layer(sequences)
    assert isinstance(outputs, tuple)
    np.testing.assert_array_equal(np.concatenate(outputs, axis=-1), merged(sequences))
    assert layer.compute_output_shape((None, 6, 4)) == ((None, 6, 3),) * 2
    assert layer.compute_mask(None, "mask") == ("mask", "mask")


@pytest.mark.parametrize("mode", [*MODES, None])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("state", [False, True])
def test_shapes(sequences, mode, every_step, state):
    layer = Bidirectional(LSTM(5, return_sequences=every_step, return_state=state), merge_mode=mode)
    outputs, shapes = layer(sequences), layer.compute_output_shape(sequences.shape)
    if mode is None or state:
        assert [output.shape for output in outputs] == list(shapes)
        assert not state or len(layer.compute_mask(None, "mask")) == len(outputs)
    else:
        assert outputs.shape == shapes


def test_mask_of_outputs():
    assert Bidirectional(GRU(2)).compute_mask(None, "mask") is None
    assert Bidirectional(GRU(2, return_sequences=True)).compute_mask(None, "mask") == "mask"
    layer = Bidirectional(GRU(2, return_sequences=True, return_state=True))
    assert layer.compute_mask(None, "mask") == ["mask", None, None]


def test_names_and_weights():
    layer = Bidirectional(LSTM(3, name="a"), name="b")
    assert (layer.forward_layer.name, layer.backward_layer.name) == ("forward_a", "backward_a")
    assert not layer.forward_layer.go_backwards and layer.backward_layer.go_backwards
    layer.build((None, None, 4))
    assert [weight.path for weight in layer.weights] == [
        f"b/{direction}_a/lstm_cell/{name}"
        for direction in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert Bidirectional(LSTM(3, name="forward_a")).backward_layer.name == "backward_forward_a"
    assert Bidirectional(LSTM(3, name="backward_a")).backward_layer.name == "backward_a"


def test_given_layer_is_copied(sequences):
    given = randomized(LSTM(3, return_sequences=True, use_cudnn=False, trainable=False), sequences)
    layer = Bidirectional(given, weights=given.get_weights() * 2)
    assert not layer.built and not layer.forward_layer.built
    assert layer.forward_layer.use_cudnn is layer.backward_layer.use_cudnn is False
    assert layer.forward_layer.zero_output_for_mask and layer.backward_layer.zero_output_for_mask
    assert not given.zero_output_for_mask
    layer.build(sequences.shape)
    assert np.abs(layer.get_weights()[0] - given.get_weights()[0]).max() > 1e-3
    assert layer.trainable_weights == []


def test_custom_backward_layer(sequences):
    backward = GRU(2, go_backwards=True, name="mine", activation="relu")
    layer = randomized(Bidirectional(LSTM(3), backward_layer=backward), sequences)
    assert layer.backward_layer is backward
    y = layer(sequences)
    assert y.shape == (3, 5) == layer.compute_output_shape(sequences.shape)
    np.testing.assert_array_equal(y[:, 3:], backward(sequences))


def test_stateful(sequences):
    layer = randomized(Bidirectional(GRU(3, stateful=True)), sequences)
    first, second = layer(sequences), layer(sequences)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(first[:, :3], layer.forward_layer(sequences, initial_state=np.zeros((3, 3))))
    assert [state.shape for state in layer.states] == [(3, 3)] * 2
    layer.reset_state()
    np.testing.assert_array_equal(layer(sequences), first)
    np.testing.assert_array_equal(layer(sequences), second)
    layer.reset_states([np.ones((3, 3)), np.zeros((3, 3))])
    expected = layer(sequences, initial_state=[np.ones((3, 3)), np.zeros((3, 3))])
    layer.reset_states([np.ones((3, 3)), np.zeros((3, 3))])
    np.testing.assert_array_equal(layer(sequences), expected)
    stateless = Bidirectional(GRU(3))
    assert stateless.states is None
    with pytest.raises(AttributeError, match="Layer must be stateful"):
        stateless.reset_state()


def test_refused_calls(sequences):
    layer = randomized(Bidirectional(LSTM(3), name="b"), sequences)
    state = np.zeros((3, 3))
    for wrong, received in (([state] * 3, "3 entries"), (state, "ndarray")):
        with pytest.raises(ValueError, match=f"'b' should be a list of 4 entries.*Received: {received}"):
            layer(sequences, initial_state=wrong)
    with pytest.raises(ValueError, match=r"expected ndim=3, found ndim=2. Full shape received: \(3, 4\)"):
        layer(sequences[:, 0])
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        layer(sequences[:, :, :2])
    with pytest.raises(ValueError, match="Pass use_cudnn='auto'"):
        Bidirectional(LSTM(3, use_cudnn=True))(sequences)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": 3}, "Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: 3"),
        ({"layer": Dense(3)}, "`Bidirectional` needs recurrent layers. Received: <Dense"),
        ({"backward_layer": 3}, "`backward_layer` need to be a `keras.layers.Layer` instance. Received: 3"),
        (
            {"merge_mode": "foo"},
            'Invalid merge mode. Received: foo. Merge mode should be one of {"sum", "mul", "ave", "concat", None}',
        ),
        (
            {"backward_layer": LSTM(3)},
            "Forward layer and backward layer should have different `go_backwards` value. Received: "
            "forward_layer.go_backwards False, backward_layer.go_backwards=False",
        ),
        ({"layer": LSTM(3, go_backwards=True)}, "should have different `go_backwards` value"),
        (
            {"backward_layer": LSTM(3, go_backwards=True, stateful=True)},
            'the same value for attribute "stateful", got "False" for forward layer and "True" for backward layer',
        ),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        Bidirectional(**{"layer": LSTM(3), **arguments})
    assert message in str(error.value)


def test_config_round_trip(sequences):
    layer = Bidirectional(
        LSTM(3, return_sequences=True),
        merge_mode="sum",
        backward_layer=LSTM(3, go_backwards=True, activation="relu", return_sequences=True, name="mine"),
    )
    layer.build(sequences.shape)
    config = json.loads(json.dumps(serialize(layer)))
    again = deserialize(config)
    assert (
        again.get_config()["merge_mode"] == "sum" and again.backward_layer.activation is layer.backward_layer.activation
    )
    assert [weight.path for weight in again.weights] == [weight.path for weight in layer.weights]
    assert (again.forward_layer.name, again.backward_layer.name) == (layer.forward_layer.name, "mine")
    np.testing.assert_array_equal(randomized(again, sequences)(sequences), randomized(layer, sequences)(sequences))


@pytest.mark.parametrize("layer", [LSTM(3), Bidirectional(LSTM(3))])
def test_build_config_of_keras_2_with_states(layer):
    layer.build_from_config({"input_shape": [[None, 5, 4], [None, 3], [None, 3]]})
    assert layer.weights[0].shape == (4, 12)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_config_of_keras_2(sequences, go_backwards):
    # It held the one layer that was given; the other read the other way round.
    given = GRU(3, return_sequences=True, go_backwards=go_backwards, name="gru")
    layer = Bidirectional.from_config({"layer": serialize(given), "name": "b", "merge_mode": "concat"})
    assert layer.forward_layer.go_backwards == go_backwards != layer.backward_layer.go_backwards
    randomized(layer, sequences)
    y, weights = layer(sequences), layer.get_weights()
    forward, _ = reference.gru(sequences, *weights[:3], go_backwards=go_backwards)
    backward, _ = reference.gru(sequences, *weights[3:], go_backwards=not go_backwards)
    np.testing.assert_allclose(y, MODES["concat"](forward, backward[:, ::-1]), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    "inner", [lambda: LSTM(3, return_sequences=True), lambda: RNN([LSTMCell(3), GRUCell(2)], return_sequences=True)]
)
def test_in_a_model_saved_and_loaded(sequences, tmp_path, mask, inner):
    model = Sequential([Input((None, 4)), Bidirectional(inner()), Bidirectional(GRU(2)), Dense(3)])
    randomized(model, sequences)
    expected = model.predict(sequences, verbose=0)
    one_by_one = sequences
    for layer in model.layers:
        one_by_one = layer(one_by_one)
    np.testing.assert_array_equal(one_by_one, expected)
    first, second, dense = model.layers
    masked = dense(second(first(sequences, mask=mask), mask=mask))
    np.testing.assert_array_equal(model(sequences, mask=mask), masked)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(sequences, verbose=0), expected)


PATTERNS = ((5, 11, 5), (3, 7, 3), (1, 3, 1))


def test_goldens_of_real_keras(keras_answers):
    x = np.array(keras_answers["x"], np.float32)
    masks = {"right": [[1, 1, 1, 0], [1, 1, 0, 0]], "inner": [[1, 0, 1, 1], [1, 0, 0, 1]]}
    compared = 0
    for name, outputs in keras_answers["cases"].items():
        if not name.startswith("bidir_"):
            continue
        parts = name.split("_")
        state = parts[1] == "state"
        layer = Bidirectional(
            LSTM(2, return_sequences="last" not in parts, return_state=state),
            merge_mode="concat" if state else parts[1],
        )
        layer.build(x.shape)
        forward = [
            ((np.arange(weight.size) * factor % modulus - shift) / 10).reshape(weight.shape)
            for weight, (factor, modulus, shift) in zip(layer.forward_layer.weights, PATTERNS, strict=True)
        ]
        layer.set_weights([*forward, *(array[::-1] for array in forward)])
        got = layer(x, mask=masks[parts[-1]] if "mask" in parts else None)
        for actual, desired in zip(got if state else (got,), outputs, strict=True):
            np.testing.assert_allclose(actual, desired, rtol=2e-6, atol=5e-7, err_msg=name)
        compared += 1
    assert compared == 11


@pytest.mark.parametrize("x", [np.array(1), np.array(None, object), np.ones(3, np.float32)])
def test_arrays_of_too_few_axes(x):
    layer = Bidirectional(LSTM(3))
    layer(Input((5, 3)))
    for call in (layer, layer.call):
        with pytest.raises(ValueError):
            call(x)
