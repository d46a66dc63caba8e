import pytest

from fastlstm import Input, Sequential, losses, metrics, optimizers
from fastlstm.identifiers import snake_case
from fastlstm.layers import Dense
from fastlstm.models import compilation
from fastlstm.models.compilation import arguments_of_file
from fastlstm.optimizers import schedules


@pytest.fixture
def model():
    return Sequential([Input((3,)), Dense(2)])


class Object:
    def get_config(self):
        return {"learning_rate": 0.1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "foo"}, "Could not interpret optimizer identifier: foo"),
        ({"optimizer": 3}, "Could not interpret optimizer identifier: 3"),
        ({"loss": "foo"}, "Could not interpret loss identifier: foo"),
        ({"loss": ["mse", "foo"]}, "Could not interpret loss identifier: foo"),
        ({"metrics": ["foo"]}, "Could not interpret metric identifier: foo"),
        ({"metrics": {"a": ["foo"]}}, "Could not interpret metric identifier: foo"),
        (
            {"metrics": "mae"},
            "Expected `metrics` argument to be a list, tuple, or dict. "
            "Received instead: metrics=mae of type <class 'str'>",
        ),
    ],
)
def test_refused(model, arguments, message):
    with pytest.raises(ValueError) as error:
        model.compile(**arguments)
    assert str(error.value) == message
    assert not model.compiled


@pytest.mark.parametrize("optimizer", ["adam", "Adam", "RMSprop", "rmsprop", "SGD", "adamw"])
@pytest.mark.parametrize("loss", ["mse", "MSE", "MeanSquaredError", "binary_crossentropy", len, None])
def test_accepted(model, optimizer, loss):
    assert model.optimizer is None
    model.compile(optimizer, loss, metrics=["mae", "acc", "RootMeanSquaredError", Object()])
    assert (model.compiled, model.loss) == (True, loss)
    assert type(model.optimizer).__name__.lower() == optimizer.lower()


def test_optimizers(model):
    adam = optimizers.Adam(0.25)
    model.compile(adam)
    assert model.optimizer is adam
    model.compile(None, "mse")
    assert model.optimizer is None
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier"):
        model.compile(Object())


def test_config(model):
    assert model.get_compile_config() is None
    adam = optimizers.Adam(0.25)
    model.compile(adam, {"a": "mse"}, metrics=["mae"], loss_weights=[0.5])
    assert model.get_compile_config() == {
        "optimizer": {
            "module": "keras.optimizers",
            "class_name": "Adam",
            "config": adam.get_config(),
            "registered_name": None,
        },
        "loss": {"a": "mean_squared_error"},
        "loss_weights": [0.5],
        "metrics": ["mae"],
        "weighted_metrics": None,
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }
    model.compile("adam", losses.Huber(2.0))
    assert model.get_compile_config()["loss"]["config"]["delta"] == 2.0
    model.compile("adam", ["MAE", "huber", {"class_name": "Huber", "config": {}}])
    assert model.get_compile_config()["loss"] == ["mean_absolute_error", "huber", {"class_name": "Huber", "config": {}}]
    model.compile(None, "mse")
    assert model.get_compile_config() is None
    model.compile("adam", lambda y_true, y_pred: 0)
    with pytest.warns(UserWarning, match=r"The arguments of `compile` are left out: <function .*<lambda> at"):
        assert model.get_compile_config() is None


def own_loss(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean(-1)


def test_functions_are_named(model):
    model.compile("adam", losses.mean_squared_error, metrics=[own_loss, metrics.MeanSquaredError(), "acc"])
    config = model.get_compile_config()
    function = {"module": "builtins", "class_name": "function", "registered_name": "function"}
    assert config["loss"] == {**function, "config": "mean_squared_error"}
    assert [config["metrics"][0], config["metrics"][2]] == [{**function, "config": "own_loss"}, "acc"]

    def huber(y_true, y_pred):
        return y_pred

    model.compile("adam", huber)
    with pytest.warns(UserWarning, match="has the name of one of Keras'"):
        assert model.get_compile_config() is None


def test_from_config(model):
    rate = schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(optimizers.SGD(rate, momentum=0.9), losses.Huber(2.0), metrics=["mae"], jit_compile=True)
    config = model.get_compile_config()
    other = Sequential([Input((3,)), Dense(2)])
    other.compile_from_config(config)
    assert other.get_compile_config() == config
    assert (other.optimizer.momentum, other.loss.delta) == (0.9, 2.0)


ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.1}}


def test_what_is_kept_of_a_file():
    kept = arguments_of_file({"optimizer": ADAM, "loss": "mse", "metrics": ["mae"]}, keras3=True)
    assert kept.config == {
        "optimizer": {**ADAM, "module": "keras.optimizers", "registered_name": None},
        "loss": "mean_squared_error",
        "metrics": ["mae"],
    }
    assert arguments_of_file({"optimizer": ADAM, "loss": "mse"}, keras3=False) is None
    for optimizer in (None, "adam", {}):
        assert arguments_of_file({"optimizer": optimizer}, keras3=True) is None
    assert arguments_of_file(None, keras3=True) is None


@pytest.mark.parametrize(
    ("config", "unknown"),
    [
        ({"optimizer": {"class_name": "Custom>Adam", "config": {}}}, "no optimizer 'Custom>Adam' here"),
        ({"optimizer": {"class_name": "Muon", "config": {}}, "loss": "foo"}, "no optimizer 'Muon', no loss 'foo' here"),
        ({"optimizer": {"class_name": "Adam", "config": {}, "module": "__main__"}}, "no optimizer 'Adam' here"),
        (
            {"optimizer": {"class_name": "SGD", "config": {"learning_rate": {"class_name": "Mine", "config": {}}}}},
            "no learning rate schedule 'Mine' here",
        ),
        ({"optimizer": ADAM, "loss": {"a": "mse", "b": "own"}}, "no loss 'own' here"),
        ({"optimizer": ADAM, "loss": ["mse", None, 3]}, "no loss 3 here"),
        (
            {"optimizer": ADAM, "metrics": [[{"class_name": "function", "module": "builtins", "config": "own"}]]},
            "no metric 'own' here",
        ),
        ({"optimizer": ADAM, "weighted_metrics": ["acc", "own"]}, "no metric 'own' here"),
    ],
)
def test_what_is_not_known_is_named(config, unknown):
    with pytest.warns(UserWarning) as warned:
        assert arguments_of_file(config, keras3=True) is None
    assert f"not compiled: there is {unknown}" in str(warned[0].message)


def test_own_objects_are_known():
    function = {"class_name": "function", "module": "builtins", "config": "own_loss", "registered_name": "function"}
    kept = arguments_of_file({"optimizer": ADAM, "loss": function}, True, {"own_loss": own_loss, "other": 3})
    assert kept.custom_objects == {"own_loss": own_loss}


def test_the_names_are_those_of_the_modules():
    def known(module):
        return {snake_case(name) for name in module._REGISTRY.objects}

    assert {name.lower() for name in compilation._OPTIMIZERS.split()} == set(optimizers._REGISTRY.objects)
    assert {*compilation._SCHEDULES.split(), "LearningRateSchedule", "serialize", "deserialize"} == set(
        schedules.__all__
    )
    of_data = {"crossentropy", "ce", "acc"}
    assert set(compilation._LOSSES.split()) - of_data == known(losses) - {"loss", "loss_function_wrapper"}
    assert set(compilation._METRICS.split()) - of_data == known(metrics) - {"metric", "mean_metric_wrapper"}
