"""Write layers.npz: what real Keras 3.15.1 answers for the layers around recurrent ones. Run with Keras.

`cases` is a JSON list, as bytes; a case has the `layer`, its `arguments`, those of the `call`, the `config` (without
the name), `supports_masking`, `output_shape` (batch unknown), the names and shapes of the `weights`, and `arrays`, a
list of [name, kind, shape]: inputs `x0`, `x1` …, masks `mask0` … of those that have one, `w0`, `w1` … in the order of
`set_weights`, outputs `y0` …, `y_mask` if the output has one, and the weights `after0` … after a call in training. The
values of all arrays of a kind follow each other in the array of that name: `float16` for those that are exact in it,
such as the inputs and weights, multiples of 1/128; `float32`; `bool`.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

SERIES = (2, 9, 6)
ALL = [(3,), (3, 5), SERIES, (2, 3, 4, 5)]
IMAGES = (2, 4, 5, 3)
VOLUMES = (1, 3, 3, 4, 2)

# (layer, arguments, shapes of the inputs, numbers of the masked inputs, arguments of the call)
CASES: list[tuple[str, dict, list[tuple[int, ...]], tuple[int, ...], dict]] = []


def case(layer, arguments=None, *shapes, masks=(), **call):
    CASES.append((layer, arguments or {}, list(shapes) or [SERIES], masks, call))


def grid(**choices):
    """Every combination of the choices, as dicts."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def reshaping():
    for shape in ALL:
        case("Flatten", {}, shape)
        case("Flatten", {"data_format": "channels_first"}, shape)
    for target in [(54,), (6, 9), (-1,), (3, -1, 2), (2, 3, 9)]:
        case("Reshape", {"target_shape": target})
    case("Permute", {"dims": (2, 1)})
    case("Permute", {"dims": (3, 1, 2)}, (2, 3, 4, 5))
    case("RepeatVector", {"n": 4}, (3, 5))
    for padding in (0, 2, (1, 3)):
        case("ZeroPadding1D", {"padding": padding})
        case("ZeroPadding1D", {"padding": padding, "data_format": "channels_first"})
    for cropping in (0, 2, (1, 3), (4, 0)):
        case("Cropping1D", {"cropping": cropping})
    case("UpSampling1D")
    case("UpSampling1D", {"size": 3})
    for data_format in ("channels_last", "channels_first"):
        for padding in (1, (2, 1), ((1, 2), (0, 3))):
            case("ZeroPadding2D", {"padding": padding, "data_format": data_format}, IMAGES)
        case("ZeroPadding3D", {"padding": ((1, 0), (2, 1), (0, 1)), "data_format": data_format}, VOLUMES)
        for cropping in (1, (2, 1), ((1, 2), (0, 1))):
            case("Cropping2D", {"cropping": cropping, "data_format": data_format}, (2, 6, 5, 4))
        case("Cropping3D", {"cropping": ((1, 0), (1, 1), (0, 2)), "data_format": data_format}, (2, 3, 4, 3, 5))
        for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"):
            case(
                "UpSampling2D",
                {"size": (2, 3), "data_format": data_format, "interpolation": interpolation},
                (2, 3, 4, 2),
            )
        case("UpSampling3D", {"size": (2, 1, 3), "data_format": data_format}, (2, 2, 3, 1, 2))
    for layer in ("ZeroPadding3D", "UpSampling3D"):
        case(layer, {}, (1, 2, 1, 2, 2))
    case("Cropping3D", {}, (1, 3, 4, 3, 2))
    case("ZeroPadding2D", {}, (1, 2, 3, 2))
    case("Cropping2D", {}, (1, 2, 3, 2))
    case("UpSampling2D", {}, (1, 2, 3, 2))


def normalization():
    for axis in (-1, 1, 2):
        case("BatchNormalization", {"axis": axis})
        case("BatchNormalization", {"axis": axis}, training=True)
    for arguments in grid(center=(False, True), scale=(False, True)):
        case("BatchNormalization", {"epsilon": 0.1, **arguments}, (3, 5))
        case("LayerNormalization", {"epsilon": 0.1, **arguments}, (3, 5))
        case("GroupNormalization", {"groups": 3, "epsilon": 0.1, **arguments})
    case("BatchNormalization", {"momentum": 0.75}, masks=(0,), training=True)
    for axis in (-1, 1, [1, 2], [-1, -2]):
        case("LayerNormalization", {"axis": axis})
        if axis != 1:  # of which Keras makes nothing
            case("RMSNormalization", {"axis": axis})
        case("UnitNormalization", {"axis": axis})
    case("GroupNormalization", {"groups": 2, "axis": 1}, (2, 4, 3, 5))
    case("GroupNormalization", {"groups": -1})
    for axis in (-1, 1, (1, 2), None):
        case("Normalization", {"axis": axis})
    given = {"mean": [0.5, -1.0, 2.0], "variance": [0.25, 4.0, 2.25]}
    case("Normalization", given, (4, 5, 3))
    case("Normalization", {**given, "invert": True}, (4, 5, 3))
    case("Normalization", {"mean": 0.5, "variance": 4.0}, (4, 3))


def convolution():
    for arguments in grid(padding=("valid", "same", "causal"), strides=(1, 2, 3), kernel_size=(1, 2, 3, 5)):
        case("Conv1D", {"filters": 4, **arguments})
    for arguments in grid(padding=("valid", "same", "causal"), dilation_rate=(2, 3), kernel_size=(2, [3])):
        case("Conv1D", {"filters": 4, **arguments})
    for groups, strides in ((2, 1), (3, 2), (6, 1)):
        case("Conv1D", {"filters": 6, "kernel_size": 3, "groups": groups, "strides": strides, "padding": "same"})
    for activation in ("relu", "softmax", "tanh"):
        case("Conv1D", {"filters": 4, "kernel_size": 3, "activation": activation, "use_bias": False})
    for layer, arguments in (
        ("Conv1D", {"filters": 4, "groups": 2}),
        ("SeparableConv1D", {"filters": 4, "depth_multiplier": 2}),
        ("DepthwiseConv1D", {"depth_multiplier": 2}),
    ):
        shape = (2, 6, 9)
        for padding in ("valid", "same"):
            first = {**arguments, "kernel_size": 3, "data_format": "channels_first", "padding": padding}
            # As many steps as channels would mislead Keras: it adds the bias along time then.
            case(layer, {**first, "strides": 3}, shape)
            case(layer, {**first, "activation": "softmax"}, shape)
    for layer, arguments in (("SeparableConv1D", {"filters": 5}), ("DepthwiseConv1D", {})):
        for options in grid(padding=("valid", "same"), strides=(1, 2), depth_multiplier=(1, 3)):
            case(layer, {**arguments, **options, "kernel_size": 4})
        case(layer, {**arguments, "kernel_size": 3, "dilation_rate": 2, "padding": "same", "use_bias": False})


def convolution_of_images():
    for arguments in grid(padding=("valid", "same"), strides=(1, 2, (3, 1)), kernel_size=(1, 2, (3, 2))):
        case("Conv2D", {"filters": 4, **arguments}, IMAGES)
    for dilation in (2, (1, 3)):
        case("Conv2D", {"filters": 4, "kernel_size": 2, "dilation_rate": dilation, "padding": "same"}, IMAGES)
    case("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 3, "padding": "same", "activation": "relu"}, IMAGES)
    case("Conv2D", {"filters": 3, "kernel_size": 2, "use_bias": False, "activation": "softmax"}, IMAGES)
    for arguments in grid(padding=("valid", "same"), strides=(1, (2, 1, 3))):
        case("Conv3D", {"filters": 3, "kernel_size": (2, 3, 1), **arguments}, VOLUMES)
    case("Conv3D", {"filters": 4, "kernel_size": 2, "groups": 2, "padding": "same"}, VOLUMES)
    for layer, arguments in (("SeparableConv2D", {"filters": 5}), ("DepthwiseConv2D", {})):
        for options in grid(padding=("valid", "same"), strides=(1, 2), depth_multiplier=(1, 2)):
            case(layer, {**arguments, **options, "kernel_size": (3, 2)}, IMAGES)
        case(layer, {**arguments, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, IMAGES)
        case(layer, {**arguments, "kernel_size": 2, "use_bias": False, "activation": "relu"}, IMAGES)
    first = {"kernel_size": (2, 3), "data_format": "channels_first", "padding": "same"}
    for layer, arguments in (
        ("Conv2D", {"filters": 4, "activation": "softmax"}),
        ("SeparableConv2D", {"filters": 4, "depth_multiplier": 2}),
        ("DepthwiseConv2D", {"depth_multiplier": 2, "activation": "softmax"}),
        ("Conv2DTranspose", {"filters": 4, "activation": "softmax", "strides": (2, 1)}),
    ):
        case(layer, {**first, **arguments}, IMAGES)


def transposed_convolution():
    for arguments in grid(padding=("valid", "same"), strides=(1, 2, 3), kernel_size=(1, 2, 3, 5)):
        case("Conv1DTranspose", {"filters": 4, **arguments}, (2, 5, 3))
    for padding in ("valid", "same"):
        more = {"filters": 4, "kernel_size": 3, "padding": padding}
        case("Conv1DTranspose", {**more, "strides": 3, "output_padding": 2}, (2, 5, 3))
        case("Conv1DTranspose", {**more, "dilation_rate": 2}, (2, 5, 3))
        case("Conv1DTranspose", {**more, "strides": 2, "use_bias": False, "activation": "softmax"}, (2, 5, 3))
        case("Conv2DTranspose", {**more, "strides": 2}, IMAGES)
        case("Conv2DTranspose", {**more, "strides": (3, 2), "output_padding": (0, 1)}, IMAGES)
        case("Conv2DTranspose", {**more, "kernel_size": (2, 3), "activation": "relu"}, IMAGES)
        case("Conv3DTranspose", {**more, "filters": 2, "kernel_size": (3, 2, 1), "strides": (2, 1, 3)}, (1, 3, 2, 4, 2))
    case("Conv1DTranspose", {"filters": 5, "kernel_size": 2, "data_format": "channels_first"}, (2, 5, 3))


def pooling():
    for layer in ("MaxPooling1D", "AveragePooling1D"):
        for options in grid(pool_size=(2, [3]), strides=(None, 1, 2, 4), padding=("valid", "same")):
            case(layer, options)
        for padding in ("valid", "same"):
            case(layer, {"pool_size": 3, "strides": 2, "padding": padding, "data_format": "channels_first"})
        case(layer, {"pool_size": 20, "padding": "same"})
    for options in grid(data_format=("channels_last", "channels_first"), keepdims=(False, True)):
        case("GlobalMaxPooling1D", options)
        case("GlobalAveragePooling1D", options)
        shape = SERIES if options["data_format"] == "channels_last" else (2, 6, 9)
        case("GlobalAveragePooling1D", options, shape, masks=(0,))


def pooling_of_images():
    for layer in ("MaxPooling2D", "AveragePooling2D"):
        sizes = grid(pool_size=(2, (3, 2)), strides=(None, 1, (1, 3)), padding=("valid", "same"))
        for options in sizes:
            case(layer, options, IMAGES)
        case(layer, {"pool_size": (2, 3), "strides": 2, "padding": "same", "data_format": "channels_first"}, IMAGES)
    for layer in ("MaxPooling3D", "AveragePooling3D"):
        for padding in ("valid", "same"):
            case(layer, {"pool_size": (2, 1, 3), "strides": (1, 2, 2), "padding": padding}, VOLUMES)
        case(layer, {"pool_size": 2, "padding": "same", "data_format": "channels_first"}, VOLUMES)
    case("MaxPooling2D", {}, IMAGES)
    case("MaxPooling3D", {}, VOLUMES)
    for rank, shape in ((2, IMAGES), (3, VOLUMES)):
        for options in grid(data_format=("channels_last", "channels_first"), keepdims=(False, True)):
            case(f"GlobalMaxPooling{rank}D", options, shape)
            case(f"GlobalAveragePooling{rank}D", options, shape)


def activations():
    for limit, slope, threshold in itertools.product((None, 1.5), (0.0, 0.25), (0.0, 0.75)):
        case("ReLU", {"max_value": limit, "negative_slope": slope, "threshold": threshold})
    case("LeakyReLU")
    case("LeakyReLU", {"negative_slope": 0.125}, (3, 5))
    case("ELU", {"alpha": 0.75})
    for axes in (None, 1, [1], [1, 2]):
        case("PReLU", {"shared_axes": axes})
    for axis in (-1, 1, [1, 2], [-1]):
        case("Softmax", {"axis": axis})
    case("Softmax", {}, (3, 5))


def masking_and_scaling():
    for value in (0.0, -1, 0.5, float("nan")):
        case("Masking", {"mask_value": value})
    case("Rescaling", {"scale": 0.25, "offset": -1.5})
    case("Rescaling", {"scale": [0.5, 1.0, 2.0, 3.0, 4.0], "offset": [0.0, 1.0, 2.0, 3.0, 4.0]}, (3, 5))
    case("Identity")
    for layer, arguments in (
        ("SpatialDropout1D", {"rate": 0.5}),
        ("SpatialDropout2D", {"rate": 0.5, "data_format": "channels_first"}),
        ("SpatialDropout3D", {"rate": 0.25, "seed": 3}),
        ("GaussianNoise", {"stddev": 0.5, "seed": 3}),
        ("GaussianDropout", {"rate": 0.5}),
        ("AlphaDropout", {"rate": 0.5, "noise_shape": (None, 1, None)}),
        ("ActivityRegularization", {"l1": 0.5}),
    ):
        rank = int(layer[-2]) if layer.endswith("D") else 1
        case(layer, arguments, {1: SERIES, 2: IMAGES, 3: VOLUMES}[rank])


def merging():
    for layer in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        for count in (1, 2, 3):
            case(layer, {}, *[SERIES] * count)
        case(layer, {}, *[SERIES] * 3, masks=(0, 2))
        case(layer, {}, *[SERIES] * 3, masks=(0, 1, 2))
        if layer != "Concatenate":
            case(layer, {}, (2, 6), SERIES, (2, 1, 6), masks=(1,))
    case("Subtract", {}, SERIES, SERIES)
    case("Subtract", {}, SERIES, (2, 6), masks=(0,))
    case("Concatenate", {"axis": 1}, (3, 4, 5), (3, 6, 5), masks=(1,))
    case("Concatenate", {"axis": 2}, (3, 4, 5), (3, 4, 2))
    for axes, a, b in (
        (-1, (3, 5), (3, 5)),
        (1, (3, 5), (3, 5)),
        (1, (3, 5, 4), (3, 5, 7)),
        (2, (3, 4, 5), (3, 7, 5)),
        ([2, 1], (3, 4, 5), (3, 5, 7)),
        ([1, 2], (3, 4, 5), (3, 7, 4)),
        ([-1, -2], (3, 4, 5), (3, 5, 7)),
        ([2, 1], (3, 4, 5), (3, 5)),
        ([1, 2], (3, 5), (3, 4, 5)),
        ([2, 3], (2, 3, 4), (2, 5, 6, 4)),
    ):
        case("Dot", {"axes": axes}, a, b)
        case("Dot", {"axes": axes, "normalize": True}, a, b, masks=(0, 1))


def attention():
    shapes = (3, 4, 5), (3, 7, 6), (3, 7, 5)
    for layer, modes in (("Attention", ("dot", "concat")), ("AdditiveAttention", (None,))):
        for mode, use_scale in itertools.product(modes, (False, True)):
            arguments = {"use_scale": use_scale, **({"score_mode": mode} if mode else {})}
            case(layer, arguments, *shapes)
            case(layer, arguments, shapes[0], shapes[2], return_attention_scores=True)
            case(layer, arguments, *shapes, masks=(0, 1))
            case(layer, arguments, *shapes, masks=(1,), use_causal_mask=True)
            case(layer, arguments, *shapes, use_causal_mask=True)


def embedding():
    case("Embedding", {"input_dim": 9, "output_dim": 4}, (3, 7))
    case("Embedding", {"input_dim": 9, "output_dim": 4, "mask_zero": True}, (3, 7))
    case("Embedding", {"input_dim": 9, "output_dim": 4}, (3, 2, 5))


def grains(rng, shape, limit=2.0):
    return (rng.integers(-limit * 128, limit * 128 + 1, shape) / 128).astype(np.float32)


def make_inputs(rng, layer, arguments, shapes):
    if layer == "Embedding":
        ids = rng.integers(-9, 9, shapes[0]).astype(np.float32)
        ids[:, 0] = 0
        return [ids + np.sign(ids) * 0.25]
    xs = [grains(rng, shape) for shape in shapes]
    if layer == "Masking":
        xs[0][0, 2] = xs[0][1, :3] = arguments["mask_value"]
    return xs


def make_mask(rng, x, axis):
    mask = rng.random((x.shape[0], x.shape[axis])) < 0.6
    mask[0] = False
    return mask


def answer(layer_name, arguments, shapes, masked, call):
    """Return the case's record and arrays."""
    rng = np.random.default_rng(zlib.crc32(repr((layer_name, arguments, shapes, masked, call)).encode()))
    layer = getattr(keras.layers, layer_name)(**arguments)
    config = {key: value for key, value in layer.get_config().items() if key != "name"}
    xs = make_inputs(rng, layer_name, arguments, shapes)
    several = isinstance(layer, keras.src.layers.merging.base_merge.Merge) or "Attention" in layer_name
    layer.build([x.shape for x in xs] if several else xs[0].shape)
    weights = [grains(rng, w.shape, 1.0) for w in layer.weights]
    weights = [abs(v) + 0.25 if "variance" in w.name else v for w, v in zip(layer.weights, weights, strict=True)]
    layer.set_weights(weights)
    if layer_name == "Normalization":
        layer.finalize_state()
    axis = 2 if arguments.get("data_format") == "channels_first" else 1
    masks = [make_mask(rng, x, axis) if number in masked else None for number, x in enumerate(xs)]
    tensors = [keras.ops.convert_to_tensor(x) for x in xs]
    for tensor, mask in zip(tensors, masks, strict=True):
        if mask is not None:
            set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
    outputs = layer(tensors if several else tensors[0], **call)
    y_mask = get_keras_mask(outputs[0] if isinstance(outputs, tuple) else outputs)
    unknown = [(None, *shape[1:]) for shape in shapes]
    arrays = {f"x{number}": x for number, x in enumerate(xs)}
    arrays |= {f"mask{number}": mask for number, mask in enumerate(masks) if mask is not None}
    arrays |= {f"w{number}": weight for number, weight in enumerate(weights)}
    arrays |= {f"y{i}": np.asarray(y) for i, y in enumerate(outputs if isinstance(outputs, tuple) else [outputs])}
    arrays |= {} if y_mask is None else {"y_mask": np.asarray(y_mask)}
    if call.get("training"):
        arrays |= {f"after{number}": weight for number, weight in enumerate(layer.get_weights())}
    record = {
        "layer": layer_name,
        "arguments": arguments,
        "call": call,
        "several": several,
        "config": config,
        "supports_masking": layer.supports_masking,
        "output_shape": list(layer.compute_output_shape(unknown if several else unknown[0])),
        "weights": [[w.name, list(w.shape)] for w in layer.weights],
        "trainable": len(layer.trainable_weights),
    }
    return record, arrays


def compact(array):
    """The array in float16 if that changes nothing."""
    half = array.astype(np.float16) if array.dtype == np.float32 else array
    return half if np.array_equal(half, array, equal_nan=array.dtype == np.float32) else array


def main() -> None:
    families = (reshaping, normalization, convolution, pooling, activations, masking_and_scaling, merging, attention)
    of_images = (convolution_of_images, transposed_convolution, pooling_of_images)
    for family in (*families, embedding, *of_images):
        family()
    records, values = [], {"float16": [], "float32": [], "bool": []}
    for one in CASES:
        record, arrays = answer(*one)
        record["arrays"] = []
        for name, array in arrays.items():
            array = compact(array)
            record["arrays"].append([name, str(array.dtype), list(array.shape)])
            values[str(array.dtype)].append(array.ravel())
        records.append(record)
    flat = {kind: np.concatenate(pieces) for kind, pieces in values.items()}
    text = np.frombuffer(json.dumps(records).encode(), np.uint8)
    np.savez_compressed(Path(__file__).with_name("layers.npz"), cases=text, **flat)
    print(len(records), "cases")


if __name__ == "__main__":
    main()
