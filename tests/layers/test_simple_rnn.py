import itertools
import json

import numpy as np
import pytest

from fastlstm.engine import reference
from fastlstm.layers import SimpleRNN, SimpleRNNCell
from networks import randomized

UNITS = 5


@pytest.mark.parametrize("go_backwards", [False, True])
def test_equals_the_oracle(sequences, mask, go_backwards):
    state = np.random.default_rng(5).normal(size=(3, UNITS)).astype(np.float32)
    for every_step, use_bias, zero, given in itertools.product([False, True], repeat=4):
        layer = SimpleRNN(
            UNITS,
            return_sequences=every_step,
            return_state=True,
            go_backwards=go_backwards,
            use_bias=use_bias,
            zero_output_for_mask=zero,
        )
        randomized(layer, sequences)
        over_time = {
            "initial_state": state if given else None,
            "mask": mask,
            "go_backwards": go_backwards,
            "zero_output_for_mask": zero,
        }
        y, h = layer(sequences, initial_state=over_time["initial_state"], mask=mask)
        outputs, last = reference.simple_rnn(sequences, *[*layer.get_weights(), None][:3], **over_time)
        np.testing.assert_allclose(y, outputs if every_step else outputs[:, -1], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(h, last, rtol=1e-5, atol=2e-6)


def test_stateful(sequences):
    layer = randomized(SimpleRNN(UNITS, stateful=True, activation="softsign"), sequences)
    both = np.concatenate([sequences, sequences[:, ::-1]], axis=1)
    outputs, _ = reference.simple_rnn(both, *layer.get_weights(), activation=lambda z: z / (1 + np.abs(z)))
    first = layer(sequences)
    np.testing.assert_allclose(layer(sequences[:, ::-1]), outputs[:, -1], rtol=1e-5, atol=1e-6)
    layer.reset_state()
    np.testing.assert_array_equal(layer(sequences), first)


def test_cell(sequences):
    layer = randomized(SimpleRNN(UNITS, return_state=True), sequences)
    cell = SimpleRNNCell(UNITS)
    cell.build((3, 4))
    cell.set_weights(layer.get_weights())
    state = np.full((3, UNITS), 0.3, np.float32)
    h, (new,) = cell(sequences[:, 0], [state])
    np.testing.assert_array_equal(h, new)
    np.testing.assert_array_equal(layer(sequences[:, :1], initial_state=[state])[1], h)
    assert cell.state_size == UNITS
    assert layer.weights[1].path == f"{layer.name}/simple_rnn_cell/recurrent_kernel"


def test_config_round_trip(sequences):
    layer = SimpleRNN(UNITS, activation="relu", bias_regularizer="l1", dropout=0.2, go_backwards=True, seed=5)
    config = layer.get_config()
    again = SimpleRNN.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert not {"recurrent_activation", "cell"} & config.keys()
    np.testing.assert_array_equal(randomized(again, sequences)(sequences), randomized(layer, sequences)(sequences))
    layer.build((None, None, 4))
    assert len(layer.losses) == 1


def test_refused_arguments():
    # Unlike LSTM and GRU, it has no implementations to choose from and no cuDNN.
    for name, value in (("implementation", 1), ("use_cudnn", False), ("recurrent_activation", "tanh")):
        with pytest.raises(ValueError, match=f"Unrecognized keyword arguments passed to SimpleRNN: {{'{name}'"):
            SimpleRNN(2, **{name: value})
    assert not hasattr(SimpleRNN(2), "use_cudnn")
    with pytest.raises(ValueError, match="expected a positive integer, got -3"):
        SimpleRNN(-3)


def test_golden_of_real_keras(keras_answers):
    x = np.array(keras_answers["x"], np.float32)
    layer = SimpleRNN(2, return_sequences=True)
    layer.build(x.shape)
    patterns = ((5, 11, 5), (3, 7, 3), (1, 3, 1))
    layer.set_weights(
        [
            ((np.arange(weight.size) * factor % modulus - shift) / 10).reshape(weight.shape)
            for weight, (factor, modulus, shift) in zip(layer.weights, patterns, strict=True)
        ]
    )
    np.testing.assert_allclose(layer(x), keras_answers["cases"]["simple_rnn"][0], rtol=2e-6, atol=5e-7)
