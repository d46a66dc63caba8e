import numpy as np
import pytest

from fastlstm.layers import Input, InputLayer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "You must pass a `shape` argument."),
        ({"shape": (3,), "batch_shape": (1, 3)}, "You cannot pass both `shape` and `batch_shape` at the same time."),
        (
            {"batch_size": 3, "batch_shape": (1, 3)},
            "You cannot pass both `batch_size` and `batch_shape` at the same time.",
        ),
        ({"shape": 5}, "Cannot convert '5' to a shape."),
        ({"shape": (-1, 3)}, "Cannot convert '(-1, 3)' to a shape. Negative dimensions are not allowed."),
        ({"shape": ("a", 3)}, "Cannot convert '('a', 3)' to a shape. Found invalid dimension 'a' of type"),
        ({"shape": (3,), "sparse": True}, "`sparse` is not supported"),
        ({"shape": (3,), "ragged": True}, "`ragged` is not supported"),
        ({"shape": (3,), "tensor": 1}, "`input_tensor` is not supported"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        Input(**arguments)
    assert message in str(error.value)


def test_symbolic_input():
    tensor = Input((5, 3), batch_size=4, name="a")
    assert (tensor.shape, tensor.dtype, tensor.name, tensor.ndim) == ((4, 5, 3), "float32", "a", 3)
    assert repr(tensor) == "<KerasTensor shape=(4, 5, 3), dtype=float32, name=a>"
    assert Input((None, np.int64(3))).shape == (None, None, 3)
    assert Input(batch_shape=(2, 3), dtype="int32").dtype == "int32"


def test_input_layer():
    layer = InputLayer((5, 3), name="q")
    assert layer.get_config() == {
        "batch_shape": (None, 5, 3),
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "q",
        "optional": False,
    }
    assert InputLayer.from_config(layer.get_config()).get_config() == layer.get_config()
    assert InputLayer(batch_input_shape=(4, 3)).batch_shape == (4, 3)
    with pytest.warns(UserWarning, match="Argument `input_shape` is deprecated. Use `shape` instead."):
        assert InputLayer(input_shape=(3,)).batch_shape == (None, 3)
    assert repr(layer) == "<InputLayer name=q, built=True>"
