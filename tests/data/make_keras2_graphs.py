"""Models whose masks and states go as they did in Keras 2, answered by tf_keras, for `keras2_graphs.zip`.

    python make_keras2_graphs.py [CASE …]

Names of cases write these alone. The archive holds `<case>.h5`, or `.keras` by turns, with an `.npz` of the inputs
`x0, x1 …` and outputs `y0, y1 …`.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "TF_USE_LEGACY_KERAS": "1"}

ARCHIVE = Path(__file__).parent / "keras2_graphs.zip"
WORDS, LETTERS = (7,), (7, 5)


def ids(rng, shape):
    """Ids of which the later ones of a row are 0, and all of them in some rows."""
    x = rng.integers(1, 9, (4, *shape))
    lengths = rng.integers(0, shape[-1] + 1, x.shape[:-1])
    return np.where(np.arange(shape[-1]) < lengths[..., None], x, 0).astype("float32")


def series(rng, shape):
    """Numbers, with steps of nothing but zeros."""
    return (rng.normal(size=(4, *shape)) * (rng.random((4, *shape[:-1], 1)) > 0.4)).astype("float32")


# --- masks through TimeDistributed ----------------------------------------------------------------------------------


def embedded(K, **given):
    x = K.Input(LETTERS, **given)
    return x, K.layers.TimeDistributed(K.layers.Embedding(9, 3, mask_zero=True))(x)


def letters(K, rng):
    """Letters of words: the outputs of words without letters are those of no step at all."""
    x, y = embedded(K)
    return K.Model(x, K.layers.TimeDistributed(K.layers.LSTM(3))(y)), [ids(rng, LETTERS)]


def letters_and_words(K, rng):
    """Words without letters are masked for the layers after."""
    L = K.layers
    x, y = embedded(K)
    y = L.TimeDistributed(L.Bidirectional(L.LSTM(2)))(y)
    words = L.Input(WORDS)
    both = L.Concatenate()([L.Embedding(9, 3, mask_zero=True)(words), y])
    both = L.SpatialDropout1D(0.3)(both)
    y = L.TimeDistributed(L.Dense(3, "softmax"))(L.Bidirectional(L.LSTM(3, return_sequences=True))(both))
    return K.Model([x, words], y), [ids(rng, LETTERS), ids(rng, WORDS)]


def letters_kept(K, rng):
    """The layer inside gives sequences, and with them its own mask."""
    L = K.layers
    x, y = embedded(K)
    y = L.TimeDistributed(L.GRU(3, return_sequences=True))(y)
    y = L.TimeDistributed(L.Dropout(0.2))(L.TimeDistributed(L.Dense(4, "tanh"))(y))
    return K.Model(x, L.LSTM(3)(L.TimeDistributed(L.LSTM(3))(y))), [ids(rng, LETTERS)]


def letters_in_a_model(K, rng):
    """A model makes masks inside, and gives one."""
    L = K.layers
    inner = K.Sequential([L.Input(LETTERS[1:]), L.Embedding(9, 3, mask_zero=True), L.LSTM(3, return_sequences=True)])
    x = K.Input(LETTERS)
    return K.Model(x, L.GRU(3)(L.TimeDistributed(L.LSTM(2))(L.TimeDistributed(inner)(x)))), [ids(rng, LETTERS)]


def letters_read_in_a_model(K, rng):
    """A model uses the masks that it makes, and gives none."""
    L = K.layers
    inner = K.Sequential([L.Input(LETTERS[1:]), L.Embedding(9, 3, mask_zero=True), L.LSTM(3)])
    x = K.Input(LETTERS)
    return K.Model(x, L.GRU(3)(L.TimeDistributed(inner)(x))), [ids(rng, LETTERS)]


def masked_windows(K, rng):
    L = K.layers
    model = K.Sequential([L.Input((6, 4, 3)), L.TimeDistributed(L.Masking()), L.TimeDistributed(L.LSTM(3)), L.LSTM(2)])
    return model, [series(rng, (6, 4, 3))]


def windows_masked_whole(K, rng):
    """The mask is made before, of an axis more than the steps."""
    L = K.layers
    x = K.Input((6, 4, 3))
    y = L.TimeDistributed(L.GRU(3))(L.Masking()(x))
    return K.Model(x, [L.LSTM(2)(y), L.LSTM(2, return_sequences=True)(y)]), [series(rng, (6, 4, 3))]


def steps_of_dense(K, rng):
    """The mask of the steps goes through."""
    L = K.layers
    layers = [L.Masking(), L.TimeDistributed(L.Dense(4, "relu")), L.TimeDistributed(L.BatchNormalization()), L.LSTM(3)]
    return K.Sequential([L.Input((6, 3)), *layers]), [series(rng, (6, 3))]


def twice_distributed(K, rng):
    L = K.layers
    x = K.Input((3, *LETTERS))
    y = L.TimeDistributed(L.TimeDistributed(L.Embedding(9, 3, mask_zero=True)))(x)
    y = L.TimeDistributed(L.LSTM(3))(L.TimeDistributed(L.TimeDistributed(L.LSTM(3)))(y))
    return K.Model(x, L.LSTM(2)(y)), [ids(rng, (3, *LETTERS))]


def letters_of_a_batch(K, rng):
    x, y = embedded(K, batch_size=4)
    return K.Model(x, K.layers.LSTM(3)(K.layers.TimeDistributed(K.layers.LSTM(3))(y))), [ids(rng, LETTERS)]


# --- states with masks from outside ---------------------------------------------------------------------------------


def decoder(K, kind, between=None):
    """A model that decodes a sequence from states, which it is given."""
    L = K.layers
    states = [K.Input((3,)) for _ in range(2 if kind == "LSTM" else 1)]
    x = K.Input((6, 2))
    y = between(x) if between else x
    y = getattr(L, kind)(3, return_sequences=True)(y, initial_state=states)
    return K.Model([x, *states], L.TimeDistributed(L.Dense(2))(y), name="decoder")


def encoded(K, kind, x):
    _, *states = getattr(K.layers, kind)(3, return_state=True)(x)
    return states


def masked_decoder(K, rng, kind="LSTM", between=None):
    x = K.Input((6, 2))
    masked = K.layers.Masking()(x)
    return K.Model(x, decoder(K, kind, between)([masked, *encoded(K, kind, masked)])), [series(rng, (6, 2))]


def masked_gru_decoder(K, rng):
    return masked_decoder(K, rng, "GRU", K.layers.Dense(3))


def masked_decoder_behind_a_layer(K, rng):
    return masked_decoder(K, rng, "LSTM", K.layers.LSTM(3, return_sequences=True))


def decoder_of_a_decoder(K, rng):
    """The mask comes from outside two models."""
    L = K.layers
    inner, x = decoder(K, "GRU"), K.Input((6, 2))
    state = K.Input((3,))
    outer = K.Model([x, state], inner([L.Dropout(0.1)(x), state]))
    source = K.Input((6, 2))
    masked = L.Masking()(source)
    return K.Model(source, L.LSTM(2)(outer([masked, *encoded(K, "GRU", masked)]))), [series(rng, (6, 2))]


def decoder_called_twice(K, rng):
    """Once on a masked sequence and once on one that is not."""
    x, other = K.Input((6, 2)), K.Input((6, 2))
    masked, inner = K.layers.Masking()(x), decoder(K, "LSTM")
    states = encoded(K, "LSTM", masked)
    model = K.Model([x, other], [inner([masked, *states]), inner([other, *states])])
    return model, [series(rng, (6, 2)), series(rng, (6, 2))]


def both_ways_decoder(K, rng):
    L = K.layers
    x, states = K.Input((6, 2)), [K.Input((3,)) for _ in range(4)]
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(x, initial_state=states)
    inner = K.Model([x, *states], L.LSTM(2)(y))
    source = K.Input((6, 2))
    masked = L.Masking()(source)
    _, *states = L.Bidirectional(L.LSTM(3, return_state=True))(masked)
    return K.Model(source, inner([masked, *states])), [series(rng, (6, 2))]


# --- states of convolutional layers ---------------------------------------------------------------------------------


def convolutional_decoder(K, rng):
    L = K.layers
    x, target = K.Input((4, 5, 5, 2)), K.Input((3, 5, 5, 2))
    _, h, c = L.ConvLSTM2D(3, 3, padding="same", return_state=True)(x)
    y = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(target, initial_state=[h, c])
    return K.Model([x, target], y), [series(rng, (4, 5, 5, 2)), series(rng, (3, 5, 5, 2))]


def convolutional_decoder_given_states(K, rng):
    L = K.layers
    x, h, c = K.Input((4, 6, 2)), K.Input((6, 3)), K.Input((6, 3))
    settings = {"padding": "same", "recurrent_activation": "sigmoid"}
    y = L.ConvLSTM1D(3, 3, go_backwards=True, return_state=True, **settings)([x, h, c])
    return K.Model([x, h, c], list(y)), [series(rng, shape) for shape in ((4, 6, 2), (6, 3), (6, 3))]


def in_float64(K, rng):
    """Not of the graph: what computes in more digits than fastlstm."""
    L = K.layers
    layers = [L.Bidirectional(L.LSTM(3, dtype="float64"), dtype="float64"), L.Dense(2, dtype="float64")]
    return K.Sequential([L.Input((6, 2), dtype="float64"), *layers]), [series(rng, (6, 2))]


CASES = [
    letters,
    letters_and_words,
    letters_kept,
    letters_in_a_model,
    letters_read_in_a_model,
    masked_windows,
    windows_masked_whole,
    steps_of_dense,
    twice_distributed,
    letters_of_a_batch,
    masked_decoder,
    masked_gru_decoder,
    masked_decoder_behind_a_layer,
    decoder_of_a_decoder,
    decoder_called_twice,
    both_ways_decoder,
    convolutional_decoder,
    convolutional_decoder_given_states,
    in_float64,
]


def randomize(model, rng):
    for weight in model.weights:
        value = rng.normal(scale=0.7, size=weight.shape)
        weight.assign(np.abs(value) + 0.3 if "variance" in weight.name else value)


def members(K, number, case):
    """The files of a case by their names."""
    K.backend.clear_session()
    rng = np.random.default_rng(number)
    model, xs = case(K, rng)
    randomize(model, rng)
    outputs = model(xs if len(xs) > 1 else xs[0], training=False)
    ys = [y.numpy() for y in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    arrays = {f"x{i}": x for i, x in enumerate(xs)} | {f"y{i}": y for i, y in enumerate(ys)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{case.__name__}.{('h5', 'keras')[number % 2]}"
        model.save(path)
        return {path.name: path.read_bytes(), f"{case.__name__}.npz": buffer.getvalue()}


def main():
    import tf_keras

    wanted, kept = set(sys.argv[1:]) or {case.__name__ for case in CASES}, {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if name.partition(".")[0] not in wanted}
    for number, case in enumerate(CASES):
        if case.__name__ in wanted:
            kept |= members(tf_keras, number, case)
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
