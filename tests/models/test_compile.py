import pytest

from fastlstm import Input, Sequential, losses, optimizers
from fastlstm.layers import Dense
from fastlstm.models.compilation import kept_compile_config


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
    assert model.get_compile_config() is None


def test_what_is_kept_of_a_file():
    adam = {"class_name": "Adam", "config": {"learning_rate": 0.1}}
    kept = kept_compile_config({"optimizer": adam, "loss": "mse", "metrics": ["mae"]}, keras3=True)
    assert kept == {
        "optimizer": {**adam, "module": "keras.optimizers", "registered_name": None},
        "loss": "mean_squared_error",
        "metrics": ["mae"],
    }
    assert kept_compile_config({"optimizer": adam, "loss": "mse"}, keras3=False) is None
    for optimizer in (None, "adam", {"class_name": "Custom>Adam"}, {}):
        assert kept_compile_config({"optimizer": optimizer}, keras3=True) is None
    assert kept_compile_config(None, keras3=True) is None
