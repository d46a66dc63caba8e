"""Calls of the backend of Keras 1 and 2: of `make_older_backend_goldens.py` with real Keras, and of the tests."""

from __future__ import annotations

import numpy as np

SHAPES = {"a": (2, 3), "b": (2, 3), "w": (3, 4), "s": (2, 4, 3), "t": (2, 3, 5), "u": (2, 4, 3), "i": (2, 2, 3, 4)}


def arrays(made):
    """The tensors by name; `made` makes one of an array."""
    rng = np.random.default_rng(5)
    x = {name: rng.uniform(-2, 2, shape).round(2).astype("float32") for name, shape in SHAPES.items()}
    for name, shape in {"p": (2, 3), "q": (2, 4, 3), "e": (2, 3, 4)}.items():
        x[name] = rng.uniform(0.05, 0.95, shape).round(2).astype("float32")
    x |= {"classes": np.array([2, 0], "int32"), "steps": np.array([[0, 2, 1, 1], [2, 2, 0, 1]], "int32")}
    x |= {"hot": np.eye(3, dtype="float32")[x["classes"]], "hots": np.eye(3, dtype="float32")[x["steps"]]}
    x |= {"flags": x["a"] > 0, "yes": np.array(True)}
    return {name: made(array) for name, array in x.items()}


def step(row, states):
    """A cell of two states."""
    output = row + states[0] * 0.5 - states[1]
    return output, [output, row]


CASES = {
    "abs": lambda K, x: K.abs(x["a"]),
    "all": lambda K, x: K.all(x["flags"], axis=1),
    "any": lambda K, x: K.any(x["flags"], axis=0, keepdims=True),
    "arange": lambda K, x: K.arange(5),
    "arange 2": lambda K, x: K.arange(1, 8, 2, dtype="float32"),
    "argmax": lambda K, x: K.cast(K.argmax(x["s"]), "int32"),
    "argmin": lambda K, x: K.cast(K.argmin(x["s"], axis=1), "int32"),
    "batch_dot": lambda K, x: K.batch_dot(x["s"], x["t"]),
    "batch_dot 2": lambda K, x: K.batch_dot(x["a"], x["b"], axes=1),
    "batch_dot 3": lambda K, x: K.batch_dot(x["s"], x["a"], axes=(2, 1)),
    "batch_dot 4": lambda K, x: K.batch_dot(x["a"], x["s"], axes=(1, 2)),
    "batch_dot 5": lambda K, x: K.batch_dot(x["s"], x["u"], axes=[2, 2]),
    "batch_dot 6": lambda K, x: K.batch_dot(x["s"], x["u"], axes=1),
    "batch_dot 7": lambda K, x: K.batch_dot(x["i"], x["s"], axes=(3, 1)),
    "batch_dot 8": lambda K, x: K.batch_dot(x["t"], x["i"], axes=(1, 2)),
    "batch_flatten": lambda K, x: K.batch_flatten(x["i"]),
    "batch_normalization": lambda K, x: K.batch_normalization(
        x["s"], x["a"][0], x["p"][0], x["b"][1], x["b"][0], epsilon=0.1
    ),
    "bias_add": lambda K, x: K.bias_add(x["i"], x["w"][0]),
    "bias_add 2": lambda K, x: K.bias_add(x["s"], x["s"][0]),
    "bias_add 3": lambda K, x: K.bias_add(x["a"], x["b"][0]),
    "bias_add 4": lambda K, x: K.bias_add(x["i"], x["t"][0, 0, :2], data_format="channels_first"),
    "binary_crossentropy": lambda K, x: K.binary_crossentropy(x["hot"], x["p"]),
    "binary_crossentropy 2": lambda K, x: K.binary_crossentropy(x["hot"], x["a"], from_logits=True),
    "binary_focal_crossentropy": lambda K, x: K.binary_focal_crossentropy(x["hot"], x["p"], True, 0.3, 1.5),
    "binary_focal_crossentropy 2": lambda K, x: K.binary_focal_crossentropy(x["hot"], x["a"], from_logits=True),
    "cast": lambda K, x: K.cast(x["flags"], K.floatx()),
    "cast_to_floatx": lambda K, x: K.cast_to_floatx(x["classes"]),
    "categorical_crossentropy": lambda K, x: K.categorical_crossentropy(x["hots"], x["q"]),
    "categorical_crossentropy 2": lambda K, x: K.categorical_crossentropy(x["hot"], x["a"], from_logits=True),
    "categorical_crossentropy 3": lambda K, x: K.categorical_crossentropy(x["e"], x["t"][:, :, :4] ** 2, axis=1),
    "categorical_focal_crossentropy": lambda K, x: K.categorical_focal_crossentropy(x["hots"], x["q"], 0.3, 1.5),
    "categorical_focal_crossentropy 2": lambda K, x: K.categorical_focal_crossentropy(
        x["hot"], x["a"], from_logits=True
    ),
    "clip": lambda K, x: K.clip(x["a"], -0.5, 1.0),
    "clip 2": lambda K, x: K.clip(x["a"], 1.0, 0.0),
    "clip 3": lambda K, x: K.clip(x["a"], 0.2, None),
    "concatenate": lambda K, x: K.concatenate([x["s"], x["u"]]),
    "concatenate 2": lambda K, x: K.concatenate([x["s"], x["u"]], axis=1),
    "constant": lambda K, x: K.constant([[1, 2], [3, 4]]),
    "constant 2": lambda K, x: K.constant(3, shape=(2, 2), dtype="int32"),
    "cos": lambda K, x: K.cos(x["a"]),
    "cumprod": lambda K, x: K.cumprod(x["a"]),
    "cumsum": lambda K, x: K.cumsum(x["a"], axis=1),
    "cumsum 2": lambda K, x: K.cumsum(x["s"]),
    "dot": lambda K, x: K.dot(x["a"], x["w"]),
    "dot 2": lambda K, x: K.dot(x["s"], x["w"]),
    "dot 3": lambda K, x: K.dot(x["s"], x["t"]),
    "elu": lambda K, x: K.elu(x["a"], 0.7),
    "equal": lambda K, x: K.equal(x["classes"], 2),
    "exp": lambda K, x: K.exp(x["a"]),
    "expand_dims": lambda K, x: K.expand_dims(x["a"]),
    "expand_dims 2": lambda K, x: K.expand_dims(x["a"], 0),
    "eye": lambda K, x: K.eye(3),
    "flatten": lambda K, x: K.flatten(x["s"]),
    "foldl": lambda K, x: K.foldl(lambda made, row: made * 0.5 + row, x["w"]),
    "foldr": lambda K, x: K.foldr(lambda made, row: made * 0.5 + row, x["w"], initializer=x["w"][0]),
    "gather": lambda K, x: K.gather(x["w"], x["steps"]),
    "greater": lambda K, x: K.greater(x["a"], x["b"]),
    "greater_equal": lambda K, x: K.greater_equal(x["classes"], 2),
    "hard_sigmoid": lambda K, x: K.hard_sigmoid(x["a"] * 2),
    "l2_normalize": lambda K, x: K.l2_normalize(x["s"], axis=-1),
    "l2_normalize 2": lambda K, x: K.l2_normalize(x["a"] * 0),
    "less": lambda K, x: K.less(x["a"], 0.1),
    "less_equal": lambda K, x: K.less_equal(x["a"], x["b"]),
    "log": lambda K, x: K.log(x["p"]),
    "map_fn": lambda K, x: K.map_fn(lambda row: row * row[0], x["w"]),
    "max": lambda K, x: K.max(x["s"], axis=1, keepdims=True),
    "maximum": lambda K, x: K.maximum(x["a"], 0.0),
    "mean": lambda K, x: K.mean(x["s"], axis=[1, 2]),
    "mean 2": lambda K, x: K.mean(x["flags"]),
    "min": lambda K, x: K.min(x["s"]),
    "minimum": lambda K, x: K.minimum(x["a"], x["b"]),
    "not_equal": lambda K, x: K.not_equal(x["steps"], 2),
    "one_hot": lambda K, x: K.one_hot(x["steps"], 4),
    "ones": lambda K, x: K.ones((2, 1)),
    "ones_like": lambda K, x: K.ones_like(x["a"]),
    "permute_dimensions": lambda K, x: K.permute_dimensions(x["s"], (0, 2, 1)),
    "pow": lambda K, x: K.pow(x["p"], 1.5),
    "prod": lambda K, x: K.prod(x["a"], axis=0),
    "relu": lambda K, x: K.relu(x["a"]),
    "relu 2": lambda K, x: K.relu(x["a"], alpha=0.1),
    "relu 3": lambda K, x: K.relu(x["a"], alpha=0.2, max_value=1.0, threshold=0.3),
    "relu 4": lambda K, x: K.relu(x["a"] * 5, max_value=6.0),
    "repeat": lambda K, x: K.repeat(x["a"], 4),
    "repeat_elements": lambda K, x: K.repeat_elements(x["a"], 2, 1),
    "reshape": lambda K, x: K.reshape(x["s"], (-1, 6)),
    "reverse": lambda K, x: K.reverse(x["s"], 1),
    "reverse 2": lambda K, x: K.reverse(x["s"], [0, 2]),
    "rnn": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]])[1],
    "rnn 2": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]], go_backwards=True)[0],
    "rnn 3": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]], mask=x["steps"] > 0)[1],
    "rnn 4": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]], mask=x["steps"] > 0, zero_output_for_mask=True)[1],
    "rnn 5": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]], mask=x["steps"] > 0, unroll=True)[2][1],
    "rnn 6": lambda K, x: K.rnn(
        lambda row, states: (row * states[1] + states[0], [row]), x["s"], [x["a"]], constants=[x["b"]]
    )[1],
    "rnn 7": lambda K, x: K.rnn(step, x["e"], [x["e"][0] * 2, x["e"][1]], time_major=True)[1],
    "rnn 8": lambda K, x: K.rnn(step, x["s"], [x["a"], x["b"]], return_all_outputs=False)[1],
    "round": lambda K, x: K.round(x["a"]),
    "sigmoid": lambda K, x: K.sigmoid(x["a"]),
    "sign": lambda K, x: K.sign(x["a"]),
    "sin": lambda K, x: K.sin(x["a"]),
    "softmax": lambda K, x: K.softmax(x["s"], axis=1),
    "softplus": lambda K, x: K.softplus(x["a"]),
    "softsign": lambda K, x: K.softsign(x["a"]),
    "sparse_categorical_crossentropy": lambda K, x: K.sparse_categorical_crossentropy(x["classes"], x["p"]),
    "sparse_categorical_crossentropy 2": lambda K, x: K.sparse_categorical_crossentropy(x["steps"], x["q"]),
    "sparse_categorical_crossentropy 3": lambda K, x: K.sparse_categorical_crossentropy(
        x["classes"], x["a"], from_logits=True
    ),
    "sparse_categorical_crossentropy 4": lambda K, x: K.sparse_categorical_crossentropy(
        x["steps"], x["e"], axis=1, ignore_class=2
    ),
    "spatial_2d_padding": lambda K, x: K.spatial_2d_padding(x["i"], ((1, 0), (0, 2))),
    "spatial_2d_padding 2": lambda K, x: K.spatial_2d_padding(x["i"], data_format="channels_first"),
    "spatial_3d_padding": lambda K, x: K.spatial_3d_padding(K.expand_dims(x["i"]), ((0, 1), (1, 0), (0, 0))),
    "sqrt": lambda K, x: K.sqrt(x["a"]),
    "square": lambda K, x: K.square(x["a"]),
    "squeeze": lambda K, x: K.squeeze(x["s"][:, :1], 1),
    "stack": lambda K, x: K.stack([x["a"], x["b"]], axis=1),
    "std": lambda K, x: K.std(x["s"], axis=1),
    "sum": lambda K, x: K.sum(x["s"], axis=-1, keepdims=True),
    "switch": lambda K, x: K.switch(x["flags"], x["a"], x["b"]),
    "switch 2": lambda K, x: K.switch(x["yes"], lambda: x["a"], lambda: x["b"]),
    "switch 3": lambda K, x: K.switch(x["flags"], x["t"], x["t"] * 0),
    "tanh": lambda K, x: K.tanh(x["a"]),
    "temporal_padding": lambda K, x: K.temporal_padding(x["s"], (2, 1)),
    "tile": lambda K, x: K.tile(x["a"], [2, 1]),
    "transpose": lambda K, x: K.transpose(x["s"]),
    "var": lambda K, x: K.var(x["s"], axis=(0, 1)),
    "zeros": lambda K, x: K.zeros((1, 2)),
    "zeros_like": lambda K, x: K.zeros_like(x["a"], dtype="int32"),
}
