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

SPARSE = (r"sparse", "sparse tensors are not supported")
DATASETS = (r"tf_data|grain|with_steps|tf_dataset|normalization_adapt2", "needs tf.data or Grain")
AUTOCAST = (r"autocast_scope", "there is no scope of another dtype: everything is float32")
SCALARS = (r"test_masking_(not_)?causal", "the masks are numbers, which stand for masks of any shape")
SPEC = (r"output_spec", "`compute_output_spec` is Keras' own way to find shapes")
PRIVATE = (
    r"_calculate_|compute_attention_combines|flash_attention_with_errors|_encode_|causal_only_|test_initializer$"
    r"|mha_constraints|sliding_window_serialization",
    "looks at private attributes",
)

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "activations/activations_test.py": (),
    "layers/activations/activation_test.py": (),
    "layers/activations/elu_test.py": (),
    "layers/activations/leaky_relu_test.py": (),
    "layers/activations/prelu_test.py": (),
    "layers/activations/relu_test.py": (),
    "layers/activations/softmax_test.py": (),
    "layers/attention/additive_attention_test.py": (),
    "layers/attention/attention_test.py": (PRIVATE,),
    "layers/attention/grouped_query_attention_test.py": (
        PRIVATE,
        SCALARS,
        (r"query_value_dim_mismatch", "the key's shape is given as a number"),
    ),
    "layers/attention/multi_head_attention_test.py": (
        PRIVATE,
        SCALARS,
        QUANTIZED,
        LORA,
        (r"dtype_policy_map", "one dtype alone"),
    ),
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
    "layers/core/identity_test.py": (SPARSE,),
    "layers/core/masking_test.py": (),
    "layers/merging/merging_test.py": (
        SPARSE,
        (r"dynamic_concat", "computes the spec of a function"),
        (r"mask_symbolic", "makes a model of a symbolic mask"),
    ),
    "layers/normalization/batch_normalization_test.py": (
        AUTOCAST,
        (r"renorm|test_serialization", "batch renormalization is not supported"),
    ),
    "layers/normalization/group_normalization_test.py": (AUTOCAST,),
    "layers/normalization/layer_normalization_test.py": (
        AUTOCAST,
        (r"ln_basics|rms_scaling", "`rms_scaling` is not supported: RMSNormalization is"),
    ),
    "layers/normalization/rms_normalization_test.py": (),
    "layers/normalization/unit_normalization_test.py": (),
    "layers/pooling/average_pooling_test.py": (),
    "layers/pooling/global_average_pooling_test.py": (),
    "layers/pooling/global_max_pooling_test.py": (),
    "layers/pooling/max_pooling_test.py": (),
    "layers/preprocessing/category_encoding_test.py": (PRIVATE, DATASETS),
    "layers/preprocessing/discretization_test.py": (
        DATASETS,
        SPEC,
        (r"shape_edge_cases", "expects another shape of a number than that of what the layer gives"),
    ),
    "layers/preprocessing/hashing_test.py": (DATASETS, SPARSE),
    "layers/preprocessing/index_lookup_test.py": (
        DATASETS,
        SPARSE,
        SPEC,
        (r"assets", "vocabularies are read by the package that knows files"),
    ),
    "layers/preprocessing/integer_lookup_test.py": (DATASETS, SPARSE),
    "layers/preprocessing/normalization_test.py": (
        DATASETS,
        (r"broadcast", "looks at an attribute, `mean`, that is aligned with the input"),
        (r"pydataset_compat", "is of Keras' own PyDataset"),
        (r"batch_without_shape", "a batch of one number has no axis to keep"),
    ),
    "layers/preprocessing/rescaling_test.py": (
        DATASETS,
        (r"channels_first_and_vector", "the scale is that of the last axis whatever the order of axes"),
    ),
    "layers/preprocessing/string_lookup_test.py": (
        DATASETS,
        SPARSE,
        (r"vocabulary_file$", "the config holds the vocabulary whoever set it"),
        (r"torch_backend", "is of PyTorch's tensors"),
    ),
    "layers/preprocessing/text_vectorization_test.py": (
        DATASETS,
        SPARSE,
        (r"ragged|one_hot_output", "ragged outputs are not supported"),
        (r"custom_splitting|custom_standardize", "the functions are of TensorFlow's strings"),
        (r"static_output_sequence_length_from_dense", "is of TensorFlow's graphs"),
    ),
    "layers/regularization/alpha_dropout_test.py": (),
    "layers/regularization/gaussian_dropout_test.py": (),
    "layers/regularization/gaussian_noise_test.py": (),
    "layers/regularization/spatial_dropout_test.py": (),
    "layers/reshaping/cropping1d_test.py": (),
    "layers/reshaping/cropping2d_test.py": (),
    "layers/reshaping/cropping3d_test.py": (),
    "layers/reshaping/flatten_test.py": (SPARSE,),
    "layers/reshaping/permute_test.py": (SPARSE,),
    "layers/reshaping/repeat_vector_test.py": (),
    "layers/reshaping/reshape_test.py": (
        SPARSE,
        (r"with_(dynamic|varying)_.*minus_one", "asks the backend for a shape"),
    ),
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
