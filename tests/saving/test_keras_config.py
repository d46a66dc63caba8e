"""Every dialect of a config → today's."""

from __future__ import annotations

import json

import pytest

from fastlstm.saving.budget import Budget
from fastlstm.saving.config import normalise, stored_classes
from fastlstm.saving.json_data import parse_json


def normalised(model, version):
    """A model as a file has it → today's dialect."""
    return normalise(parse_json(json.dumps(model), "config.json", Budget(0)), version)


def layer(class_name, config, version="3.15.1", **entry):
    """One normalised layer of a Sequential."""
    written = {"class_name": class_name, "config": {"name": "x"} | config} | entry
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [written]}}
    result = normalised(model, version)["config"]["layers"][-1]
    assert set(result) <= {"class_name", "config", "registered_name", "build_config"}
    return result


def settings(class_name, config, version="3.15.1"):
    result = layer(class_name, config, version)["config"]
    assert result.pop("name") == "x"
    return result


@pytest.mark.parametrize(
    ("written", "key", "expected"),
    [
        (("LSTM", {"output_dim": 4}), "units", 4),
        (("LSTM", {"inner_init": "orthogonal"}), "recurrent_initializer", "orthogonal"),
        (("LSTM", {"dropout_W": 0.5}), "dropout", 0.5),
        (("LSTM", {"dropout_U": 0.5}), "recurrent_dropout", 0.5),
        (("LSTM", {"forget_bias_init": "zero"}), "unit_forget_bias", False),
        (
            ("LSTM", {"W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.1}}),
            "kernel_regularizer",
            {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.1}},
        ),
        (("Dense", {"bias": False}), "use_bias", False),
        (
            ("Dense", {"W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0}}),
            "kernel_constraint",
            {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        ),
        (("TimeDistributedDense", {"output_dim": 3}), "units", 3),
        (("Dropout", {"p": 0.3}), "rate", 0.3),
        (("GaussianNoise", {"sigma": 0.3}), "stddev", 0.3),
        (("Embedding", {"output_dim": 3, "input_dim": 9, "init": "uniform"}), "embeddings_initializer", "uniform"),
        (("Embedding", {"output_dim": 3, "input_dim": 9, "dropout": 0.2}), "input_dim", 9),
        (("Convolution1D", {"nb_filter": 5}), "filters", 5),
        (("Convolution1D", {"filter_length": 5}), "kernel_size", 5),
        (("Convolution1D", {"subsample_length": 2}), "strides", 2),
        (("AtrousConvolution1D", {"atrous_rate": 2}), "dilation_rate", 2),
        (("MaxPooling1D", {"pool_length": 2, "stride": 3, "border_mode": "same"}), "strides", 3),
        (("UpSampling1D", {"length": 2}), "size", 2),
        (("Convolution2D", {"nb_filter": 5, "nb_row": 2, "nb_col": 3}), "kernel_size", [2, 3]),
        (("Convolution3D", {"kernel_dim1": 2, "kernel_dim2": 3, "kernel_dim3": 1}), "kernel_size", [2, 3, 1]),
        (("AtrousConvolution2D", {"atrous_rate": [2, 2], "subsample": [1, 1]}), "strides", [1, 1]),
        (("Convolution2D", {"dim_ordering": "th"}), "data_format", "channels_first"),
        (("SeparableConvolution2D", {"depthwise_init": "uniform"}), "depthwise_initializer", "uniform"),
        (("MaxPooling2D", {"dim_ordering": "tf", "border_mode": "same"}), "data_format", "channels_last"),
        (("ZeroPadding2D", {"padding": [1, 2], "dim_ordering": "default"}), "data_format", None),
        (("ConvLSTM2D", {"nb_filter": 5, "forget_bias_init": "one"}), "unit_forget_bias", True),
        (("ConvLSTM2D", {"inner_activation": "sigmoid", "dropout_U": 0.5}), "recurrent_dropout", 0.5),
        (("SpatialDropout2D", {"p": 0.5, "dim_ordering": "th"}), "rate", 0.5),
        (("PReLU", {"init": "zero"}), "alpha_initializer", "zero"),
        (("BatchNormalization", {"gamma_init": "one", "mode": 0}), "gamma_initializer", "one"),
    ],
)
def test_keras1_keys(written, key, expected):
    assert settings(*written, "1.2.2")[key] == expected


@pytest.mark.parametrize(
    ("class_name", "today"),
    [
        ("CuDNNLSTM", "LSTM"),
        ("CuDNNGRU", "GRU"),
        ("TimeDistributedDense", "Dense"),
        ("Convolution1D", "Conv1D"),
        ("Convolution2D", "Conv2D"),
        ("AtrousConvolution2D", "Conv2D"),
        ("Convolution3D", "Conv3D"),
        ("SeparableConvolution2D", "SeparableConv2D"),
        ("ThresholdedReLU", "ReLU"),
        ("Dense", "Dense"),
    ],
)
def test_classes(class_name, today):
    assert layer(class_name, {}, "2.2.4")["class_name"] == today


def test_cudnn_implies_its_activations():
    lstm = settings("CuDNNLSTM", {"units": 2}, "2.2.4")
    assert lstm == {"units": 2, "activation": "tanh", "recurrent_activation": "sigmoid"}
    assert settings("CuDNNGRU", {}, "2.2.4")["reset_after"] is True
    nested = {"class_name": "Bidirectional", "config": {"layer": {"class_name": "CuDNNLSTM", "config": {"name": "c"}}}}
    assert stored_classes(nested) == {"c": "CuDNNLSTM"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.2.2", "hard_sigmoid_keras2"),
        ("2.2.4-tf", "hard_sigmoid_keras2"),
        ("2.21.0", "hard_sigmoid_keras2"),
        (None, "hard_sigmoid_keras2"),
        ("3.0.0", "hard_sigmoid"),
        ("3.15.1", "hard_sigmoid"),
    ],
)
def test_hard_sigmoid_is_decided_by_the_version(version, expected):
    gates = {"recurrent_activation": "hard_sigmoid"}
    assert settings("LSTM", gates, version)["recurrent_activation"] == expected
    assert settings("Activation", {"activation": "hard_sigmoid"}, version)["activation"] == expected
    function = {"class_name": "function", "config": "hard_sigmoid", "module": "builtins", "registered_name": "function"}
    assert settings("Dense", {"activation": function}, version)["activation"] == expected
    inner = {"class_name": "GRU", "config": gates | {"name": "g", "reset_after": True}}
    for wrapper in ("Bidirectional", "TimeDistributed"):
        assert settings(wrapper, {"layer": inner}, version)["layer"]["config"]["recurrent_activation"] == expected
    cells = {"class_name": "StackedRNNCells", "config": {"cells": [{"class_name": "LSTMCell", "config": gates}]}}
    cell = settings("RNN", {"cell": cells}, version)["cell"]["config"]["cells"][0]
    assert cell["config"]["recurrent_activation"] == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.0", {"recurrent_activation": "hard_sigmoid_keras2", "reset_after": False}),
        ("2.2.4", {"recurrent_activation": "hard_sigmoid_keras2", "reset_after": False}),
        ("2.2.4-tf", {"reset_after": False}),
        ("2.3.1", {"reset_after": False}),
        ("3.1.0", {}),
    ],
)
def test_old_defaults_become_explicit(version, expected):
    assert settings("GRU", {}, version) == expected


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"batch_input_shape": [None, 5, 3]}, [None, 5, 3]),
        ({"input_shape": [5, 3]}, [None, 5, 3]),
        ({"input_dim": 3, "input_length": 5}, [None, 5, 3]),
        ({"input_dim": 3}, [None, None, 3]),
        ({"batch_input_shape": {"class_name": "__tuple__", "items": [2, 5, 3]}}, [2, 5, 3]),
        ({"batch_input_shape": {"class_name": "TensorShape", "items": [2, 5, 3]}}, [2, 5, 3]),
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_an_input_layer_is_made_from_the_first_layer(config, shape, as_list):
    layers = [
        {"class_name": "LSTM", "config": {"name": "a", "output_dim": 4} | config},
        {"class_name": "LSTM", "config": {"name": "b", "output_dim": 4, "input_dim": 4, "input_length": None}},
    ]
    model = {"class_name": "Sequential", "config": layers if as_list else {"name": "m", "layers": layers}}
    first, a, b = normalised(model, "1.2.2")["config"]["layers"]
    assert first == {
        "class_name": "InputLayer",
        "config": {"batch_shape": shape, "dtype": "float32", "name": "a_input"},
    }
    assert not {"batch_input_shape", "input_shape", "input_dim", "input_length"} & (set(a["config"]) | set(b["config"]))


def test_other_places_of_the_input_shape():
    lstm = {"class_name": "LSTM", "config": {"name": "a", "units": 4}}
    inner = {"class_name": "Sequential", "config": {"name": "i", "layers": [lstm], "build_input_shape": [None, 5, 3]}}
    for model in (
        {"class_name": "Sequential", "config": {"layers": [lstm | {"build_config": {"input_shape": [None, 5, 3]}}]}},
        {"class_name": "Sequential", "config": {"layers": [lstm]}, "build_config": {"input_shape": [None, 5, 3]}},
        {"class_name": "Sequential", "config": {"layers": [inner]}},
    ):
        assert normalised(model, "2.21.0")["config"]["layers"][0]["config"]["batch_shape"] == [None, 5, 3]
    embedding = {"class_name": "Embedding", "config": {"name": "e", "input_dim": 9, "input_length": 7}}
    model = {"class_name": "Sequential", "config": {"layers": [embedding]}}
    assert normalised(model, "1.2.2")["config"]["layers"][0]["config"]["batch_shape"] == [None, 7]
    unknown = {"class_name": "Sequential", "config": {"layers": [lstm]}}
    assert [entry["class_name"] for entry in normalised(unknown, "3.1.0")["config"]["layers"]] == ["LSTM"]


def test_input_layer():
    written = {"batch_input_shape": [None, 5], "sparse": False, "ragged": True, "optional": False, "dtype": "int32"}
    assert settings("InputLayer", written) == {"batch_shape": [None, 5], "dtype": "int32"}
    with pytest.raises(ValueError, match=r"'x' .*sparse=True"):
        settings("InputLayer", {"sparse": True})


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("float64", "float64"),
        ({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}, "shared_object_id": 7}, "mixed_bfloat16"),
        (
            {"class_name": "Policy", "module": "keras.mixed_precision", "config": {"name": "mixed_float16"}},
            "mixed_float16",
        ),
        ({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}, "float32"),
        ({"class_name": "DTypePolicyMap", "config": {"default_policy": "float16", "policy_map": {}}}, "float16"),
    ],
)
def test_dtype_policies(policy, name):
    assert settings("Dense", {"dtype": policy})["dtype"] == name


def test_values_of_json():
    assert settings("Masking", {"mask_value": {"class_name": "__numpy__", "config": {"value": [-1.0]}}}) == {
        "mask_value": [-1.0]
    }
    assert settings("LeakyReLU", {"alpha": {"type": "ndarray", "value": 0.25}}, "2.2.4") == {"negative_slope": 0.25}
    assert settings("BatchNormalization", {"axis": [2]}, "2.4.0") == {"axis": 2}
    assert settings("Dropout", {"seed": {"class_name": "SeedGenerator", "config": {"seed": 3}}}) == {"seed": 3}
    assert settings("Reshape", {"target_shape": {"class_name": "__tuple__", "items": [2, -1]}}) == {
        "target_shape": [2, -1]
    }


def test_initializers_and_activations_that_are_objects():
    written = {
        "kernel_initializer": {
            "module": "keras.initializers",
            "class_name": "OrthogonalInitializer",
            "config": {"gain": 1.0, "seed": None, "dtype": "float32", "input_axes": None},
            "registered_name": None,
            "shared_object_id": 3,
        },
        "bias_initializer": {"class_name": "Zeros", "module": "mine.things", "config": {}},
        "activation": {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.1}},
    }
    assert settings("Dense", written, "2.13.1") == {
        "kernel_initializer": {"class_name": "Orthogonal", "config": {"gain": 1.0, "seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}, "registered_name": "mine.things>Zeros"},
        "activation": {"class_name": "LeakyReLU", "config": {"name": "l", "negative_slope": 0.1}},
    }


def test_unknown_keys():
    written = {"units": 3, "quantization_config": None, "lora_rank": None, "time_major": False, "implementation": 2}
    assert settings("LSTM", written) == {"units": 3, "implementation": 2}
    for key, value in {"time_major": True, "lora_rank": 4, "brand_new": 0}.items():
        with pytest.raises(ValueError, match=f"'x' .LSTM. was saved with {key}={value}"):
            settings("LSTM", {key: value})


@pytest.mark.parametrize(
    ("entry", "registered"),
    [
        ({"registered_name": "pkg>Dense"}, "pkg>Dense"),
        ({"registered_name": "Dense", "module": "keras.layers"}, None),
        ({"registered_name": None, "module": "keras.src.layers.core.dense"}, None),
        ({"registered_name": "Dense", "module": "mine"}, "mine>Dense"),
        ({"module": "keras_tcn.layers"}, "keras_tcn.layers>Dense"),
    ],
)
def test_custom_classes_stay_recognisable(entry, registered):
    assert layer("Dense", {"strange": 1} if registered else {}, **entry).get("registered_name") == registered


def test_unknown_classes_and_build_configs_are_kept():
    assert layer("Lambda", {"function": {"class_name": "__lambda__"}})["config"]["function"]
    build = {"input_shape": [None, 3]}
    assert layer("Dense", {"units": 2}, build_config=build)["build_config"] == build


def test_layers_that_prepare_data_are_refused():
    with pytest.raises(ValueError, match=r"layer 'x' \(class HashedCrossing\) prepares data for a network"):
        layer("HashedCrossing", {})
    assert (
        layer("HashedCrossing", {}, registered_name="mine>HashedCrossing")["registered_name"] == "mine>HashedCrossing"
    )


def test_python_code_as_activation_is_refused():
    for written in ({"class_name": "__lambda__", "config": {"value": "code"}}, {"value": ["code", None, None]}):
        with pytest.raises(ValueError, match="activation of layer 'x' holds Python code"):
            layer("LSTM", {"units": 2, "activation": written})


def test_registered_classes_in_legacy_files():
    assert layer("mine>Twice", {}) == {"class_name": "Twice", "config": {"name": "x"}, "registered_name": "mine>Twice"}


def test_convolutions_of_keras_2():
    written = {"kernel_size": [3], "groups": 1, "kernel_initializer": "zeros", "kernel_regularizer": None}
    assert settings("SeparableConv1D", written | {"filters": 2}, "2.13.1") == {"kernel_size": [3], "filters": 2}
    assert settings("DepthwiseConv1D", written, "2.13.1") == {"kernel_size": [3]}
    with pytest.raises(ValueError, match=r"\(SeparableConv1D\) was saved with groups=2"):
        settings("SeparableConv1D", {"groups": 2}, "2.13.1")


@pytest.mark.parametrize(
    ("first", "version", "expected"),
    [
        (("Embedding", {"mask_zero": True}), "2.13.1", True),
        (("Masking", {}), "1.2.2", True),
        (("Embedding", {"mask_zero": False}), "2.13.1", False),
        (("Masking", {}), "3.15.1", False),
    ],
)
def test_masks_count_as_in_the_keras_that_wrote(first, version, expected):
    layers = [first, ("Concatenate", {}), ("Rescaling", {"scale": 2.0}), ("Dense", {})]
    written = [{"class_name": name, "config": {"name": name} | config} for name, config in layers]
    model = normalised({"class_name": "Sequential", "config": {"name": "m", "layers": written}}, version)
    flags = {entry["class_name"]: entry["config"].get("keras2_masks", False) for entry in model["config"]["layers"]}
    assert [flags[name] for name in ("Concatenate", "Rescaling", "Dense")] == [expected, expected, False]


def tensor(*history):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": list(history)}}


def fixed(training):
    return {"class_name": "__training__", "config": {"value": training}}


# Before Keras 3, a layer that is given its states still sees the mask of its inputs.
INPUT_MASK = {"class_name": "__input_mask__", "config": {}}


def graph(class_name, nodes, version, masks=False):
    layers = [
        {"class_name": "InputLayer", "name": name, "config": {"batch_input_shape": [None, 2]}, "inbound_nodes": []}
        for name in ("a", "h", "c")
    ]
    layers.append({"class_name": class_name, "name": "x", "config": {"name": "x"}, "inbound_nodes": nodes})
    if masks:
        layers.insert(0, {"class_name": "Masking", "name": "m", "config": {"name": "m"}, "inbound_nodes": []})
    config = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["x", 0, 0]]}
    return normalised({"class_name": "Model", "config": config}, version)


@pytest.mark.parametrize(
    ("class_name", "written", "args", "kwargs"),
    [
        ("Dense", [["a", 0, 0]], [tensor("a", 0, 0)], {}),
        ("Dense", [["a", 0, 1, {"training": False}]], [tensor("a", 0, 1)], {"training": fixed(False)}),
        ("Concatenate", [["a", 0, 0, {}], ["h", 0, 0, {}]], [[tensor("a", 0, 0), tensor("h", 0, 0)]], {}),
        (
            "LSTM",
            [["a", 0, 0, {}], ["h", 0, 0, {}], ["c", 0, 0, {}]],
            [tensor("a", 0, 0)],
            {"initial_state": [tensor("h", 0, 0), tensor("c", 0, 0)], "mask": INPUT_MASK},
        ),
        (
            "LSTM",
            [["a", 0, 0, {"initial_state": [["h", 0, 0], ["c", 0, 0]], "mask": None}]],
            [tensor("x_unmasked", 0, 0)],
            {"initial_state": [tensor("h", 0, 0), tensor("c", 0, 0)], "mask": None},
        ),
    ],
)
def test_calls_of_old_graphs(class_name, written, args, kwargs):
    model = graph(class_name, [written], "2.2.4", masks=True)
    assert model["class_name"] == "Functional"
    assert model["config"]["output_layers"] == ["x", 0, 0]
    assert model["config"]["layers"][-1]["inbound_nodes"] == [{"args": args, "kwargs": kwargs}]
    if "mask" in kwargs and kwargs["mask"] is None:
        copy = model["config"]["layers"][-2]
        assert (copy["class_name"], copy["name"]) == ("Copy", "x_unmasked")
        assert copy["inbound_nodes"] == [{"args": [tensor("a", 0, 0)], "kwargs": {}}]


def test_states_where_there_are_no_masks():
    model = graph("LSTM", [[["a", 0, 0], ["h", 0, 0], ["c", 0, 0]]], "2.2.4")
    call = {"args": [tensor("a", 0, 0)], "kwargs": {"initial_state": [tensor("h", 0, 0), tensor("c", 0, 0)]}}
    assert model["config"]["layers"][-1]["inbound_nodes"] == [call]


def test_calls_of_new_graphs_are_kept():
    call = {"args": [tensor("a", 0, 0), 0], "kwargs": {"mask": tensor("h", 0, 0)}}
    model = graph("NotEqual", [call], "3.15.1")
    assert model["config"]["layers"][-1]["inbound_nodes"] == [call]
    assert model["config"]["output_layers"] == [["x", 0, 0]]


def test_merge_of_keras1():
    for mode, class_name, extra in (("sum", "Add", {}), ("concat", "Concatenate", {"axis": 1})):
        merged = layer("Merge", {"mode": mode, "concat_axis": 1, "dot_axes": -1, "output_shape": None}, "1.2.2")
        assert merged == {"class_name": class_name, "config": {"name": "x"} | extra}
    dot = layer("Merge", {"mode": "cos", "dot_axes": 2}, "1.2.2")
    assert dot == {"class_name": "Dot", "config": {"name": "x", "axes": 2, "normalize": True}}
    with pytest.raises(ValueError, match=r"'x' \(Merge of Keras 1\) has the mode"):
        layer("Merge", {"mode": "lambda"}, "1.2.2")


def test_normal_form_is_a_fixed_point():
    written = {"class_name": "LSTM", "config": {"name": "a", "output_dim": 4, "inner_activation": "hard_sigmoid"}}
    model = {"class_name": "Sequential", "config": [written | {"build_config": {"input_shape": [None, 5, 3]}}]}
    once = normalised(model, "1.2.2")
    assert normalised(once, "3.15.1") == once
