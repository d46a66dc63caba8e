"""Random layers for tensors of a shape, with random arguments: the families from which `network_cases.py` draws.

A family gets the `Draw` and the shape (batch first) and returns a layer, or None where it does not fit. The numbers
drawn depend on the seed and on shapes alone, never on the package that the layers are of.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ACTIVATIONS = ("tanh", "relu", "sigmoid", "hard_sigmoid", "linear", "elu", "selu", "softplus", "softsign", "swish")
ACTIVATIONS += ("gelu", "mish", "softmax", None)
KERAS3_ACTIVATIONS = ("celu", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu6", "silu")
KERAS3_ACTIVATIONS += ("soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh_shrink")
GATES = ("sigmoid", "hard_sigmoid", "tanh", "relu", "linear", "softmax")
TRAINING = {
    "kernel_initializer": ("he_normal", "lecun_uniform", "orthogonal"),
    "kernel_regularizer": ("l2", "l1"),
    "kernel_constraint": ("max_norm", "non_neg"),
    "bias_initializer": ("ones",),
    "activity_regularizer": ("l2",),
}


class Draw:
    """Random choices for one network, and the package to make it of."""

    def __init__(self, keras: Any, seed: int, keras2: bool) -> None:
        self.keras, self.layers, self.keras2 = keras, keras.layers, keras2
        self.rng = np.random.default_rng([seed, keras2])
        self.stateful = self.chance(0.12)
        self.mask_value = self.pick(0.0, 0.0, -1.0)
        self.padding = self.pick("none", "right", "right", "left", "inner")
        self.vocabulary = self.pick(7, 12)
        self.more = False

    @property
    def tensorflow(self):
        import tensorflow

        return tensorflow

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def units(self) -> int:
        return self.pick(1, 2, 3, 4, 5, 6, 7, 8, 9, 17)

    def some(self, probability: float = 0.3, /, **options) -> dict[str, Any]:
        """Each argument with this probability, and one of its values."""
        return {key: self.pick(*values) for key, values in options.items() if self.chance(probability)}

    def activation(self):
        return self.pick(*ACTIVATIONS, *(() if self.keras2 else KERAS3_ACTIVATIONS))

    def trained(self) -> dict[str, Any]:
        """Arguments that matter in training alone."""
        return self.some(0.08, **TRAINING)


def known(shape) -> bool:
    return None not in shape[1:]


# --- recurrent ----------------------------------------------------------------------------------------------------


def cell_arguments(d, kind):
    arguments = {"units": d.units()} | d.some(0.2, use_bias=[False], dropout=[0.2], recurrent_dropout=[0.3])
    arguments |= {key: value for key, value in d.trained().items() if key != "activity_regularizer"}
    if d.chance(0.35):
        arguments["activation"] = d.activation()
    if "SimpleRNN" not in kind:
        arguments |= d.some(recurrent_activation=GATES) | d.some(0.1, implementation=[1])
    if "GRU" in kind:
        arguments |= d.some(0.5, reset_after=[False, False, True])
    if "LSTM" in kind:
        arguments |= d.some(0.1, unit_forget_bias=[False])
    return arguments


def cell(d):
    kind = d.pick("LSTMCell", "GRUCell", "SimpleRNNCell")
    return getattr(d.layers, kind)(**cell_arguments(d, kind))


def cells(d):
    several = [cell(d) for _ in range(d.whole(1, 3))]
    if len(several) == 1:
        return several[0]
    return d.layers.StackedRNNCells(several) if d.chance(0.5) else several


def sequence_arguments(d, shape, wrapped=False):
    """Without what Keras 3 gets wrong, zeroing masked steps when it goes backwards and unrolls."""
    arguments = d.some(0.6, return_sequences=[True])
    if wrapped:  # in a Bidirectional, which makes the direction in Keras 3 and always zeroes
        arguments |= d.some(0.15, go_backwards=[True]) if d.keras2 else {}
    else:
        arguments |= d.some(0.15, go_backwards=[True], zero_output_for_mask=[True])
        backwards = arguments.keys() >= {"go_backwards", "zero_output_for_mask"}
        arguments |= {} if backwards or shape[1] is None else d.some(0.1, unroll=[True])
    return arguments | ({"stateful": True} if d.stateful and d.chance(0.7) else {})


def recurrent(d, shape, wrapped=False, **fixed):
    kind = fixed.pop("kind", None) or d.pick("LSTM", "LSTM", "LSTM", "GRU", "GRU", "SimpleRNN", "RNN")
    arguments = sequence_arguments(d, shape, wrapped)
    if kind == "RNN":
        return d.layers.RNN(cells(d), **arguments | fixed)
    return getattr(d.layers, kind)(**cell_arguments(d, kind) | arguments | fixed)


def bidirectional(d, shape, **fixed):
    merge_mode = fixed.pop("merge_mode", None) or d.pick("concat", "concat", "sum", "ave", "mul")
    layer = recurrent(d, shape, wrapped=True, **fixed)
    return d.layers.Bidirectional(layer, merge_mode=merge_mode)


def two_directions(d, shape):
    """With a backward layer of its own."""
    shared = {"return_sequences": d.chance(0.5), "stateful": d.stateful and d.chance(0.5)}
    kinds = d.pick("LSTM", "GRU", "SimpleRNN"), d.pick("LSTM", "GRU", "SimpleRNN")
    forward, backward = (getattr(d.layers, kind)(**cell_arguments(d, kind) | shared, go_backwards=way)
                         for kind, way in zip(kinds, (False, True), strict=True))  # fmt: skip
    return d.layers.Bidirectional(forward, backward_layer=backward)


# --- elementwise --------------------------------------------------------------------------------------------------


def dense(d, shape):
    arguments = d.some(0.5, activation=[d.activation()]) | d.some(use_bias=[False]) | d.trained()
    return d.layers.Dense(d.units(), **arguments)


def activation(d, shape):
    return d.layers.Activation(d.activation())


def regularization(d, shape):
    L = d.layers
    kind = d.pick("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Spatial")
    if kind == "Spatial":
        return L.SpatialDropout1D(0.3) if len(shape) == 3 else None
    if kind == "ActivityRegularization":
        return L.ActivityRegularization(l1=0.1, **d.some(l2=[0.2]))
    return getattr(L, kind)(d.pick(0.1, 0.5), **({"seed": 3} if kind == "Dropout" and d.chance(0.5) else {}))


def activation_layer(d, shape):
    L = d.layers
    kind = d.pick("ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", *(["ThresholdedReLU"] if d.keras2 else []))
    if kind == "ReLU":
        return L.ReLU(**d.some(0.5, max_value=[1.5, 6.0], negative_slope=[0.1, 0.3], threshold=[0.2, 0.5]))
    if kind == "LeakyReLU":
        return L.LeakyReLU(**d.some(0.6, **{"alpha" if d.keras2 else "negative_slope": [0.1, 0.25]}))
    if kind == "PReLU":
        free = [axis for axis, size in enumerate(shape) if axis and size is None]
        shared = free or d.pick(None, [1], list(range(1, len(shape))))
        return L.PReLU(shared_axes=shared)
    if kind == "ELU":
        return L.ELU(**d.some(0.6, alpha=[0.5, 1.5]))
    if kind == "Softmax":
        return L.Softmax(**d.some(axis=[1, -1] if len(shape) > 2 else [-1]))
    return L.ThresholdedReLU(theta=d.pick(0.1, 0.5))


def normalization(d, shape):
    L = d.layers
    kinds = ["BatchNormalization"] * 3 + ["LayerNormalization"] * 2 + ["GroupNormalization", "UnitNormalization"]
    kinds += ["Normalization"] + ([] if d.keras2 else ["RMSNormalization"])
    kind = d.pick(*kinds)
    arguments = d.some(0.2, center=[False], scale=[False], epsilon=[0.01, 0.1])
    steps_known = len(shape) > 2 and shape[1] is not None
    if kind == "BatchNormalization":
        axis = d.some(0.2, axis=[1, 2]) if steps_known and len(shape) == 3 else {}
        return L.BatchNormalization(**arguments, **axis, **d.some(0.2, momentum=[0.9], trainable=[False]))
    if kind == "LayerNormalization":
        return L.LayerNormalization(**arguments, **(d.some(axis=[1, [1, 2], -1]) if steps_known else {}))
    if kind == "GroupNormalization":
        divisors = [n for n in range(1, shape[-1] + 1) if shape[-1] % n == 0]
        return L.GroupNormalization(groups=d.pick(*divisors, -1), **arguments)
    if kind == "RMSNormalization":
        return L.RMSNormalization(**d.some(epsilon=[0.01]))
    if kind == "UnitNormalization":
        if shape[-1] == 1:  # all -1 and 1, give or take a bit: whether that is a mask's value is chance
            return None
        return L.UnitNormalization(**(d.some(axis=[1, [1, 2], -1]) if steps_known else {}))
    if d.chance(0.5):
        return L.Normalization(**d.some(0.5, axis=[-1]))
    mean = d.rng.normal(size=shape[-1]).round(3).tolist()
    return L.Normalization(mean=mean, variance=[abs(m) + 0.25 for m in mean], **d.some(invert=[True]))


def scaling(d, shape):
    if d.chance(0.4):
        return d.layers.Identity()
    return d.layers.Rescaling(d.pick(0.5, 1 / 3, -1.5), **d.some(0.6, offset=[-1.0, 0.25]))


# --- series -------------------------------------------------------------------------------------------------------


def masking(d, shape):
    return d.layers.Masking(**({} if d.mask_value == 0 else {"mask_value": d.mask_value}))


def windows(d, shape, kernel):
    """Padding, strides and dilation that leave at least one step."""
    arguments = {"padding": d.pick("valid", "same", *(["causal"] if kernel else []))}
    size = d.whole(1, 4)
    arguments |= d.pick({}, {}, {"strides": d.whole(2, 3)}, {"dilation_rate": 2} if kernel else {})
    reach = (size - 1) * arguments.get("dilation_rate", 1) + 1
    if arguments["padding"] == "valid" and (shape[1] is None or shape[1] < reach):
        arguments["padding"] = "same"
    return size, arguments


def convolution(d, shape):
    L = d.layers
    size, arguments = windows(d, shape, kernel=True)
    arguments |= d.some(0.3, use_bias=[False], activation=[d.activation()])
    features = shape[-1]
    kind = d.pick("Conv1D", "Conv1D", "Conv1D", "SeparableConv1D", "DepthwiseConv1D")
    if kind == "Conv1D":
        groups = d.pick(*[n for n in range(1, features + 1) if features % n == 0])
        groups = groups if d.chance(0.4) else 1
        return L.Conv1D(groups * d.whole(1, 4), size, groups=groups, **arguments, **d.trained())
    arguments |= d.some(depth_multiplier=[2, 3])
    if kind == "SeparableConv1D":
        return L.SeparableConv1D(d.units(), size, **arguments)
    return None if arguments["padding"] == "causal" else L.DepthwiseConv1D(size, **arguments)


def pooling(d, shape):
    size, arguments = windows(d, shape, kernel=False)
    return getattr(d.layers, d.pick("MaxPooling1D", "AveragePooling1D"))(size, **arguments)


def global_pooling(d, shape):
    arguments = d.some(0.2, data_format=["channels_first"] if known(shape) else ["channels_last"], keepdims=[True])
    return getattr(d.layers, d.pick("GlobalMaxPooling1D", "GlobalAveragePooling1D"))(**arguments)


def resizing(d, shape):
    L = d.layers
    kind = d.pick("ZeroPadding1D", "Cropping1D", "UpSampling1D")
    if kind == "Cropping1D":
        return L.Cropping1D(d.pick(1, (0, 1), (2, 0))) if (shape[1] or 0) > 3 else None
    if kind == "UpSampling1D":
        return L.UpSampling1D(d.whole(2, 3)) if (shape[1] or 0) < 12 else None
    return L.ZeroPadding1D(d.pick(1, 2, (0, 2), (1, 2)))


# --- shapes -------------------------------------------------------------------------------------------------------


def reshaping(d, shape):
    if not known(shape):
        return None
    size = math.prod(shape[1:])
    first = d.pick(*[n for n in range(1, size + 1) if size % n == 0 and n <= 24])
    return d.layers.Reshape(d.pick((first, size // first), (first, -1), (-1, size // first)))


def flatten(d, shape):
    return d.layers.Flatten() if known(shape) and math.prod(shape[1:]) <= 200 else None


def permute(d, shape):
    if not known(shape):
        return None
    return d.layers.Permute(tuple(int(axis) + 1 for axis in d.rng.permutation(len(shape) - 1)))


def repeat(d, shape):
    return d.layers.RepeatVector(d.whole(2, 6))
