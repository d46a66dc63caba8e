"""Keras' own tests, as they are in the installed `keras` package, against fastlstm."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("absl.testing", reason="needs absl-py (the `test` extra)")
try:
    importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the test files of an installed keras (the `test` extra)", allow_module_level=True)

spec = importlib.util.spec_from_file_location("keras_shim", Path(__file__).with_name("shim.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

# Of NumPy in the reference functions of activations_test.py.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")

QUANTIZED = (r"quantiz|_int\d|_int8_|awq|gptq", "quantised layers are refused")
LORA = (r"lora", "LoRA is not supported")
OWN_VARIABLES = (r"test_legacy_load_own_variables", "`load_own_variables` is Keras' own way to read files")

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "activations/activations_test.py": (),
    "layers/convolutional/conv_test.py": (LORA,),
    "layers/convolutional/conv_transpose_test.py": (),
    "layers/convolutional/depthwise_conv_test.py": (),
    "layers/convolutional/separable_conv_test.py": (),
    "layers/core/dense_test.py": (QUANTIZED, LORA, OWN_VARIABLES),
    "layers/core/embedding_test.py": (
        QUANTIZED,
        LORA,
        OWN_VARIABLES,
        (r"test_invalid_", "expects `from_config` to raise a TypeError in place of the constructor's ValueError"),
    ),
    "layers/core/masking_test.py": (),
    "layers/pooling/average_pooling_test.py": (),
    "layers/pooling/global_average_pooling_test.py": (),
    "layers/pooling/global_max_pooling_test.py": (),
    "layers/pooling/max_pooling_test.py": (),
    "layers/regularization/spatial_dropout_test.py": (),
    "layers/reshaping/cropping1d_test.py": (),
    "layers/reshaping/cropping2d_test.py": (),
    "layers/reshaping/cropping3d_test.py": (),
    "layers/reshaping/up_sampling1d_test.py": (),
    "layers/reshaping/up_sampling2d_test.py": (),
    "layers/reshaping/up_sampling3d_test.py": (),
    "layers/reshaping/zero_padding1d_test.py": (),
    "layers/reshaping/zero_padding2d_test.py": (),
    "layers/reshaping/zero_padding3d_test.py": (),
    "layers/rnn/bidirectional_test.py": ((r"eligibility", "private methods of the GPU path"),),
    "layers/rnn/conv_lstm1d_test.py": (),
    "layers/rnn/conv_lstm2d_test.py": (),
    "layers/rnn/conv_lstm3d_test.py": (),
    "layers/rnn/conv_lstm_test.py": (),
    "layers/rnn/gru_test.py": (),
    "layers/rnn/lstm_test.py": (),
    "layers/rnn/rnn_test.py": ((r"test_serialization", "no custom class is made from a config"),),
    "layers/rnn/simple_rnn_test.py": (),
    "layers/rnn/stacked_rnn_cells_test.py": (),
    "layers/rnn/time_distributed_test.py": ((r"test_with_mask_zero", "trains"),),
    "models/sequential_test.py": (
        (r"flow_deferred|flow_with_input|model_as_first_layer", "looks at a private attribute, `_functional`"),
        (r"dict_inputs|list_inputs", "a Sequential model takes one array"),
        (r"test_serialization$", "no custom class is made from a config"),
        (r"lambda_layer", "Lambda is refused"),
        (r"shape_inference_failure", "a layer says its output's shape in `compute_output_shape`"),
        (r"bad_layer", "a layer whose `call` needs more than one argument is refused with a TypeError"),
    ),
}


CASES, USED = shim.collected(FILES)
globals().update(CASES)


@pytest.mark.parametrize("path", FILES)
def test_every_reason_to_skip_is_of_use(path):
    assert all(USED[path].values()), USED[path]
