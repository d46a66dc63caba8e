"""LSTM layers give real Keras' numbers, those of goldens.json and of Keras' own tests."""

import numpy as np
import pytest

from fastlstm import initializers
from fastlstm.layers import LSTM


def recipe(layer):
    """The weights of goldens.json."""

    def pattern(shape, factor, modulus, shift):
        return ((np.arange(np.prod(shape)) * factor % modulus - shift) / 10).reshape(shape)

    kernel, recurrent, *bias = [weight.shape for weight in layer.weights]
    arrays = [pattern(kernel, 5, 11, 5), pattern(recurrent, 3, 7, 3)]
    layer.set_weights(arrays + [(np.arange(shape[0]) % 3 - 1) / 10 for shape in bias])


GOLDEN_MASKS = {
    "right": [[1, 1, 1, 0], [1, 1, 0, 0]],
    "left": [[0, 1, 1, 1], [0, 0, 1, 1]],
    "inner": [[1, 0, 1, 1], [1, 0, 0, 1]],
    "none_valid": [[0, 0, 0, 0], [1, 1, 1, 1]],
}


def golden_arguments(name):
    """`(constructor, call)` arguments of an LSTM case of goldens.json, None for other cases."""
    if name.startswith(("bidir", "gru", "simple", "stateful")):
        return None
    constructor = {"return_sequences": "_last" not in name, "return_state": "_state" in name}
    call = {}
    for mask, values in GOLDEN_MASKS.items():
        if name.startswith(f"mask_{mask}"):
            call["mask"] = np.array(values)
    if name.startswith(("act_", "ract_")):
        key = "activation" if name.startswith("act_") else "recurrent_activation"
        constructor[key] = name.split("_", 1)[1].removesuffix("_x5").removesuffix("_KERAS3")
        constructor[key] = constructor[key].replace("_KERAS2", "_keras2")
    constructor["zero_output_for_mask"] = "_zero_" in name
    constructor["go_backwards"] = "_gb_" in name or "go_backwards" in name
    constructor["use_bias"] = name != "no_bias"
    return constructor, {**call, "init": "init_" in name, "factor": 5 if name.endswith("_x5") else 1}


def test_goldens_of_real_keras(keras_answers):
    x, h0, c0 = (np.array(keras_answers[name], np.float32) for name in ("x", "h0", "c0"))
    compared = 0
    for name, outputs in keras_answers["cases"].items():
        arguments = golden_arguments(name)
        if arguments is None:
            continue
        constructor, call = arguments
        layer = LSTM(2, **constructor)
        layer.build(x.shape)
        recipe(layer)
        factor, initial_state = call.pop("factor"), [h0, c0] if call.pop("init") else None
        got = layer(factor * x, initial_state=initial_state, **call)
        got = got if isinstance(got, tuple) else (got,)
        for actual, desired in zip(got, outputs, strict=True):
            np.testing.assert_allclose(actual, desired, rtol=2e-6, atol=5e-7, err_msg=name)
        compared += 1
    assert compared == 46


def test_stateful_goldens_of_real_keras(keras_answers):
    x = np.array(keras_answers["x"], np.float32)
    layer = LSTM(2, stateful=True)
    layer.build(x.shape)
    recipe(layer)
    for name in ("stateful_1", "stateful_2"):
        np.testing.assert_allclose(layer(x), keras_answers["cases"][name][0], rtol=2e-6, atol=5e-7)
    layer.reset_state()
    np.testing.assert_allclose(layer(x), keras_answers["cases"]["stateful_reset"][0], rtol=2e-6, atol=5e-7)


CONSTANT = {
    "kernel_initializer": initializers.Constant(0.01),
    "recurrent_initializer": initializers.Constant(0.02),
    "bias_initializer": initializers.Constant(0.03),
}


class TestKerasOwn:
    """The numeric cases of Keras' lstm_test.py: constant weights, so they cannot tell gates apart."""

    @pytest.mark.parametrize(
        ("arguments", "rows"),
        [
            ({}, [0.6288687, 0.86899155, 0.9460773]),
            ({"go_backwards": True}, [0.35622165, 0.74789524, 0.8872726]),
            ({"unroll": True}, [0.6288687, 0.86899155, 0.9460773]),
            ({"unit_forget_bias": False}, [0.57019705, 0.8661914, 0.9459622]),
            ({"use_bias": False}, [0.54986924, 0.86226785, 0.9443936]),
            ({"implementation": 1}, [0.6288687, 0.86899155, 0.9460773]),
        ],
    )
    def test_correctness(self, arguments, rows):
        sequence = np.arange(72).reshape(3, 6, 4).astype("float32")
        y = LSTM(3, **CONSTANT, **arguments)(sequence)
        np.testing.assert_allclose(y, np.repeat(np.array(rows)[:, None], 3, axis=1), rtol=1e-5, atol=1e-5)

    def test_statefulness(self):
        sequence = np.arange(24).reshape(2, 3, 4).astype("float32")
        layer = LSTM(4, stateful=True, **CONSTANT)
        for _ in range(2):
            layer(sequence)
            y = layer(sequence)
            np.testing.assert_allclose(y[:, 0], [0.3124785, 0.6863672], rtol=1e-5, atol=1e-5)
            layer.reset_state()

    @pytest.mark.parametrize(
        ("go_backwards", "values"),
        [
            (False, [[0.20574439, 0.3558822], [0.64930826, 0.66276]]),
            (True, [[0.13281618, 0.2790356], [0.5839337, 0.5992567]]),
        ],
    )
    def test_pass_initial_state(self, go_backwards, values):
        sequence = np.arange(24).reshape(2, 4, 3).astype("float32")
        states = [np.arange(4).reshape(2, 2).astype("float32")] * 2
        y = LSTM(2, go_backwards=go_backwards, **CONSTANT)(sequence, initial_state=states)
        np.testing.assert_allclose(y, values, rtol=1e-5, atol=1e-5)

    def test_masking(self):
        sequence = np.arange(24).reshape(2, 4, 3).astype("float32")
        mask = np.array([[True, True, True, False], [True, True, False, False]])
        y = LSTM(2, unroll=True, **CONSTANT)(sequence, mask=mask)
        np.testing.assert_allclose(y[:, 0], [0.11755939, 0.28556206], rtol=1e-5, atol=1e-5)
        y = LSTM(2, return_sequences=True, **CONSTANT)(sequence, mask=mask)[:, :, 0]
        np.testing.assert_allclose(y[0], [0.01588910, 0.05552048, 0.11755939, 0.11755939], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(y[1], [0.14185596, 0.28556206, 0.28556206, 0.28556206], rtol=1e-5, atol=1e-5)
        y = LSTM(2, go_backwards=True, **CONSTANT)(sequence, mask=mask[:, ::-1])
        np.testing.assert_allclose(y[:, 0], [0.15341201, 0.3844719], rtol=1e-5, atol=1e-5)
