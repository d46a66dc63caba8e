"""The tables of `config.py`: one row per difference between an old dialect and today's."""

from __future__ import annotations

from typing import Any

# --- classes --------------------------------------------------------------------------------------
CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "GroupedQueryAttention": "GroupQueryAttention",
    "Model": "Functional",
    "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
    "TimeDistributedDense": "Dense",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
}
MERGE_MODES = {
    "ave": "Average",
    "concat": "Concatenate",
    "cos": "Dot",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}

# Layers between raw data and a network, which are never here.
PREPROCESSING = {
    "HashedCrossing",
}

# --- keys: old name → today's, by class as written ------------------------------------------------
_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_RECURRENT = _KERNEL | {
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
_DENSE = _KERNEL | {"output_dim": "units"}
_CONVOLUTION = _KERNEL | {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "border_mode": "padding",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    "dim_ordering": "data_format",
}
_CONV_LSTM_KEYS = _CONVOLUTION | {key: name for key, name in _RECURRENT.items() if key != "output_dim"}
_POOLING = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding", "dim_ordering": "data_format"}
_IMAGES = {"dim_ordering": "data_format"}
KEYS: dict[str, dict[str, str]] = {
    "AtrousConvolution1D": _CONVOLUTION,
    "AtrousConvolution2D": _CONVOLUTION,
    "AveragePooling1D": _POOLING,
    "AveragePooling2D": _POOLING,
    "AveragePooling3D": _POOLING,
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Convolution1D": _CONVOLUTION,
    "Convolution2D": _CONVOLUTION,
    "Convolution3D": _CONVOLUTION,
    "ConvLSTM2D": _CONV_LSTM_KEYS,
    "Cropping2D": _IMAGES,
    "Cropping3D": _IMAGES,
    "Dense": _DENSE,
    "Dropout": {"p": "rate"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "GlobalAveragePooling2D": _IMAGES,
    "GlobalMaxPooling2D": _IMAGES,
    "GRU": _RECURRENT,
    "LeakyReLU": {"alpha": "negative_slope"},
    "LSTM": _RECURRENT,
    "MaxPooling1D": _POOLING,
    "MaxPooling2D": _POOLING,
    "MaxPooling3D": _POOLING,
    "PReLU": {"init": "alpha_initializer"},
    "SeparableConvolution2D": _CONVOLUTION
    | {"depthwise_init": "depthwise_initializer", "pointwise_init": "pointwise_initializer"},
    "SimpleRNN": _RECURRENT,
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate"} | _IMAGES,
    "SpatialDropout3D": {"p": "rate"} | _IMAGES,
    "ThresholdedReLU": {"theta": "threshold"},
    "TimeDistributedDense": _DENSE,
    "UpSampling1D": {"length": "size"},
    "UpSampling2D": _IMAGES,
    "UpSampling3D": _IMAGES,
    "ZeroPadding2D": _IMAGES,
    "ZeroPadding3D": _IMAGES,
}
# Several old keys that one list holds today.
JOINED = {"kernel_size": (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))}
# Old values by today's key.
VALUES: dict[str, dict[str, str | None]] = {
    "data_format": {"tf": "channels_last", "th": "channels_first", "default": None}
}

# --- values that a class implies without saying ---------------------------------------------------
IMPLIED: dict[str, dict[str, Any]] = {
    "CuDNNGRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
}
# Defaults that were different, made explicit where the key is absent: (before version, classes, key, value).
# `2.2.4-tf` is TensorFlow 2.0, whose defaults were already those of Keras 2.3.
OLD_DEFAULTS = (
    ((2, 3), {"LSTM", "GRU", "LSTMCell", "GRUCell"}, "recurrent_activation", "hard_sigmoid"),
    ((3, 0), {"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}, "recurrent_activation", "hard_sigmoid"),
    ((3, 0), {"GRU", "GRUCell"}, "reset_after", False),
    ((2, 10), {"MultiHeadAttention"}, "ignores_masks", True),
)
# Layers on which masks have another effect since Keras 3.
KERAS2_MASKS = {
    "Add",
    "Average",
    "Concatenate",
    "Identity",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "Rescaling",
    "Subtract",
    "TimeDistributed",
}

# --- keys without a counterpart today -------------------------------------------------------------
# Without effect on what the layer computes at inference, or already turned into an InputLayer.
DROPPED = {
    "adjustment",
    "auto_vectorize",
    "batch_input_shape",
    "consume_less",
    "fused",
    "input_dim",
    "input_dtype",
    "input_length",
    "input_shape",
    "renorm_clipping",
    "renorm_momentum",
    "rng_type",
    "virtual_batch_size",
}
# Accepted only with the value that means "not used".
UNUSED: dict[str, tuple[Any, ...]] = {
    "causal": (False,),
    "dim_ordering": ("tf", "default"),
    "groups": (1,),
    "mode": (0,),
    "optional": (False,),
    "ragged": (False,),
    "renorm": (False,),
    "reverse_state_order": (False,),
    "rms_scaling": (False,),
    "softmax_robust_masking": (False,),
    "sparse": (False,),
    "time_major": (False,),
}
# Training only, or said elsewhere too, in one class.
DROPPED_IN = {
    "DepthwiseConv1D": {"kernel_constraint", "kernel_initializer", "kernel_regularizer"},
    "DepthwiseConv2D": {"kernel_constraint", "kernel_initializer", "kernel_regularizer"},
    "Discretization": {"dtype"},
    "Embedding": {"dropout", "weights"},
    "IntegerLookup": {"dtype", "has_input_vocabulary"},
    "MultiHeadAttention": {"key_shape", "query_shape", "value_shape"},
    "RNN": {"cells"},  # TensorFlow.js lists those of its `cell` again
    "SeparableConv1D": {"kernel_constraint", "kernel_initializer", "kernel_regularizer"},
    "SeparableConv2D": {"kernel_constraint", "kernel_initializer", "kernel_regularizer"},
    "SimpleRNN": {"implementation"},
    "SimpleRNNCell": {"implementation"},
    "SpatialDropout1D": {"noise_shape"},
    "SpatialDropout2D": {"noise_shape"},
    "SpatialDropout3D": {"noise_shape"},
    "StringLookup": {"dtype", "has_input_vocabulary", "vocabulary_dtype"},
    "TextVectorization": {"dtype", "has_input_vocabulary"},
}

# --- keys of today --------------------------------------------------------------------------------
COMMON_KEYS = {"name", "trainable", "dtype", "activity_regularizer"}
_DENSE_KEYS = (
    "activation use_bias kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
    "kernel_constraint bias_constraint "
)
_STATES = (
    _DENSE_KEYS + "recurrent_initializer recurrent_regularizer recurrent_constraint dropout recurrent_dropout seed "
)
_CELL = _STATES + "units "
_GATES = _CELL + "recurrent_activation implementation "
_RNN = "return_sequences return_state go_backwards stateful unroll zero_output_for_mask "
_WINDOWS = "kernel_size strides padding data_format dilation_rate activation use_bias "
_DEPTHWISE = _WINDOWS + (
    "depth_multiplier depthwise_initializer depthwise_regularizer depthwise_constraint "
    "bias_initializer bias_regularizer bias_constraint "
)
_FILLED = "fill_mode interpolation seed fill_value data_format"
_CONV_LSTM = _STATES + _RNN + _WINDOWS + "filters recurrent_activation unit_forget_bias"
_SEPARABLE = _DEPTHWISE + "filters pointwise_initializer pointwise_regularizer pointwise_constraint"
_HEADS = _DENSE_KEYS.replace("activation ", "") + "dropout sliding_window flash_attention use_gate seed "
_LOOKUP = (
    "max_tokens num_oov_indices mask_token oov_token vocabulary idf_weights invert output_mode pad_to_max_tokens "
    "oov_method salt vocabulary_size "
)
_NORMALIZATION = (
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint "
)
KNOWN: dict[str, set[str]] = {
    name: set(keys.split())
    for name, keys in {
        "Activation": "activation",
        "ActivityRegularization": "l1 l2",
        "Add": "",
        "AdditiveAttention": "use_scale dropout seed",
        "AlphaDropout": "rate noise_shape seed",
        "Attention": "use_scale score_mode dropout seed",
        "Average": "",
        "AveragePooling1D": "pool_size strides padding data_format",
        "AveragePooling2D": "pool_size strides padding data_format",
        "AveragePooling3D": "pool_size strides padding data_format",
        "BatchNormalization": _NORMALIZATION
        + "momentum moving_mean_initializer moving_variance_initializer synchronized",
        "Bidirectional": "layer backward_layer merge_mode",
        "CenterCrop": "height width data_format",
        "CategoryEncoding": "num_tokens output_mode",
        "Concatenate": "axis",
        "Conv1D": _DENSE_KEYS + _WINDOWS + "filters groups",
        "Conv2D": _DENSE_KEYS + _WINDOWS + "filters groups",
        "Conv3D": _DENSE_KEYS + _WINDOWS + "filters groups",
        "Conv1DTranspose": _DENSE_KEYS + _WINDOWS + "filters output_padding",
        "Conv2DTranspose": _DENSE_KEYS + _WINDOWS + "filters output_padding",
        "Conv3DTranspose": _DENSE_KEYS + _WINDOWS + "filters output_padding",
        "ConvLSTM1D": _CONV_LSTM,
        "ConvLSTM2D": _CONV_LSTM,
        "ConvLSTM3D": _CONV_LSTM,
        "Cropping1D": "cropping",
        "Cropping2D": "cropping data_format",
        "Cropping3D": "cropping data_format",
        "Dense": _DENSE_KEYS + "units",
        "DepthwiseConv1D": _DEPTHWISE,
        "DepthwiseConv2D": _DEPTHWISE,
        "Discretization": "bin_boundaries num_bins epsilon output_mode",
        "Dot": "axes normalize",
        "Dropout": "rate noise_shape seed",
        "EinsumDense": _DENSE_KEYS.replace("use_bias ", "") + "equation output_shape bias_axes",
        "ELU": "alpha",
        "Embedding": "input_dim output_dim mask_zero "
        "embeddings_initializer embeddings_regularizer embeddings_constraint",
        "Flatten": "data_format",
        "GaussianDropout": "rate seed",
        "GaussianNoise": "stddev seed",
        "GlobalAveragePooling1D": "data_format keepdims",
        "GlobalAveragePooling2D": "data_format keepdims",
        "GlobalAveragePooling3D": "data_format keepdims",
        "GlobalMaxPooling1D": "data_format keepdims",
        "GlobalMaxPooling2D": "data_format keepdims",
        "GlobalMaxPooling3D": "data_format keepdims",
        "GroupNormalization": _NORMALIZATION + "groups",
        "GroupQueryAttention": _HEADS + "head_dim num_query_heads num_key_value_heads",
        "GRU": _GATES + _RNN + "reset_after use_cudnn",
        "GRUCell": _GATES + "reset_after",
        "Hashing": "num_bins mask_value salt output_mode",
        "Identity": "",
        "IntegerLookup": _LOOKUP + "vocabulary_dtype",
        "LayerNormalization": _NORMALIZATION,
        "LeakyReLU": "negative_slope",
        "LocallyConnected1D": _DENSE_KEYS + "filters kernel_size strides padding data_format implementation",
        "LSTM": _GATES + _RNN + "unit_forget_bias use_cudnn",
        "LSTMCell": _GATES + "unit_forget_bias",
        "Masking": "mask_value",
        "Maximum": "",
        "MaxPooling1D": "pool_size strides padding data_format",
        "MaxPooling2D": "pool_size strides padding data_format",
        "MaxPooling3D": "pool_size strides padding data_format",
        "Minimum": "",
        "MultiHeadAttention": _HEADS + "num_heads key_dim value_dim output_shape attention_axes ignores_masks",
        "Multiply": "",
        "Normalization": "axis mean variance invert",
        "Permute": "dims",
        "PReLU": "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
        "RandomBrightness": "factor value_range seed data_format",
        "RandomContrast": "factor value_range seed data_format",
        "RandomFlip": "mode seed data_format",
        "RandomRotation": "factor " + _FILLED,
        "RandomTranslation": "height_factor width_factor " + _FILLED,
        "RandomZoom": "height_factor width_factor " + _FILLED,
        "ReLU": "max_value negative_slope threshold",
        "RepeatVector": "n",
        "Rescaling": "scale offset",
        "Reshape": "target_shape",
        "Resizing": "height width interpolation antialias crop_to_aspect_ratio pad_to_aspect_ratio "
        "fill_mode fill_value data_format",
        "RMSNormalization": "axis epsilon",
        "RNN": _RNN + "cell",
        "SeparableConv1D": _SEPARABLE,
        "SeparableConv2D": _SEPARABLE,
        "SimpleRNN": _CELL + _RNN,
        "SimpleRNNCell": _CELL,
        "Softmax": "axis",
        "SpatialDropout1D": "rate seed",
        "SpatialDropout2D": "rate seed data_format",
        "SpatialDropout3D": "rate seed data_format",
        "SpectralNormalization": "layer power_iterations",
        "StackedRNNCells": "cells",
        "StringLookup": _LOOKUP + "encoding",
        "Subtract": "",
        "TextVectorization": "max_tokens standardize split ngrams output_mode output_sequence_length "
        "pad_to_max_tokens vocabulary idf_weights encoding vocabulary_size",
        "TimeDistributed": "layer",
        "UnitNormalization": "axis",
        "UpSampling1D": "size",
        "UpSampling2D": "size data_format interpolation",
        "UpSampling3D": "size data_format",
        "ZeroPadding1D": "padding data_format",
        "ZeroPadding2D": "padding data_format",
        "ZeroPadding3D": "padding data_format",
    }.items()
}
for _name in KERAS2_MASKS:
    KNOWN[_name].add("keras2_masks")

# --- initializers, regularizers, constraints ------------------------------------------------------
OBJECT_CLASSES = {
    "ActivityRegularizer": "L1L2",
    "L1L2Regularizer": "L1L2",
    "OrthogonalInitializer": "Orthogonal",
    "WeightRegularizer": "L1L2",
}
OBJECT_KEYS = {"MaxNorm": {"m": "max_value"}}
