"""Legacy HDF5: pairing by order and by name, old array layouts, the texts of its errors."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from fastlstm.saving import LayerSpec, VariableSpec, open_file, write_legacy_h5


def legacy(path, layers, *, split=None, **attributes):
    """A weights-only file of `{layer: {weight name: array}}`."""
    with h5py.File(path, "w") as file:
        names = [name.encode() for name in layers]
        pieces = (
            {"layer_names": names} if split is None else {"layer_names0": names[:split], "layer_names1": names[split:]}
        )
        for key, piece in pieces.items():
            file.attrs[key] = np.array(piece, "S")
        for key, value in attributes.items():
            file.attrs[key] = value
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in weights], "S") if weights else np.zeros(0)
            for name, value in weights.items():
                group[name] = value


def read(path, spec, **options):
    with open_file(path) as file:
        return file.read_weights(spec, **options)


def check(path, spec, expected):
    for found, array in zip(read(path, spec), expected, strict=True):
        np.testing.assert_array_equal(found, array)


def names(prefix, *weights):
    return [f"{prefix}/{weight}:0" for weight in weights]


LSTM = ("kernel", "recurrent_kernel", "bias")


@pytest.mark.parametrize("split", [None, 2])
def test_pairs_by_order_whatever_the_names(split, tmp_path, spec, arrays):
    layers = {
        "dense": dict(zip(names("x/dense", *LSTM), arrays[:3], strict=True)),
        "drop": {},
        "foo": dict(zip(names("foo_1", *LSTM), arrays[3:6], strict=True)),
        "lstm": dict(zip(names("lstm", "kernel", "bias"), arrays[6:], strict=True)),
    }
    legacy(tmp_path / "w", layers, split=split)
    check(tmp_path / "w", spec, arrays)


def test_by_name(tmp_path, spec, arrays):
    legacy(tmp_path / "w", {"dense": dict(zip("ab", arrays[6:], strict=True)), "other": {"c": np.zeros(1)}})
    result = read(tmp_path / "w", spec, by_name=True)
    assert result[:6] == [None] * 6
    np.testing.assert_array_equal(result[6], arrays[6])
    legacy(tmp_path / "v", {"dense": {"a": np.zeros((3, 2))}, "foo": dict(zip("abc", arrays[:3], strict=True))})
    with pytest.raises(ValueError, match=r"Weight count mismatch for layer #0 \(named dense\).*expects 2.*Received 1"):
        read(tmp_path / "v", spec, by_name=True)
    with pytest.warns(UserWarning, match="Skipping loading of weights"):
        result = read(tmp_path / "v", spec, by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(result[0], arrays[0])
    assert result[3:] == [None] * 5


def test_mismatch_texts(tmp_path, build):
    dense = build.dense("dense", 3, 2)
    legacy(tmp_path / "w", {"a": {"kernel": np.zeros((3, 4)), "bias": np.zeros(2)}})
    text = r"Shape mismatch in layer #0 \(named dense\)for weight kernel. Weight expects shape \(3, 2\). Received saved"
    with pytest.raises(ValueError, match=rf"{text} weight with shape \(3, 4\)"):
        read(tmp_path / "w", build.sequential(dense))
    with pytest.warns(UserWarning, match="Skipping loading weights"):
        result = read(tmp_path / "w", build.sequential(dense), skip_mismatch=True)
    assert result[0] is None
    assert result[1].shape == (2,)
    text = "Layer count mismatch when loading weights from file. Model expected 2 layers, found 1 saved layers."
    with pytest.raises(ValueError, match=text):
        read(tmp_path / "w", build.sequential(dense, build.dense("b", 2, 2)))


def test_nested_model_lists_trainable_weights_first(tmp_path, build):
    inner = build.sequential(build.batch_normalization("bn", 3), build.dense("dense", 3, 3), name="inner")
    spec = build.sequential(inner)
    arrays = build.arrays(spec)  # gamma, beta, mean, variance, kernel, bias
    order = [0, 1, 4, 5, 2, 3]
    paths = ["bn/gamma", "bn/beta", "dense/kernel", "dense/bias", "bn/moving_mean", "bn/moving_variance"]
    legacy(tmp_path / "w", {"inner": {path: arrays[slot] for path, slot in zip(paths, order, strict=True)}})
    check(tmp_path / "w", spec, arrays)
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": []}}
    write_legacy_h5(tmp_path / "v", config, spec, arrays)
    with h5py.File(tmp_path / "v") as file:
        stored = file["model_weights/inner"].attrs["weight_names"]
    assert [name.decode().removeprefix("model/inner/") for name in stored] == paths
    # A frozen model lists them in plain order, and still reads a file that was written before it was frozen.
    frozen = build.sequential(
        build.sequential(
            *(
                LayerSpec(
                    layer.name, layer.class_name, tuple(VariableSpec(v.name, v.shape, False) for v in layer.variables)
                )
                for layer in dict(inner.children)["layers"]
            ),
            name="inner",
        )
    )
    check(tmp_path / "w", frozen, arrays)
    write_legacy_h5(tmp_path / "v", config, frozen, arrays)
    check(tmp_path / "v", spec, arrays)


def test_long_attributes(tmp_path, build):
    spec = build.sequential(*(build.dense(f"{'dense' * 40}_{number}", 1, 2) for number in range(400)))
    arrays = build.arrays(spec)
    write_legacy_h5(tmp_path / "w", build.config(spec), spec, arrays)
    with h5py.File(tmp_path / "w") as file:
        assert "layer_names1" in file["model_weights"].attrs
    check(tmp_path / "w", spec, arrays)
    with open_file(tmp_path / "w") as file:
        assert len(file.config["config"]["layers"]) == 401


def split_gates(arrays, order):
    """Today's arrays of one layer as Keras 1 stored them: per gate W, U, b."""
    blocks = [np.split(array, len(order), axis=-1) for array in arrays]
    return [blocks[kind][gate] for gate in order for kind in range(3)]


def gru(build, bias_shape):
    shapes = {"kernel": (3, 12), "recurrent_kernel": (4, 12), "bias": bias_shape}
    cell = LayerSpec("gru_cell", "GRUCell", tuple(VariableSpec(key, shape) for key, shape in shapes.items()))
    return LayerSpec("gru", "GRU", (), (("cell", cell),))


def bidirectional(layer):
    return LayerSpec("bi", "Bidirectional", (), (("forward_layer", layer), ("backward_layer", layer)))


@pytest.mark.parametrize("units", [4, 1, 3])  # features 3, so that a square kernel is among them
def test_keras1_lstm_has_one_array_per_gate(units, tmp_path, build):
    spec = build.sequential(build.lstm("lstm", 3, units), bidirectional(build.lstm("lstm", units, 2)))
    arrays = build.arrays(spec)
    stored = [split_gates(arrays[start : start + 3], (0, 2, 1, 3)) for start in (0, 3, 6)]  # i, c, f, o
    letters = [f"{kind}_{gate}" for gate in "icfo" for kind in "WUb"]
    legacy(
        tmp_path / "w",
        {
            "lstm": dict(zip(letters, stored[0], strict=True)),
            "bi": dict(zip([f"{side}_{x}" for side in "fb" for x in letters], stored[1] + stored[2], strict=True)),
        },
    )
    check(tmp_path / "w", spec, arrays)


def test_keras1_gru(tmp_path, build):
    spec = build.sequential(gru(build, (12,)))
    arrays = build.arrays(spec)
    legacy(tmp_path / "w", {"gru": dict(zip("abcdefghi", split_gates(arrays, (0, 1, 2)), strict=True))})
    check(tmp_path / "w", spec, arrays)


def to_cudnn(kernel, recurrent_kernel, gates):
    """The inverse of what reading does, written from the layout's description."""
    kernels = [block.T.reshape(block.shape) for block in np.split(kernel, gates, axis=1)]
    recurrent = [block.T for block in np.split(recurrent_kernel, gates, axis=1)]
    return np.concatenate(kernels, axis=1), np.concatenate(recurrent, axis=1)


@pytest.mark.parametrize("v3", [False, True])
def test_cudnn_lstm(v3, tmp_path, build):
    spec = build.sequential(build.lstm("lstm", 3, 4))
    kernel, recurrent_kernel, bias = build.arrays(spec)
    both = np.stack([bias + 8, np.full_like(bias, -8)])
    stored = [*to_cudnn(kernel, recurrent_kernel, 4), both.ravel()]
    if v3:
        with h5py.File(tmp_path / "w", "w") as file:
            for index, value in enumerate(stored):
                file[f"layers/cu_dnnlstm/vars/{index}"] = value
    else:
        legacy(tmp_path / "w", {"cu_dnnlstm_1": dict(zip(LSTM, stored, strict=True))})
    found = read(tmp_path / "w", spec)
    np.testing.assert_array_equal(found[0], kernel)
    np.testing.assert_array_equal(found[1], recurrent_kernel)
    np.testing.assert_allclose(found[2], bias, atol=1e-6)


def test_cudnn_gru(tmp_path, build):
    spec = build.sequential(bidirectional(gru(build, (2, 12))))
    arrays = build.arrays(spec)
    stored = [
        array for start in (0, 3) for array in (*to_cudnn(*arrays[start : start + 2], 3), arrays[start + 2].ravel())
    ]
    legacy(tmp_path / "w", {"bi": dict(zip("abcdef", stored, strict=True))})
    check(tmp_path / "w", spec, arrays)


@pytest.mark.parametrize(
    ("backend", "stored"),
    [
        ("tensorflow", lambda kernel: kernel),
        ("theano", lambda kernel: kernel[::-1]),
        ("tensorflow", lambda kernel: kernel[:, None]),
        ("tensorflow", lambda kernel: kernel[:, None].transpose(3, 2, 0, 1)),
    ],
)
def test_convolution_kernels(backend, stored, tmp_path, build):
    variables = VariableSpec("kernel", (2, 3, 5)), VariableSpec("bias", (5,))
    spec = build.sequential(LayerSpec("conv", "Conv1D", variables))
    arrays = build.arrays(spec)
    legacy(tmp_path / "w", {"conv": {"kernel": stored(arrays[0]), "bias": arrays[1]}}, backend=np.bytes_(backend))
    check(tmp_path / "w", spec, arrays)


@pytest.mark.parametrize(
    ("class_name", "backend", "stored"),
    [
        ("Conv2D", "tensorflow", lambda kernel: kernel),
        ("Conv2D", "theano", lambda kernel: kernel[::-1, ::-1]),
        ("Conv2D", "tensorflow", lambda kernel: kernel.transpose(3, 2, 0, 1)),
        ("Conv2D", "theano", lambda kernel: kernel[::-1, ::-1].transpose(3, 2, 0, 1)),
        ("Conv2DTranspose", "theano", lambda kernel: kernel[::-1, ::-1]),
        ("DepthwiseConv2D", "theano", lambda kernel: kernel),
        ("ConvLSTMCell", "theano", lambda kernel: kernel[::-1, ::-1]),
    ],
)
def test_kernels_of_images(class_name, backend, stored, tmp_path, build):
    spec = build.sequential(LayerSpec("conv", class_name, (VariableSpec("kernel", (2, 3, 4, 5)),)))
    arrays = build.arrays(spec)
    legacy(tmp_path / "w", {"conv": {"kernel": stored(arrays[0])}}, backend=np.bytes_(backend))
    check(tmp_path / "w", spec, arrays)


def test_convolutional_lstm_of_one_array_per_gate(tmp_path, build):
    shapes = {"kernel": (2, 3, 4, 12), "recurrent_kernel": (2, 3, 3, 12), "bias": (12,)}
    variables = tuple(VariableSpec(name, shape) for name, shape in shapes.items())
    spec = build.sequential(LayerSpec("conv", "ConvLSTM2D", (), (("cell", LayerSpec("c", "ConvLSTMCell", variables)),)))
    arrays = build.arrays(spec)
    # i, c, f, o
    stored = [np.split(array, 4, axis=-1)[gate] for gate in (0, 2, 1, 3) for array in arrays]
    legacy(tmp_path / "w", {"conv": {f"w{number:02}": array for number, array in enumerate(stored)}})
    check(tmp_path / "w", spec, arrays)
