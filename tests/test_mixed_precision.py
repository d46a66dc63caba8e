import numpy as np
import pytest

from fastlstm import DTypePolicy, Sequential, config, layers, mixed_precision


@pytest.fixture
def policy():
    yield
    mixed_precision.set_global_policy("float32")


def test_the_policy_of_layers_that_are_given_none(policy):
    assert mixed_precision.global_policy() == DTypePolicy("float32")
    mixed_precision.set_global_policy("mixed_float16")
    assert config.dtype_policy().name == mixed_precision.dtype_policy().name == "mixed_float16"
    lstm, dense = layers.LSTM(3), layers.Dense(2, dtype="float32")
    model = Sequential([layers.Input((4, 2)), lstm, dense])
    assert [layer.dtype_policy.name for layer in model.layers] == ["mixed_float16", "float32"]
    assert lstm.get_config()["dtype"]["config"] == {"name": "mixed_float16"}
    # Weights and what is computed of them are float32 whatever the name.
    assert lstm.weights[0].dtype == "float32"
    assert str(model.predict(np.ones((1, 4, 2)), verbose=0).dtype) == "float32"
    config.set_dtype_policy(mixed_precision.Policy("bfloat16"))
    assert layers.Dense(2).dtype_policy.name == "bfloat16"


def test_errors(policy):
    with pytest.raises(ValueError, match=r"Invalid `policy` argument. Expected the string name of a policy"):
        mixed_precision.set_global_policy(16)
    with pytest.raises(ValueError, match=r"Cannot convert 'half' to a mixed precision DTypePolicy"):
        mixed_precision.set_global_policy("half")
    with pytest.raises(AttributeError, match=r"has no 'LossScaleOptimizer', .*: losses are not scaled"):
        _ = mixed_precision.LossScaleOptimizer
