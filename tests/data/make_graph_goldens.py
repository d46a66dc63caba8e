"""Functional models answered by real Keras, for `graph_goldens.zip`.

Run once with Keras 3 and once with tf_keras 2, which add their models to the archive:

    python make_graph_goldens.py keras
    python make_graph_goldens.py tf_keras

A case builds a model from a Keras-like package. For each one the archive holds the saved model and an `.npz` with the
inputs `x0, x1 …` and the outputs `y0, y1 …`, in the order of the model's.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

ARCHIVE = Path(__file__).parent / "graph_goldens.zip"


def padded_ids(rng, *shape):
    """Ids, the last ones of each row 0."""
    ids = rng.integers(1, 7, shape)
    return ids * (np.arange(shape[1]) < rng.integers(1, shape[1], (shape[0], 1)))


def padded(rng, *shape):
    """Features, those of the last steps of each row 0."""
    return rng.normal(size=shape) * (np.arange(shape[1]) < rng.integers(1, shape[1], (shape[0], 1)))[..., None]


def normal(rng, *shape):
    return rng.normal(size=shape)


def seq2seq(K):
    L = K.layers
    source, target = K.Input((None, 3), name="source"), K.Input((None, 2), name="target")
    _, h, c = L.LSTM(4, return_state=True, name="encoder")(source)
    sequences, _, _ = L.LSTM(4, return_sequences=True, return_state=True, name="decoder")(target, initial_state=[h, c])
    return K.Model([source, target], L.Dense(2, activation="softmax", name="words")(sequences))


def masked_seq2seq(K):
    """Keras 3 does not show a layer that is given its states the mask of its inputs, Keras 2 does."""
    L = K.layers
    source, target = K.Input((6,), name="source"), K.Input((5,), name="target")
    states = L.LSTM(4, return_state=True)(L.Embedding(7, 3, mask_zero=True)(source))[1:]
    embedded = L.Embedding(7, 2, mask_zero=True)(target)
    y = L.LSTM(4, return_sequences=True)(embedded, initial_state=states)
    return K.Model([source, target], [L.Dense(3)(L.GRU(5)(y)), y])


def masked_two_ways(K):
    L = K.layers
    x = K.Input((6, 3), name="x")
    masked = L.Masking()(x)
    forth = L.Bidirectional(L.LSTM(4, return_sequences=True, return_state=True), name="both")(masked)
    again = L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="sum")(forth[0], initial_state=forth[1:])
    joined = L.Concatenate()([again, masked, L.TimeDistributed(L.Dense(2))(masked)])
    return K.Model(x, {"last": L.LSTM(3)(joined), "mean": L.GlobalAveragePooling1D()(joined)})


def siamese(K):
    L = K.layers
    left, right = K.Input((5, 3), name="left"), K.Input((5, 3), name="right")
    shared = L.LSTM(4, name="shared")
    distance = abs(shared(left) - shared(right))
    return K.Model([left, right], L.Dense(1, activation="sigmoid")(1 - distance * 0.5))


def nested(K):
    L = K.layers
    row = K.Sequential([K.Input((5, 3)), L.Dense(4), L.LSTM(2, return_sequences=True)], name="row")
    x = K.Input((5, 2), name="inner")
    inner = K.Model(x, [L.Dense(2, name="q")(x), L.LSTM(3, name="w")(x)], name="graph")
    a, b = K.Input((5, 3), name="a"), K.Input((5, 3), name="b")
    first, last = inner(row(a))
    second, other = inner(row(b))
    joined = L.Concatenate(name="join")([last, other])
    return K.Model([a, b], [joined, L.Add()([first, second]), other])


def depths(K):
    """A layer called at two depths, and branches whose order is not that of their making."""
    L = K.layers
    x, late = K.Input((4,), name="x"), K.Input((4,), name="late")
    twice, between = L.Dense(4, activation="tanh", name="twice"), L.Dense(4, activation="relu", name="between")
    long = twice(between(twice(x)))
    short = L.Dense(4, name="short")(late)
    return K.Model([late, x], [short, L.Multiply()([L.Average()([long, short]), late])])


def attention(K):
    L = K.layers
    x = K.Input((6,), name="x")
    y = L.Embedding(7, 3, mask_zero=True)(x)
    keys = L.LSTM(4, return_sequences=True)(y)
    query = L.LSTM(4)(y)
    weights = L.Softmax()(L.Dot(axes=(2, 1))([keys, query]))
    context = L.Dot(axes=(1, 1))([weights, keys])
    both = L.AdditiveAttention(name="additive")([keys, L.Dense(4)(keys)])
    return K.Model(x, [L.Concatenate()([context, query]), both])


def operations(K):
    L = K.layers
    x, y = K.Input((5, 4), name="x"), K.Input((5, 4), name="y")
    z = (-x + y * 2.0 - 1.5) / 4.0
    z = z[:, 1:, ::2]
    h = L.LSTM(3, return_sequences=True)(z)
    step = h[:, -1] + x[:, 0, :3] ** 2
    return K.Model([x, y], [step, h[:, :, 0]])


def mask_of_an_operation(K):
    L = K.layers
    ids = K.Input((6,), name="ids")
    not_equal = K.ops.not_equal if hasattr(K, "ops") else importlib.import_module("tensorflow").not_equal
    return K.Model(ids, L.LSTM(3)(L.Embedding(7, 2)(ids), mask=not_equal(ids, 0)))


def masked_models(K):
    """Nested models that are called with masks, and pass them on."""
    L = K.layers
    row = K.Sequential([K.Input((6, 3)), L.Dense(4), L.LSTM(3, return_sequences=True)], name="row")
    x = K.Input((6, 3), name="inner")
    graph = K.Model(x, [L.GRU(2, return_sequences=True)(x), L.LSTM(3)(x)], name="graph")
    ids = K.Input((6,), name="ids")
    embedded = L.Embedding(7, 3, mask_zero=True)(ids)
    sequences, last = graph(row(embedded))
    other, _ = graph(embedded)
    return K.Model(ids, [L.LSTM(2)(sequences), last, L.Bidirectional(L.SimpleRNN(2))(other)])


def merged_masks(K):
    """Keras 3 joins the masks of several inputs otherwise than Keras 2."""
    L = K.layers
    a, b = K.Input((6,), name="a"), K.Input((6,), name="b")
    embedding, plain = L.Embedding(7, 3, mask_zero=True), L.Embedding(7, 2)
    pair = [embedding(a), embedding(b)]
    merged = [L.Add()(pair), L.Multiply()(pair), L.Concatenate()([pair[0], plain(b)]), L.Attention()(pair)]
    return K.Model([a, b], L.Concatenate()([L.SimpleRNN(2)(one) for one in merged]))


def heads(K):
    """Queries of one series, values of another, keys of their own; and of one series alone, seen up to its own step."""
    L = K.layers
    x, y, z = K.Input((5, 4), name="x"), K.Input((3, 6), name="y"), K.Input((3, 2), name="z")
    y4 = L.Dense(4)(y)
    cross = L.MultiHeadAttention(2, 3, value_dim=5, output_shape=3, name="cross")(x, y4, key=z)
    self = L.MultiHeadAttention(3, 2, use_bias=False, name="self")(x, x, use_causal_mask=True)
    seen = L.MultiHeadAttention(1, 4, name="seen")(
        x, x, attention_mask=x[:, :, :1] > -0.5, return_attention_scores=True
    )
    return K.Model([x, y, z], [cross, L.LSTM(3)(self), *seen])


def masked_heads(K):
    """Queries that are masked, which see nothing."""
    L = K.layers
    a, b = K.Input((6,), name="a"), K.Input((5,), name="b")
    embedding = L.Embedding(7, 4, mask_zero=True)
    x, y = embedding(a), embedding(b)
    dropping = L.MultiHeadAttention(2, 3, dropout=0.2, name="dropping")(x, y)
    both, scores = L.MultiHeadAttention(2, 2, name="both")(x, y, return_attention_scores=True)
    return K.Model([a, b], [L.LSTM(3)(L.MultiHeadAttention(2, 3, name="one")(x, y)), dropping, both, scores])


def sheets(K):
    """Heads over some of several axes, and products of other axes than the last."""
    L = K.layers
    x = K.Input((3, 5, 4), name="x")
    rows = L.MultiHeadAttention(2, 3, attention_axes=2, name="rows")(x, x)
    all_axes = L.MultiHeadAttention(2, 3, attention_axes=(1, 2), output_shape=(2, 2), name="all")(x, x)
    dense = L.EinsumDense("...bc,cde->...bde", (5, 2, 3), bias_axes="de", activation="tanh", name="heads")(x)
    turned = L.EinsumDense("abcd,bf->afcd", (6, 5, 4), bias_axes="f", name="turned")(x)
    return K.Model(x, [rows, all_axes, dense, turned])


def gated_heads(K):
    """What Keras 3 alone has."""
    L = K.layers
    x, ids = K.Input((6, 4), name="x"), K.Input((6,), name="ids")
    gated = L.MultiHeadAttention(2, 3, value_dim=2, use_gate=True, sliding_window=2, name="gated")(x, x)
    embedded = L.Embedding(7, 4, mask_zero=True)(ids)
    grouped = L.GroupQueryAttention(3, 4, 2, name="grouped")(embedded, embedded, use_causal_mask=True)
    scores = L.GroupQueryAttention(2, 4, 1, use_gate=True, name="scores")(x, embedded, return_attention_scores=True)
    return K.Model([x, ids], [gated, grouped, *scores])


CASES = {
    seq2seq: [(normal, 3, 6, 3), (normal, 3, 4, 2)],
    masked_seq2seq: [(padded_ids, 4, 6), (padded_ids, 4, 5)],
    masked_two_ways: [(padded, 4, 6, 3)],
    siamese: [(normal, 3, 5, 3), (normal, 3, 5, 3)],
    nested: [(normal, 3, 5, 3), (normal, 3, 5, 3)],
    depths: [(normal, 3, 4), (normal, 3, 4)],
    attention: [(padded_ids, 4, 6)],
    operations: [(normal, 3, 5, 4), (normal, 3, 5, 4)],
    mask_of_an_operation: [(padded_ids, 4, 6)],
    masked_models: [(padded_ids, 4, 6)],
    merged_masks: [(padded_ids, 4, 6), (padded_ids, 4, 6)],
    heads: [(normal, 3, 5, 4), (normal, 3, 3, 6), (normal, 3, 3, 2)],
    masked_heads: [(padded_ids, 4, 6), (padded_ids, 4, 5)],
    sheets: [(normal, 2, 3, 5, 4)],
    gated_heads: [(normal, 4, 6, 4), (padded_ids, 4, 6)],
}
OF_KERAS_3 = {gated_heads}


def flat(outputs):
    if isinstance(outputs, dict):
        return [outputs[name] for name in sorted(outputs)]
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def main(package):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    keras = importlib.import_module(package)
    kept = {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            names = [name for name in archive.namelist() if not name.startswith(f"{package}_")]
            kept = {name: archive.read(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for case, inputs in CASES.items():
            if case in OF_KERAS_3 and package != "keras":
                continue
            rng = np.random.default_rng(zlib.crc32(case.__name__.encode()))
            keras.backend.clear_session()
            model = case(keras)
            model.set_weights([rng.uniform(-1, 1, weight.shape).astype("f4") for weight in model.get_weights()])
            xs = [make(rng, *shape).astype("f4") for make, *shape in inputs]
            ys = flat(model.predict(xs if len(xs) > 1 else xs[0], verbose=0))
            arrays = {f"x{i}": x for i, x in enumerate(xs)} | {f"y{i}": y for i, y in enumerate(ys)}
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            stem = f"{package}_{case.__name__}"
            kept[f"{stem}.npz"] = buffer.getvalue()
            for ending in ("keras", "h5", "weights.h5"):
                path = Path(folder, f"{stem}.{ending}")
                (model.save_weights if ending == "weights.h5" else model.save)(path)
                kept[path.name] = path.read_bytes()
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(sys.argv[1])
