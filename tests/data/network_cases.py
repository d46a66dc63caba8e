"""Random networks over the layers and arguments that fastlstm supports, the same ones in every Keras-like package.

`network(keras, seed, keras2)` makes a model of the package's own layers: a chain, or a graph grown step by step from
its inputs. As the draws do not depend on the package, a model that one package wrote can be made again by another. A
draw that the package refuses (a merge of masks that do not fit, say) raises what it raises.
"""

from __future__ import annotations

import numpy as np
from network_images import (
    convolution_2d,
    convolutional_lstm,
    global_pooling_2d,
    heads,
    operate,
    pooling_2d,
    resizing_2d,
    transposed,
)
from network_layers import (
    Draw,
    activation,
    activation_layer,
    bidirectional,
    convolution,
    dense,
    flatten,
    global_pooling,
    known,
    masking,
    normalization,
    permute,
    pooling,
    recurrent,
    regularization,
    repeat,
    reshaping,
    resizing,
    scaling,
    two_directions,
)
from network_more import (
    channels_first,
    constants,
    convolution_3d,
    decoder_model,
    einsum_dense,
    grouped_heads,
    masked_heads,
    model_of_dicts,
    operate_more,
    pooling_3d,
    resizing_3d,
    scored_attention,
)

BATCH = 3


# --- wrappers and models --------------------------------------------------------------------------------------------


def time_distributed(d, shape):
    inner = (shape[0], *shape[2:])
    if d.chance(0.15):
        return d.layers.TimeDistributed(chain(d, inner, 2)) if known(inner) and not d.stateful else None
    layer = layer_for(d, inner, avoid=(time_distributed, regularization))
    if layer is None or getattr(layer, "stateful", False):
        return None
    return d.layers.TimeDistributed(layer)


def nested(d, shape, outputs=3):
    """A model as a layer."""
    if d.stateful:
        return None
    return chain(d, shape, d.whole(1, 3)) if d.chance(0.6) else graph(d, [(shape, None)], d.whole(1, 3), outputs)


LAYERS = {
    2: [dense] * 4 + [activation, regularization, activation_layer, normalization, scaling, reshaping, repeat, repeat],
    3: [recurrent] * 8
    + [bidirectional] * 4
    + [two_directions, time_distributed, time_distributed, time_distributed, dense, dense, activation]
    + [regularization, activation_layer, normalization, normalization, scaling, masking, masking]
    + [convolution] * 3
    + [pooling, pooling, global_pooling, resizing, resizing, reshaping, flatten, permute, transposed],
    4: [time_distributed] * 6
    + [dense, activation, normalization, activation_layer, reshaping, reshaping, permute]
    + [convolution_2d] * 4
    + [pooling_2d, pooling_2d, resizing_2d, resizing_2d, global_pooling_2d, convolutional_lstm, convolutional_lstm],
    5: [time_distributed] * 5 + [convolutional_lstm] * 3 + [activation, dense, normalization],
}


def layer_for(d, shape, avoid=()):
    """A layer that fits, or None after a few tries."""
    for _ in range(8):
        families = LAYERS.get(len(shape), [flatten])
        family = d.pick(*families, *(MORE_LAYERS.get(len(shape), []) if d.more else []))
        layer = None if family in avoid else family(d, shape)
        if layer is not None:
            return layer
    return None


def shape_of(tensor):
    return tuple(tensor.shape)


def embedding(d, width):
    return d.layers.Embedding(d.vocabulary, width, **d.some(0.6, mask_zero=[True]))


def chain(d, shape, length, first=()):
    """A Sequential whose input has this shape."""
    dtype = {"dtype": "int32"} if first and d.chance(0.4) else {}
    model = d.keras.Sequential([d.keras.Input(shape[1:], batch_size=shape[0], **dtype), *first])
    for _ in range(length):
        current = tuple(model.output_shape) if model.layers else shape
        layer = nested(d, current, outputs=1) if len(current) == 3 and d.chance(0.06) else layer_for(d, current)
        if layer is not None:
            model.add(layer)
    return model


# --- graphs -------------------------------------------------------------------------------------------------------
# A step takes tensors from the pool and returns the new ones, or None where it finds none to its liking.


def of_rank(d, pool, rank):
    found = [tensor for tensor in pool if len(tensor.shape) == rank]
    return d.pick(*found) if found else None


def alike(pool, one):
    return [tensor for tensor in pool if shape_of(tensor) == shape_of(one)]


def another(d, pool, one):
    """A tensor of the same shape, or None if there is no other."""
    found = [tensor for tensor in alike(pool, one) if tensor is not one]
    return d.pick(*found) if found else None


def apply_layer(d, pool):
    tensor = d.pick(*pool[-3:], *pool)
    layer = layer_for(d, shape_of(tensor))
    return None if layer is None else [layer(tensor)]


def merge(d, pool):
    one = d.pick(*pool)
    other = another(d, pool, one)
    if other is None:
        return None
    kind = d.pick("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Concatenate", "Concatenate")
    tensors = [one, other] + ([d.pick(one, other)] if kind != "Subtract" and d.chance(0.2) else [])
    axis = {"axis": 1} if kind == "Concatenate" and known(shape_of(one)) and d.chance(0.3) else {}
    return [getattr(d.layers, kind)(**axis)(tensors)]


def concatenate(d, pool):
    one = d.pick(*pool)
    fits = [t for t in pool if len(t.shape) == len(one.shape) and shape_of(t)[:-1] == shape_of(one)[:-1]]
    return [d.layers.Concatenate()([one, d.pick(*fits)])] if len(fits) > 1 else None


def dot(d, pool):
    one = d.pick(*pool)
    other = d.pick(*alike(pool, one))
    if len(one.shape) > 3:
        return None
    axes = d.pick(1, -1) if len(one.shape) == 2 else d.pick(1, 2, -1)
    return [d.layers.Dot(axes=axes, **d.some(normalize=[True]))([one, other])]


def attend(d, pool):
    value = of_rank(d, pool, 3)
    if value is None:
        return None
    query = d.pick(*alike(pool, value))
    if d.chance(0.4):
        layer = d.layers.AdditiveAttention(**d.some(use_scale=[False]))
    else:
        layer = d.layers.Attention(**d.some(use_scale=[True], score_mode=["concat", "dot"]))
    inputs = [query, value] + ([d.pick(query, value)] if d.chance(0.3) else [])
    return [layer(inputs, **d.some(0.2, use_causal_mask=[True]))]


def encode_decode(d, pool):
    source, target = of_rank(d, pool, 3), of_rank(d, pool, 3)
    if source is None:
        return None
    kind, units = d.pick("LSTM", "GRU", "SimpleRNN"), d.units()
    both_ways = d.chance(0.3)
    make = bidirectional if both_ways else recurrent
    _, *states = make(d, shape_of(source), kind=kind, units=units, return_state=True)(source)
    # Keras 2 takes given states only where those that a stateful layer kept are 0.
    stateful = {"stateful": False} if d.keras2 else {}
    decoder = make(d, shape_of(target), kind=kind, units=units, return_sequences=d.chance(0.8), **stateful)
    decoded = decoder(target, initial_state=states if len(states) > 1 or d.chance(0.5) else states[0])
    return [decoded, states[-1]]


def with_states(d, pool):
    source = of_rank(d, pool, 3)
    if source is None:
        return None
    layer = (bidirectional if d.chance(0.3) else recurrent)(d, shape_of(source), return_state=True)
    return flat(layer(source))


def both_directions(d, pool):
    source = of_rank(d, pool, 3)
    if source is None:
        return None
    layer = d.layers.Bidirectional(recurrent(d, shape_of(source), wrapped=True), merge_mode=None)
    return flat(layer(source))


def shared(d, pool):
    """One layer, called on two tensors."""
    one = d.pick(*pool)
    other = another(d, pool, one)
    if other is None:
        return None
    layer = nested(d, shape_of(one)) if d.chance(0.3) else layer_for(d, shape_of(one))
    return None if layer is None else [*flat(layer(one)), *flat(layer(other))]


def inner_model(d, pool):
    tensor = d.pick(*pool)
    model = nested(d, shape_of(tensor))
    return None if model is None else flat(model(tensor))


def calculate(d, pool):
    one = d.pick(*pool)
    other = d.pick(*alike(pool, one))
    kind = d.pick("plain", "two", "turned", "step", "slice")
    if kind == "plain":
        return [one * d.pick(0.5, -2.0) + 1.0]
    if kind == "two":
        return [(one - other) * other / 2.0]
    if kind == "turned":
        return [1.0 - abs(-one)]
    if len(one.shape) < 3 or not known(shape_of(one)):
        return None
    return [one[:, -1]] if kind == "step" else [one[:, 1:, :] if one.shape[1] > 1 else one[:, :, :1]]


STEPS = [apply_layer] * 8 + [merge] * 3 + [concatenate] * 2 + [dot, attend, attend, encode_decode, encode_decode]
STEPS += [with_states, with_states, both_directions, shared, shared, inner_model, calculate]
STEPS += [heads, heads, operate, operate, operate]
# What networks with `more` draw from besides.
MORE_LAYERS = {
    2: [einsum_dense],
    3: [einsum_dense, einsum_dense],
    4: [channels_first, channels_first],
    5: [convolution_3d, convolution_3d, pooling_3d, pooling_3d, resizing_3d, resizing_3d],
}
MORE_STEPS = [masked_heads, grouped_heads, scored_attention, constants, constants, decoder_model, decoder_model]
MORE_STEPS += [model_of_dicts, *[operate_more] * 5]


def flat(outputs):
    if isinstance(outputs, dict):
        outputs = [outputs[name] for name in sorted(outputs)]
    if not isinstance(outputs, (list, tuple)):
        return [outputs]
    return [tensor for each in outputs for tensor in flat(each)]


def graph(d, inputs, length, outputs=3):
    """A functional model with at most so many outputs.

    `inputs` has the shape of each input, and the layer that it first goes through or None.
    """
    tensors, pool = [], []
    for shape, first in inputs:
        tensor = d.keras.Input(shape[1:], batch_size=shape[0])
        tensors.append(tensor)
        pool.append(first(tensor) if first else tensor)
    made = []
    while len(made) < length:
        new = d.pick(*STEPS, *(MORE_STEPS if d.more else []))(d, pool)
        if new:
            made += new
            pool += [tensor for tensor in new if 1 < len(tensor.shape) < 6]
    last = made[-d.whole(1, min(outputs, len(made))) :]
    return d.keras.Model(tensors if len(tensors) > 1 else tensors[0], last if len(last) > 1 else last[0])


# --- networks -------------------------------------------------------------------------------------------------------


def input_shape(d, kind, steps):
    batch = BATCH if d.stateful else None
    features = d.whole(1, 5)
    return {
        "series": (batch, steps, features),
        "ids": (batch, steps),
        "vector": (batch, features),
        "sheet": (batch, steps, d.whole(2, 4), features),
        "film": (batch, steps, d.whole(3, 6), d.whole(3, 6), d.whole(1, 3)),
    }[kind]


def network(keras, seed, keras2):
    """Return the draw, the model, and for each input its kind. From seed 10000 on, there is more to draw from."""
    d = Draw(keras, seed, keras2)
    d.more = seed >= 10000
    steps = d.pick(None, 4, 5, 6, 7, 9)
    if d.chance(0.45):
        kind = d.pick("series", "series", "series", "ids", "vector", "sheet", "sheet", "film", "film")
        first = [embedding(d, d.whole(1, 5))] if kind == "ids" else []
        return d, chain(d, input_shape(d, kind, steps), d.whole(2, 6), first), [kind]
    some = ("series", "series", "ids", "vector")
    kinds = [d.pick(*some, *some, "film") for _ in range(d.whole(1, 3))]
    features = d.whole(1, 5)
    inputs = []
    for kind in kinds:
        shape, first = input_shape(d, kind, steps), None
        if kind == "series":
            shape, first = (*shape[:-1], features), masking(d, shape) if d.chance(0.4) else None
        elif kind == "ids":
            first = embedding(d, features)
        inputs.append((shape, first))
    return d, graph(d, inputs, d.whole(2, 8)), kinds


def inputs_of(d, model, kinds):
    """Random inputs of the model, with a leading axis of calls; stateful models are called twice."""
    steps = d.whole(4, 8)
    calls = 2 if d.stateful else 1
    arrays = []
    for tensor, kind in zip(model.inputs, kinds, strict=True):
        shape = tuple(steps if size is None else size for size in shape_of(tensor)[1:])
        ids = kind == "ids"
        full = (calls, BATCH, *shape)
        x = d.rng.integers(1, d.vocabulary, full) if ids else d.rng.uniform(-2, 2, full).round(2)
        if kind != "vector":
            valid = validity(d, full[:3])
            valid = valid.reshape(valid.shape + (1,) * (x.ndim - valid.ndim))
            x = np.where(valid, x, 0 if ids else d.mask_value)
        arrays.append(x.astype("float32"))
    return arrays


def validity(d, shape):
    """Which steps of (calls, batch, timesteps) hold something."""
    steps = np.arange(shape[-1])
    lengths = d.rng.integers(0, shape[-1] + 1, (*shape[:-1], 1))
    if d.padding == "inner":
        return d.rng.random(shape) < 0.6
    if d.padding == "none":
        return np.ones(shape, bool)
    return steps < lengths if d.padding == "right" else steps >= lengths
