import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import GRU, LSTM, Bidirectional, Dense, Flatten, GlobalAveragePooling1D, SimpleRNN, TimeDistributed

LENGTHS = (5, 2, 9, 5, 1, 17, 2, 5)
RNG = np.random.default_rng(12)
SEQUENCES = [RNG.normal(size=(length, 3)).astype(np.float32) for length in LENGTHS]

MODELS = {
    "last": [LSTM, Dense],
    "stacked": [(LSTM, "sequences"), Dense, (GRU, "sequences"), LSTM, Dense],
    "sequences": [(LSTM, "sequences"), (SimpleRNN, "sequences"), Dense],
    "states": [(LSTM, "sequences"), (LSTM, "sequences", "state")],
    "last states": [(GRU, "state")],
    "backwards": [(LSTM, "backwards"), Dense],
    "both ways": [Bidirectional, (LSTM, "sequences")],
    "pooled": [(LSTM, "sequences"), GlobalAveragePooling1D],
    "only dense": [Dense],
}


def layer(kind, *words):
    flags = {"return_sequences": "sequences", "return_state": "state", "go_backwards": "backwards"}
    arguments = {name: True for name, word in flags.items() if word in words}
    if kind is Bidirectional:
        return Bidirectional(LSTM(4, return_sequences=True))
    return GlobalAveragePooling1D() if kind is GlobalAveragePooling1D else kind(5, **arguments)


def model_of(name):
    kinds = [kind if isinstance(kind, tuple) else (kind,) for kind in MODELS[name]]
    return Sequential([Input((None, 3)), *(layer(*kind) for kind in kinds)])


def flat(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


@pytest.mark.parametrize("batch_size", [None, 3, 1])
@pytest.mark.parametrize("name", MODELS)
def test_each_gets_what_it_would_get_alone(name, batch_size):
    model = model_of(name)
    alone = [flat(model.predict(sequence[None], verbose=0)) for sequence in SEQUENCES]
    together = flat(model.predict(SEQUENCES, batch_size=batch_size, verbose=0))
    assert len(together) == len(alone[0])
    for place, outputs in enumerate(together):
        assert len(outputs) == len(SEQUENCES)
        if len({one[place].shape for one in alone}) == 1:
            assert type(outputs) is np.ndarray
        else:
            assert type(outputs) is list
        for output, one in zip(outputs, alone, strict=True):
            np.testing.assert_array_equal(output, one[place][0])


def test_functional_models():
    x = Input((None, 3))
    model = Model(x, {"last": LSTM(4)(x), "all": TimeDistributed(Dense(2))(x)})
    outputs = model.predict(SEQUENCES, verbose=0)
    assert type(outputs["all"]) is list and outputs["last"].shape == (8, 4)
    for index, sequence in enumerate(SEQUENCES):
        alone = model.predict(sequence[None], verbose=0)
        for name in outputs:
            np.testing.assert_array_equal(outputs[name][index], alone[name][0])


def test_the_batch_shrinks():
    # One run of the engine per distinct length, each with the rows that go on.
    model = model_of("stacked")
    chain, runs = model.current_plan.whole, []
    advance = chain.advance
    chain.advance = lambda x, states: runs.append(x.shape[:2]) or advance(x, states)
    model.predict(SEQUENCES, verbose=0)
    assert runs == [(8, 1), (7, 1), (5, 3), (2, 4), (1, 8)]
    del chain.advance


def test_outputs_are_nobody_elses():
    outputs = model_of("sequences").predict(SEQUENCES, verbose=0)
    assert all(output.flags.owndata for output in outputs)


def test_other_forms():
    model = model_of("last")
    expected = model.predict(SEQUENCES, verbose=0)
    np.testing.assert_array_equal(model.predict(tuple(SEQUENCES), verbose=0), expected)
    np.testing.assert_array_equal(model.predict([s.astype(float) for s in SEQUENCES], verbose=0), expected)
    deferred = Sequential([LSTM(2), Dense(1)])
    assert deferred.predict(SEQUENCES, verbose=0).shape == (8, 1)


def test_lists_for_several_inputs_keep_their_meaning():
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], [Dense(1)(a), Dense(2)(b)])
    outputs = model.predict([SEQUENCES[0], SEQUENCES[3]], verbose=0)
    assert [output.shape for output in outputs] == [(5, 1), (5, 2)]
    with pytest.raises(ValueError, match="expects 1 input"):
        Sequential([Input((3,)), Dense(1)]).predict(SEQUENCES, verbose=0)


@pytest.mark.parametrize(
    ("model", "sequences", "arguments", "message"),
    [
        (model_of("last"), [SEQUENCES[0], SEQUENCES[1][:, :2]], {}, "expected axis -1 of input shape to have value 3"),
        (model_of("last"), [SEQUENCES[0], SEQUENCES[1][:0]], {}, "time step"),
        (model_of("last"), SEQUENCES, {"steps": 2}, "`steps` is not supported for a list of sequences"),
        (Sequential([Input((5, 3)), Flatten(), Dense(1)]), SEQUENCES, {}, "Dense expected 15 features"),
        (Sequential([Input(batch_shape=(2, None, 3)), LSTM(2, stateful=True)]), SEQUENCES, {}, "stateful"),
    ],
    ids=["features", "no steps", "steps", "fixed length", "stateful"],
)
def test_refused(model, sequences, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.predict(sequences, verbose=0, **arguments)
