"""What every argument of every layer changes: the same questions to Keras and to fastlstm.

`changes(K, name)` makes a layer of a Keras-like package for every argument that its config holds, with another legal
value, and returns what of it is then otherwise than without: shapes, weights, outputs, masks, losses, an error.
"""

from __future__ import annotations

import copy
import json
import zlib
from typing import Any

import numpy as np

SEQUENCE, IMAGE, VOLUME = (2, 6, 4), (2, 6, 7, 4), (2, 4, 5, 6, 2)
FILM = {"1": (2, 4, 6, 2), "2": (2, 3, 6, 5, 2), "3": (2, 3, 4, 5, 4, 2)}
OF_AXES = {"1": SEQUENCE, "2": IMAGE, "3": VOLUME}

# The arguments without which there is no layer, and the shapes of its inputs where they are not those of a sequence.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "tanh"},
    "ActivityRegularization": {"l1": 0.1},
    "AlphaDropout": {"rate": 0.5},
    "CategoryEncoding": {"num_tokens": 4},
    "CenterCrop": {"height": 4, "width": 4},
    "Dense": {"units": 3},
    "Discretization": {"bin_boundaries": [0.0, 0.5]},
    "Dot": {"axes": 2},
    "Dropout": {"rate": 0.5},
    "EinsumDense": {"equation": "abc,cd->abd", "output_shape": (None, 3)},
    "Embedding": {"input_dim": 9, "output_dim": 3},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "GroupNormalization": {"groups": 2},
    "GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
    "GRU": {"units": 3},
    "GRUCell": {"units": 3},
    "Hashing": {"num_bins": 5},
    "IntegerLookup": {"vocabulary": [1, 2, 5]},
    "LSTM": {"units": 3},
    "LSTMCell": {"units": 3},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "Permute": {"dims": (2, 1)},
    "RepeatVector": {"n": 3},
    "Rescaling": {"scale": 2.0},
    "Reshape": {"target_shape": (4, 6)},
    "Resizing": {"height": 3, "width": 5},
    "SimpleRNN": {"units": 3},
    "SimpleRNNCell": {"units": 3},
    "SpatialDropout1D": {"rate": 0.5},
    "SpatialDropout2D": {"rate": 0.5},
    "SpatialDropout3D": {"rate": 0.5},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "TextVectorization": {"vocabulary": ["a", "b"]},
}
MERGING = ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract")
ATTENTION = ("AdditiveAttention", "Attention")
HEADS = ("GroupQueryAttention", "MultiHeadAttention")
TEXTS = ("StringLookup", "TextVectorization")
IMAGES = ("CenterCrop", "Resizing")
# Layers of other objects, whose configs are those of what is inside; what does nothing outside of training; and what
# Keras 3 has not.
LEFT_OUT = (
    *("Bidirectional", "RNN", "SpectralNormalization", "StackedRNNCells", "TimeDistributed", "LocallyConnected1D"),
    *("RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"),
)

# Other values by the name of the argument, or of the class and the argument.
VALUES: dict[str, list[Any]] = {
    "activation": ["relu", "linear"],
    "alpha": [0.3],
    "antialias": [],
    "attention_axes": [(1,)],
    "axes": [1, (1, 1)],
    "axis": [1, (1, 2)],
    "BatchNormalization.axis": [1],
    "RMSNormalization.axis": [],
    "Softmax.axis": [1],
    "Concatenate.axis": [1],
    "Normalization.axis": [1, None],
    "bias_axes": ["d"],
    "bin_boundaries": [[0.0, 0.5, 1.0]],
    "center": [False],
    "crop_to_aspect_ratio": [],
    "cropping": [(0, 1)],
    "Cropping2D.cropping": [((0, 1), (2, 0))],
    "Cropping3D.cropping": [((0, 1), (1, 0), (0, 0))],
    "data_format": ["channels_first"],
    "depth_multiplier": [2],
    "dilation_rate": [2],
    "dims": [(1, 2)],
    "dropout": [0.5],
    "encoding": ["latin-1"],
    "epsilon": [0.3],
    "equation": ["abc,bd->adc"],
    "fill_mode": [],
    "fill_value": [],
    "filters": [5],
    "flash_attention": [False],
    "go_backwards": [True],
    "groups": [1, 4],
    "Conv1D.groups": [2],
    "head_dim": [2],
    "height": [5],
    "idf_weights": [],
    "implementation": [1],
    "input_dim": [12],
    "interpolation": ["bilinear"],
    "Resizing.interpolation": ["nearest"],
    "invert": [True],
    "keepdims": [True],
    "kernel_size": [3],
    "key_dim": [2],
    "l1": [0.3],
    "l2": [0.2],
    "mask_token": ["a"],
    "IntegerLookup.mask_token": [1],
    "mask_value": [0.5],
    "Hashing.mask_value": [2],
    "mask_zero": [True],
    "max_tokens": [9],
    "max_value": [0.5],
    "momentum": [0.5],
    "moving_mean_initializer": ["ones"],
    "n": [2],
    "negative_slope": [0.2],
    "ngrams": [2],
    "noise_shape": [(2, 1, 4)],
    "normalize": [True],
    "num_bins": [7],
    "Discretization.num_bins": [],
    "num_heads": [3],
    "num_key_value_heads": [4],
    "num_oov_indices": [3],
    "num_query_heads": [2],
    "num_tokens": [9],
    "offset": [0.5],
    "oov_method": ["farmhash"],
    "oov_token": ["b"],
    "IntegerLookup.oov_token": [5],
    "output_dim": [5],
    "output_mode": ["multi_hot", "count", "one_hot"],
    "CategoryEncoding.output_mode": ["count", "one_hot"],
    "output_padding": [1],
    "output_sequence_length": [5],
    "output_shape": [(None, 5)],
    "MultiHeadAttention.output_shape": [5],
    "pad_to_aspect_ratio": [],
    "pad_to_max_tokens": [],
    "padding": ["same"],
    "Conv1D.padding": ["same", "causal"],
    "ZeroPadding1D.padding": [(0, 2)],
    "ZeroPadding2D.padding": [((0, 1), (2, 0))],
    "ZeroPadding3D.padding": [((0, 1), (2, 0), (1, 1))],
    "pool_size": [3],
    "rate": [0.0],
    "recurrent_activation": ["relu"],
    "recurrent_dropout": [0.5],
    "reset_after": [False],
    "return_sequences": [True],
    "return_state": [True],
    "salt": [[1, 2]],
    "IntegerLookup.salt": [],
    "scale": [False],
    "Rescaling.scale": [0.5],
    "score_mode": ["concat"],
    "seed": [3],
    "shared_axes": [(1,)],
    "size": [3],
    "UpSampling2D.size": [(1, 3)],
    "UpSampling3D.size": [(1, 3, 1)],
    "sliding_window": [2],
    "split": ["character", None],
    "standardize": [None, "lower"],
    "stateful": [True],
    "stddev": [0.1],
    "strides": [2],
    "target_shape": [(6, 4), (-1,)],
    "threshold": [0.4],
    "trainable": [False],
    "unit_forget_bias": [False],
    "units": [5],
    "unroll": [True],
    "use_bias": [False],
    "use_gate": [True],
    "use_scale": [True, False],
    "value_dim": [2],
    "vocabulary": [["b", "c", "a"]],
    "IntegerLookup.vocabulary": [[5, 7, 1, 2]],
    "width": [3],
    "zero_output_for_mask": [True],
    "mean": [],
    "variance": [],
}
# What is said elsewhere, or cannot be another.
NO_ARGUMENTS = {
    "name",
    "dtype",
    "config",
    "ragged",
    "sparse",
    "synchronized",
    "use_cudnn",
    "quantization_config",
    "vocabulary_dtype",
    "vocabulary_size",
    "key_shape",
    "query_shape",
    "value_shape",
    "rms_scaling",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "softmax_robust_masking",
}


def shape_of(name: str) -> tuple[int, ...]:
    axes = name.removesuffix("Transpose").removesuffix("D")[-1]
    if name.startswith("ConvLSTM"):
        return FILM[axes]
    if name.endswith("Cell") or name == "RepeatVector":
        return (2, 4)
    return OF_AXES.get(axes, SEQUENCE)


def arguments_of(name: str) -> dict[str, Any]:
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    if name.startswith("AveragePooling"):
        return {"pool_size": 2}
    if name.startswith("Depthwise"):
        return {"kernel_size": 2}
    return {"filters": 4, "kernel_size": 2} if "Conv" in name else {}


def random(shape: Any, salt: str) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(f"{salt}{tuple(shape)}".encode()))
    return rng.uniform(-1, 1, shape).astype("float32")


def inputs_of(name: str) -> Any:
    shape = shape_of(name)
    if name in TEXTS:
        return (
            np.array([["a b A a"], ["b c"], ["x. b"]])
            if name == "TextVectorization"
            else np.array([["a", "x"], ["b", "c"]])
        )
    if name in IMAGES:
        return random(IMAGE, "x")
    if name in ("Embedding", "IntegerLookup", "CategoryEncoding", "Hashing"):
        return np.array([[1, 2, 0, 3], [5, 2, 7, 1]])
    x = random(shape, "x")
    return [x, random(shape, "y")] if name in (*MERGING, *ATTENTION) else x


def values_of(name: str, argument: str) -> list[Any]:
    if argument.endswith("_initializer") and argument != "moving_mean_initializer":
        return ["ones" if argument not in ("gamma_initializer", "moving_variance_initializer") else "zeros"]
    if argument.endswith("_regularizer"):
        return ["l2"]
    if argument.endswith("_constraint"):
        return ["non_neg"]
    return VALUES.get(f"{name}.{argument}", VALUES.get(argument, []))


def changes(K: Any, name: str, arguments: Any = None) -> dict[str, list[str]]:
    """Return `argument=value` → what is otherwise, for a class; an argument without another value raises KeyError.

    `arguments` are the names of those that are changed, None for all that the layer's config holds.
    """
    base = arguments_of(name)
    before = observed(K, name, base)
    if "error" in before:
        raise ValueError(f"{name} does not run: {before['error']}")
    found = {}
    for argument in sorted(set(made(K, name, base).get_config() if arguments is None else arguments) - NO_ARGUMENTS):
        known = argument.endswith(("_initializer", "_regularizer", "_constraint"))
        if not known and argument not in VALUES and f"{name}.{argument}" not in VALUES:
            raise KeyError(f"{name}.{argument}")
        for value in values_of(name, argument):
            after = observed(K, name, {**base, argument: value})
            keys = {**before, **after} if "error" not in after else ("error",)
            differing = sorted(key for key in keys if not equal(before.get(key), after.get(key)))
            if not argument.endswith("_initializer") and argument != "unit_forget_bias":
                # The first values are random, and follow from the draws before.
                differing = [key for key in differing if key != "initial"]
            found[f"{argument}={json.dumps(value)}"] = differing
    return found


def made(K: Any, name: str, arguments: dict[str, Any]) -> Any:
    K.utils.set_random_seed(1)
    return getattr(K.layers, name)(**copy.deepcopy(arguments))


def observed(K: Any, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What there is to see of a layer, as arrays and plain data."""
    try:
        layer = made(K, name, arguments)
        x = inputs_of(name)
        states = (
            [random((2, arguments["units"]), "h")] * (1 + name.startswith("LSTM")) if name.endswith("Cell") else None
        )
        args = (x, x) if name in HEADS else (x, states) if states else (x,)
        layer(*args)
        seen: dict[str, Any] = {"initial": [np.array(one) for one in layer.get_weights()]}
        seen["weights"] = [one.shape for one in seen["initial"]]
        layer.set_weights([np.abs(random(one.shape, f"w{i}")) for i, one in enumerate(seen["initial"])])
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        seen["output"] = leaves(layer(*args))
        seen["again"] = leaves(layer(*args)) if arguments.get("stateful") else seen["output"]
        seen["trainable"] = len(layer.trainable_weights)
        seen["constraints"] = sorted(one.name for one in layer.weights if one.constraint is not None)
        seen["regularizers"] = sorted(one.name for one in layer.weights if one.regularizer is not None)
        seen["activity"] = getattr(layer, "activity_regularizer", None) is not None
        seen["masked"] = masked(layer, name, args)
        seen["drops"] = drops(layer, args)
        if hasattr(layer, "get_vocabulary"):
            seen["vocabulary"] = layer.get_vocabulary()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return seen


def masked(layer: Any, name: str, args: Any) -> Any:
    """The outputs for a masked input, and what mask leaves the layer."""
    x = args[0]
    if name == "Masking":
        return [np.asarray(layer.compute_mask(x, None))]
    if name == "Embedding":
        mask = layer.compute_mask(x, None)
        return None if mask is None else [np.asarray(mask)]
    if name.endswith("Cell"):
        return None
    if not hasattr(layer, "return_sequences") and name not in ("Softmax", "BatchNormalization", *ATTENTION, *HEADS):
        return None
    mask = np.arange(6 if not name.startswith("ConvLSTM") else x.shape[1]) < np.array([[4], [2]])
    mask = [mask, mask] if name in ATTENTION else mask
    if name == "Softmax":
        mask = np.broadcast_to(mask[..., np.newaxis], x.shape)
    return leaves(layer(*args, **{"value_mask" if name in HEADS else "mask": mask}))


def drops(layer: Any, args: Any) -> bool:
    """Whether there is anything random in training, or anything that it changes."""
    try:
        outputs, again = leaves(layer(*args, training=True)), leaves(layer(*args))
    except TypeError:
        return False
    except NotImplementedError:
        return True  # what fastlstm does not do in training, it refuses there
    return not equal(outputs, again)


def leaves(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, (list, tuple)):
        return [leaf for one in outputs for leaf in leaves(one)]
    array = np.asarray(outputs)
    return [array.astype(str) if array.dtype == object else array]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
            return False
        return bool((one == other).all()) if one.dtype.kind in "US" else np.allclose(one, other, 1e-5, 1e-6)
    return type(one) is type(other) and bool(one == other)
