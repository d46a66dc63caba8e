import gc
import io
import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Model, Sequential, load_model, model_from_json, save_model
from fastlstm.layers import LSTM, Activation, Attention, Bidirectional, Dense, Dropout
from fastlstm.saving import open_file

X = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)


@pytest.fixture
def model():
    layers = [Input((5, 3)), LSTM(4, return_sequences=True, name="lstm_1"), Dropout(0.2), LSTM(6, "relu", name="lstm")]
    model = Sequential([*layers, Dense(2, "softmax")], name="m")
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def rewritten(path, change):
    """The `.keras` file again, with its config changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    other = path.with_name("rewritten.keras")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return other


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "folder"])
def test_a_loaded_model_takes_twice_its_weights(tmp_path, name):
    model = Sequential([Input((None, 100)), LSTM(200, return_sequences=True), LSTM(150), Dense(70)])
    model.save(tmp_path / name, zipped=False if name == "folder" else None)
    size = 4 * model.count_params()
    load_model(tmp_path / name).predict_on_batch(np.zeros((1, 1, 100), np.float32))
    tracemalloc.start()
    try:
        loaded = load_model(tmp_path / name)
        loaded.predict_on_batch(np.zeros((1, 1, 100), np.float32))
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2 * size < now < 2.2 * size


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "folder", Path("p.keras")])
def test_round_trip(model, tmp_path, name):
    path = tmp_path / name
    zipped = False if name == "folder" else None
    model.save(path if isinstance(name, Path) else str(path), zipped=zipped)
    again = load_model(path)
    assert again.get_config() == model.get_config()
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(again(X), model(X))
    if zipped is not False:
        save_model(again, path)
        np.testing.assert_array_equal(load_model(path)(X), model(X))


def test_written_config(model, tmp_path):
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        config = json.loads(archive.read("config.json"))
    assert (config["module"], config["class_name"], config["registered_name"]) == ("keras", "Sequential", None)
    assert config["build_config"] == {"input_shape": [None, 5, 3]}
    assert config["config"]["build_input_shape"] == [None, 5, 3]
    assert config["compile_config"]["optimizer"]["class_name"] == "Adam"
    assert [layer["class_name"] for layer in config["config"]["layers"]] == [
        "InputLayer",
        "LSTM",
        "Dropout",
        "LSTM",
        "Dense",
    ]
    lstm = config["config"]["layers"][1]
    assert (lstm["module"], lstm["build_config"]) == ("keras.layers", {"input_shape": [None, 5, 3]})
    assert lstm["config"]["dtype"]["config"] == {"name": "float32"}


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_compile_arguments_travel(model, tmp_path, name):
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / name)
    again = load_model(tmp_path / name)
    assert again.compiled
    assert (again.get_compile_config()["loss"], again.get_compile_config()["metrics"]) == (
        "mean_squared_error",
        ["mae"],
    )
    assert not load_model(tmp_path / name, compile=False).compiled
    model.save(tmp_path / name, include_optimizer=False)
    assert not load_model(tmp_path / name).compiled
    model.compile("adam", lambda y_true, y_pred: 0)
    with pytest.warns(UserWarning, match="The arguments of `compile` are left out"):
        model.save(tmp_path / name)
    assert not load_model(tmp_path / name).compiled


def test_json(model):
    again = model_from_json(model.to_json())
    assert again.built
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), model(X))
    assert model.to_json(indent=2).startswith('{\n  "module": "keras"')
    for text in (
        "{",
        "[]",
        "{}",
        '{"class_name": "Foo", "config": {}}',
        "[" * 100_000,
        '{"class_name": "Dense", "config": {"units": 2}}',
        '{"class_name": "Sequential", "config": {"name": "a", "layers": [], "dtype": {"class_name": [], "config": 3}}}',
    ):
        with pytest.raises(ValueError):
            model_from_json(text)
    with pytest.raises(TypeError, match="custom_objects"):
        model_from_json(model.to_json(), ["a"])


def test_hard_sigmoid_keeps_its_meaning_in_json():
    model = Sequential([Input((3,)), Dense(2, "hard_sigmoid"), Dense(2, "hard_sigmoid_keras2")])
    again = model_from_json(model.to_json())
    assert [layer.get_config()["activation"] for layer in again.layers] == ["hard_sigmoid", "hard_sigmoid_keras2"]
    old = json.loads(model.to_json())
    old["keras_version"] = "2.2.4"
    del old["config"]["layers"][2]
    assert model_from_json(json.dumps(old)).layers[0].get_config()["activation"] == "hard_sigmoid_keras2"


def test_unbuilt_models(tmp_path):
    model = Sequential([LSTM(2)])
    with pytest.warns(UserWarning, match="You are saving a model that has not yet been built."):
        model.save(tmp_path / "u.keras")
    with pytest.raises(ValueError, match="was saved before it was built: the file contains no weights"):
        load_model(tmp_path / "u.keras")
    for run, doing in (
        (lambda: model.save_weights(tmp_path / "u.weights.h5"), "saving a model"),
        (lambda: model.load_weights(tmp_path / "u.weights.h5"), "loading weights into a model"),
    ):
        with pytest.raises(
            ValueError, match=f"You are {doing} that has not yet been built. Try building the model first"
        ):
            run()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("m.foo", {}, "Invalid filepath extension for saving. Please add either a `.keras` extension for the native"),
        ("m", {}, "Invalid filepath extension for saving."),
        ("m.keras", {"foo": 1}, "The following argument(s) are not supported: ['foo']"),
        (
            "m.keras",
            {"zipped": False},
            "When using `zipped=False`, the `filepath` argument should not end in `.keras`.",
        ),
        ("m.foo", {"save_format": "tf"}, "The `save_format` argument is deprecated in Keras 3."),
    ],
)
def test_refused_saving(model, tmp_path, name, arguments, message):
    with pytest.raises(ValueError) as error:
        model.save(tmp_path / name, **arguments)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_overwriting(model, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    model.save(path, overwrite=False)
    old = path.read_bytes()
    model.set_weights([0 * weight for weight in model.get_weights()])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(FileExistsError, match=re.escape(str(path))):
        model.save(path, overwrite=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    model.save(path, overwrite=False)
    assert path.read_bytes() == old
    monkeypatch.setattr("builtins.input", lambda question: "y")
    model.save(path, overwrite=False)
    assert not load_model(path).get_weights()[0].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hard_sigmoid": "foo"}, "`hard_sigmoid` should be 'auto', 'keras2' or 'keras3'"),
    ],
)
def test_refused_loading(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "m.keras", **arguments)


def test_missing_files(tmp_path):
    with pytest.raises(ValueError, match=r"File not found: filepath=.*\. Please ensure the file is an accessible"):
        load_model(tmp_path / "no.keras")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "no.h5")


def test_configs_that_cannot_be_honoured(model, tmp_path):
    path = tmp_path / "m.keras"
    model.save(path)

    def edited(**changes):
        return lambda config: config["config"]["layers"][1].update(changes)

    def huge(config):
        config["config"]["layers"][4]["config"]["units"] = 2**30

    def no_model(config):
        config.update(config["config"]["layers"][1])

    for change, message in (
        (edited(class_name="Lambda"), "Layer 'lstm_1' (class Lambda) holds Python code"),
        (edited(class_name="Mine", registered_name="my>Mine", module="mine"), "is a custom class"),
        (edited(class_name="Conv9D"), "Layer 'lstm_1' (class Conv9D) is not supported"),
        (huge, "(6, 1073741824)"),
        (no_model, "The file holds a single layer"),
    ):
        with pytest.raises(ValueError) as error:
            load_model(rewritten(path, change))
        assert message in str(error.value)


def test_weights_round_trip(model, tmp_path):
    path = tmp_path / "m.weights.h5"
    model.save_weights(str(path))
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    y = model(X)
    for source in ("m.weights.h5", "m.keras", "m.h5"):
        model.set_weights([0 * weight for weight in model.get_weights()])
        model.load_weights(tmp_path / source)
        np.testing.assert_array_equal(model(X), y)
    with pytest.raises(ValueError, match=r"The filename must end in `.weights.h5`. Received: filepath="):
        model.save_weights(tmp_path / "m.foo")
    with pytest.raises(ValueError, match=r"Invalid keyword arguments: \{'foo': 1\}"):
        model.load_weights(path, foo=1)
    with pytest.raises(ValueError, match="`by_name` only supports loading legacy"):
        model.load_weights(path, by_name=True)
    model.save_weights(tmp_path / "s.weights.json", max_shard_size=1)
    model.load_weights(tmp_path / "s.weights.json")
    np.testing.assert_array_equal(model(X), y)


def test_loading_weights_is_all_or_nothing(model, tmp_path):
    other = Sequential([Input((5, 3)), LSTM(4, return_sequences=True), LSTM(6), Dense(3)])
    other.save_weights(tmp_path / "o.weights.h5")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"A total of 1 objects could not be loaded"):
        model.load_weights(tmp_path / "o.weights.h5")
    for now, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    with pytest.warns(UserWarning, match="A total of 1 objects could not be loaded"):
        model.load_weights(tmp_path / "o.weights.h5", skip_mismatch=True)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    np.testing.assert_array_equal(model.get_weights()[-1], before[-1])


def test_loading_by_name(model, tmp_path):
    model.save(tmp_path / "m.h5")
    other = Sequential([Input((5, 3)), LSTM(4, name="lstm_1"), Dense(3, name="new")])
    kept = other.get_weights()[-1]
    other.load_weights(tmp_path / "m.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    np.testing.assert_array_equal(other.get_weights()[-1], kept)


def test_legacy_files_that_keras_cannot_read_warn(tmp_path):
    x = Input((5, 3))
    sliced = Model(x, LSTM(2, return_sequences=True)(x)[:, 0])
    inside = Model(y := Input((5, 3)), sliced(Dense(3)(y)))
    attending = Model(x, Attention(name="look")([x, x]))
    for model, named in ((sliced, "GetItem"), (inside, "GetItem"), (attending, "'look'")):
        with pytest.warns(UserWarning, match=f"Keras cannot read .* {named}") as caught:
            model.save(tmp_path / "m.h5")
        assert caught[0].filename == __file__
        model.save(tmp_path / "m.keras")
        load_model(tmp_path / "m.h5")
    Model(x, Attention(score_mode="concat")([x, fastlstm.ops.concatenate([x, x], axis=1)])).save(tmp_path / "m.h5")


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_old_hard_sigmoid_is_saved_as_layers(tmp_path, kind):
    old = "hard_sigmoid_keras2"
    layers = [Bidirectional(LSTM(2, recurrent_activation=old)), Dense(3, activation=old), Activation(old, name="last")]
    model = Sequential([Input((5, 3)), *layers])
    model.save(tmp_path / f"m.{kind}")
    with open_file(tmp_path / f"m.{kind}") as file:
        config = json.dumps(file._contents.model)
    # The function's name is that of layers in its place, for Keras 3 to run.
    assert config.count(f'"name": "{old}"') == config.count(f'"{old}"') == 4
    again = load_model(tmp_path / f"m.{kind}")
    assert [layer.get_config()["activation"] for layer in again.layers[1:]] == [old, old]
    x = np.random.default_rng(0).normal(size=(3, 5, 3))
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_hard_sigmoid_choice(tmp_path):
    model = Sequential([Input((5, 3)), LSTM(2, recurrent_activation="hard_sigmoid", name="a")])
    model.save(tmp_path / "m.keras")
    for choice, name in {"auto": "hard_sigmoid", "keras3": "hard_sigmoid", "keras2": "hard_sigmoid_keras2"}.items():
        again = load_model(tmp_path / "m.keras", hard_sigmoid=choice)
        assert again.layers[0].get_config()["recurrent_activation"] == name


def test_stateful_models_load_with_zero_states(tmp_path):
    model = Sequential([Input((5, 3), batch_size=4), LSTM(2, stateful=True)])
    y = model(X)
    model.save(tmp_path / "s.keras")
    again = load_model(tmp_path / "s.keras")
    np.testing.assert_array_equal(again(X), y)
    np.testing.assert_array_equal(again(X), model(X))


def test_float64_becomes_float32_with_a_warning():
    model = Sequential([Input((5, 3), dtype="float64"), Bidirectional(LSTM(2)), Dense(2)])
    text = model.to_json().replace('{"name": "float32"}', '{"name": "float64"}')
    with pytest.warns(UserWarning, match="'bidirectional.*should compute in float64; they are loaded as float32"):
        again = model_from_json(text)
    again.set_weights(model.get_weights())
    assert {layer.dtype_policy.name for layer in again.leaves()} == {"float32"}
    x = np.random.default_rng(0).normal(size=(3, 5, 3))
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("collects", [True, False])
def test_loading_leaves_the_search_for_unreachable_objects_as_it_was(tmp_path, collects):
    Sequential([Input((2,)), Dense(1)]).save(tmp_path / "model.keras")
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        load_model(tmp_path / "model.keras")
        assert gc.isenabled() is collects
        with pytest.raises(ValueError, match="File not found"):
            load_model(tmp_path / "none.keras")
        assert gc.isenabled() is collects
    finally:
        gc.enable() if before else gc.disable()
