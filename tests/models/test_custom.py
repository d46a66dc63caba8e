"""Classes and functions of a caller's own: in code, in files that real Keras wrote, in files of ours."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import Model, Sequential, activations, load_model, model_from_json
from fastlstm.layers import LSTM, RNN, Dense, Dropout, Input, Lambda, Layer, deserialize
from fastlstm.object_registration import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    register_keras_serializable,
)
from fastlstm.saving.config import normalise, stored_classes

CUSTOM = Path(__file__).parent.parent / "data" / "custom.zip"  # made by make_custom.py beside it
X = np.random.default_rng(3).normal(size=(3, 5, 4)).astype(np.float32)


class Scaled(Layer):
    def __init__(self, power=1.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.scale**self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power}


class Gated(Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.value = Dense(units)
        self.gate = Dense(units, activation="sigmoid")

    def call(self, inputs):
        return self.value(inputs) * self.gate(inputs)


class Always(Dropout):
    def call(self, inputs, training=None):
        return inputs * 2.0


class Leaky(Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))

    def call(self, inputs, states, training=None):
        new = 0.5 * states[0] + inputs @ self.kernel
        return new, [new]


class Own(Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.lstm = LSTM(units, return_sequences=True)
        self.heads = [Dense(2), Dense(1)]

    def call(self, inputs, training=False):
        x = self.lstm(inputs)
        for head in self.heads:
            x = head(x)
        return x

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def squared(x):
    return x * x


OBJECTS = {cls.__name__: cls for cls in (Scaled, Gated, Always, Leaky, Own)}
OBJECTS |= {"squared": squared, "tripled": lambda x: x * 3.0, "lambda": squared}
with zipfile.ZipFile(CUSTOM) as archive:
    FILES = {name: archive.read(name) for name in archive.namelist()}


def answers(name):
    stem = name.partition(".")[0]
    with np.load(io.BytesIO(FILES[f"{stem}.npz"])) as data:
        return data["x"], data["y"]


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".keras", ".h5")) and "weights" not in name])
def test_files_of_real_keras(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    x, y = answers(name)
    model = load_model(path, custom_objects=OBJECTS)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model(x), y, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"custom_objects|Could not interpret") as error:
        load_model(path)
    assert "Scaled" in str(error.value) or "sequential" not in name


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_weights_of_a_subclassed_model(package, tmp_path):
    path = tmp_path / "own.weights.h5"
    path.write_bytes(FILES[f"{package}_own.weights.h5"])
    x, y = answers(f"{package}_own")
    model = Own(3)
    with pytest.raises(ValueError, match="not yet been built"):
        model.load_weights(path)
    model.build((None, 5, 4))
    model.load_weights(path)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-5)


def test_our_files_come_back(tmp_path):
    for number, layers in enumerate(([Scaled(2.0), Gated(2)], [RNN(Leaky(3))], [Always(0.5), Dense(1, squared)])):
        model = Sequential([Input((5, 4)), *layers])
        for ending in ("keras", "h5"):
            path = tmp_path / f"m{number}.{ending}"
            model.save(path)
            again = load_model(path, custom_objects=OBJECTS)
            np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
        again = model_from_json(model.to_json(), custom_objects=OBJECTS)
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_a_subclassed_model_comes_back(tmp_path):
    model = Own(2)
    y = model.predict(X, verbose=0)
    model.save(tmp_path / "own.keras")
    again = load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    np.testing.assert_array_equal(again.predict(X, verbose=0), y)


@pytest.mark.parametrize("batch_size", [2, 32])
def test_a_subclassed_model_in_code(batch_size):
    model = Own(4)
    assert model.layers == [model.lstm, *model.heads]
    y = model.predict(X, batch_size=batch_size, verbose=0)
    by_hand = model.heads[1](model.heads[0](model.lstm(X)))
    np.testing.assert_array_equal(y, by_hand)
    np.testing.assert_array_equal(model(X), by_hand)
    np.testing.assert_array_equal(model.predict_on_batch(X), by_hand)
    assert len(model.weights) == 7 and model.built
    i = Input((5, 4))
    outer = Model(i, Dense(1)(model(i)))
    assert outer.output_shape == (None, 5, 1)
    np.testing.assert_array_equal(outer.predict(X, verbose=0), outer.layers[-1](by_hand))
    with pytest.raises(ValueError, match="a `call` of its own"):
        model.stream()


def test_structures_in_and_out():
    class TwoWays(Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = LSTM(2), LSTM(3)

        def call(self, inputs, training=None):
            return {"first": self.one(inputs["a"]), "second": [self.two(inputs["b"])]}

    model = TwoWays()
    outputs = model.predict({"a": X, "b": X[:, :2]}, batch_size=2, verbose=0)
    assert outputs["first"].shape == (3, 2) and outputs["second"][0].shape == (3, 3)
    np.testing.assert_array_equal(outputs["first"], model.one(X))


def test_training_reaches_the_call():
    class Asked(Model):
        def call(self, inputs, training=None):
            return inputs * {True: 1.0, False: 2.0, None: 3.0}[training]

    model = Asked()
    factors = [np.asarray(model(X, training=training))[0, 0, 0] / X[0, 0, 0] for training in (True, False, None)]
    np.testing.assert_allclose(factors, [1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * X)


@pytest.mark.parametrize("base", [Sequential, Model])
def test_a_call_around_that_of_a_built_in_model(base):
    class Doubled(base):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs)

    i = Input((5, 4))
    model = Doubled([i, LSTM(2)]) if base is Sequential else Doubled(i, LSTM(2)(i))
    expected = 2 * np.asarray(model.layers[-1](X))
    for outputs in (model.predict(X, verbose=0), model(X), model.predict_on_batch(X), model.predict(X, 2, 0)):
        np.testing.assert_array_equal(outputs, expected)
    outer = Sequential([Input((5, 4)), model])
    np.testing.assert_array_equal(outer.predict(X, verbose=0), expected)


def test_a_subclass_that_passes_inputs_and_outputs_on():
    class Graph(Model):
        def __init__(self, units):
            i = Input((5, 4))
            super().__init__(inputs=i, outputs=LSTM(units)(i), name="graph")

    model = Graph(3)
    assert model.output_shape == (None, 3) and model.name == "graph"
    assert "engine" in model.plan()
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.layers[-1](X))


def test_names_of_objects():
    @register_keras_serializable("Mine", "Thing")
    class Other(Layer):
        def call(self, inputs):
            return inputs + 1

    try:
        assert get_registered_name(Other) == "Mine>Thing"
        model = Sequential([Input((2,)), Other()])
        assert model_from_json(model.to_json()).predict(np.zeros((1, 2)), verbose=0).tolist() == [[1, 1]]
    finally:
        del get_custom_objects()["Mine>Thing"]
    with pytest.raises(ValueError, match="custom class"):
        model_from_json(model.to_json())
    with custom_object_scope({"squared": squared}):
        assert activations.get("squared") is squared
    with pytest.raises(ValueError, match="Could not interpret"):
        activations.get("squared")
    with pytest.raises(TypeError, match="custom_objects"):
        deserialize({"class_name": "Dense", "config": {"units": 1}}, ["Dense"])
    with pytest.raises(ValueError, match="get_config"):
        register_keras_serializable()(object)


def test_what_is_written_of_a_layer_that_does_not_say_its_config():
    class Plain(Layer):
        def __init__(self, units, rate=0.5, **kwargs):
            super().__init__(**kwargs)
            self.dense = Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    layer = Plain(3, name="p")
    assert layer.get_config() == {"name": "p", "trainable": True, "dtype": layer.get_config()["dtype"], "units": 3}
    assert Plain.from_config(layer.get_config()).dense.units == 3
    with pytest.raises(NotImplementedError, match="must override `get_config"):
        Plain(3, rate=len).get_config()


def test_shapes_are_found_out_by_a_call():
    class Halved(Layer):
        def call(self, inputs):
            return inputs[:, ::2], inputs[..., :1]

    shapes = [output.shape for output in Halved()(Input((None, 4)))]
    assert shapes == [(None, None, 4), (None, None, 1)]

    class Broken(Layer):
        def call(self, inputs):
            raise ZeroDivisionError("no")

    with pytest.raises(RuntimeError, match=r"Could not automatically infer the output shape(.|\n)*no"):
        Broken()(Input((3,)))


def test_lambda(tmp_path):
    def scaled(x, by=2.0):
        return x * by

    model = Sequential([Input((5, 4)), LSTM(3), Lambda(scaled, arguments={"by": 3.0})])
    assert model.output_shape == (None, 3)
    np.testing.assert_array_equal(model.predict(X, verbose=0), 3 * np.asarray(model.layers[0](X)))
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"scaled": scaled})
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(ValueError, match="without a name"):
        Sequential([Input((2,)), Lambda(lambda x: x)]).save(tmp_path / "l.keras")
    with pytest.raises(ValueError, match="should be callable"):
        Lambda("x * 2")


def test_the_shape_that_a_lambda_of_several_inputs_says_is_without_the_batch():
    a, b = Input((3,), batch_size=4), Input((3,))
    made = Lambda(lambda pair: (pair[0] - pair[1]).sum(axis=1, keepdims=True), output_shape=(1,))([a, b])
    assert made.shape == (4, 1)
    assert Lambda(lambda pair: pair[0] @ pair[1], output_shape=(3,))([b, b]).shape == (None, 3)
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(Model([a, b], made).predict([x, 0 * x], verbose=0), [[3]] * 4)


def test_losses_and_metrics_that_loading_does_not_need(tmp_path):
    model = Sequential([Input((5, 4)), LSTM(3)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m.keras")
    load_model(tmp_path / "m.keras", custom_objects={"my_loss": squared, "MyMetric": object})


def test_safe_mode_changes_nothing(tmp_path):
    Sequential([Input((5, 4)), LSTM(3)]).save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="never executed"):
        load_model(tmp_path / "m.keras", safe_mode=False)
    path = tmp_path / "l.keras"
    path.write_bytes(FILES["keras_lambda.keras"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="never run from a file"):
            load_model(path, safe_mode=False)


def test_arithmetic_of_variables():
    layer = Scaled()
    layer.build((None, 4))
    scale = layer.scale
    np.testing.assert_array_equal(X @ np.ones((4, 2), np.float32) * 2, X @ (np.ones((4, 2), np.float32) + scale[0]))
    np.testing.assert_array_equal(2 - scale + scale / 2 - scale**2, np.full(4, 0.5))
    np.testing.assert_array_equal(-scale[:2], [-1, -1])
    assert (scale == 1).all() and len(scale) == 4 and scale.shape == (4,)
    scale.assign_add(np.arange(4))
    scale.assign_sub(np.ones(4))
    np.testing.assert_array_equal(scale, np.arange(4))
    with pytest.raises(TypeError, match="assign"):
        np.add(scale, 1, out=scale)
    assert fastlstm.backend.Tensor is type(layer(X))


def test_a_call_operator_of_its_own_is_refused_where_it_would_not_run():
    class Tripled(Dense):
        def __call__(self, inputs, *args, **kwargs):
            return 3 * super().__call__(inputs, *args, **kwargs)

    with pytest.raises(ValueError, match="override `call`"):
        Sequential([Input((4,)), Tripled(2)])
    i = Input((4,))
    layer = Tripled(2)
    model = Model(i, layer(i))
    x = X[:, 0].copy()
    np.testing.assert_allclose(model.predict(x, verbose=0), 3 * np.asarray(layer.call(x)), rtol=1e-6)


def test_the_callers_class_may_have_another_name_than_the_files(tmp_path):
    class Half(fastlstm.layers.Dense):
        def call(self, inputs):
            return super().call(inputs) * 0.5

    class Other(fastlstm.layers.Dense):
        def call(self, inputs):
            return super().call(inputs) * 0.5

    model = fastlstm.Sequential([fastlstm.layers.Input((3,)), fastlstm.layers.Dense(4), Half(2), Half(2)])
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"own.{ending}")
        again = fastlstm.load_model(tmp_path / f"own.{ending}", custom_objects={"Half": Other})
        assert (again.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


def test_files_of_keras_2_with_a_recurrent_layer_of_ones_own_and_another_name():
    class Doubled(fastlstm.layers.LSTM):
        def call(self, inputs, **kwargs):
            return super().call(inputs * 2, **kwargs)

    config = fastlstm.layers.serialize(fastlstm.layers.LSTM(4, name="own"))["config"]
    entry = {"class_name": "Mine", "registered_name": "Mine", "config": {**config, "time_major": False}}
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [entry], "build_input_shape": [None, 3, 2]}}
    normal = normalise(model, "2.15.0")
    assert stored_classes(model)["own"] == "Mine"
    layer = deserialize(normal["config"]["layers"][-1], {"Mine": Doubled})
    assert type(layer) is Doubled
