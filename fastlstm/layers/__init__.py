"""The layers, under Keras' names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import missing_names
from fastlstm.layers.activations.activation import Activation
from fastlstm.layers.activations.activation_layers import ELU, LeakyReLU, PReLU, ReLU, Softmax
from fastlstm.layers.attention.attention import AdditiveAttention, Attention
from fastlstm.layers.attention.grouped_query_attention import GroupedQueryAttention as GroupQueryAttention
from fastlstm.layers.attention.multi_head_attention import MultiHeadAttention
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import LATER, deserialize, load_later, serialize
from fastlstm.layers.base.wrapper import Wrapper
from fastlstm.layers.convolutional.convolution import (
    Conv1D,
    Conv2D,
    Conv3D,
    Convolution1D,
    Convolution2D,
    Convolution3D,
)
from fastlstm.layers.convolutional.depthwise import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
    SeparableConvolution1D,
    SeparableConvolution2D,
)
from fastlstm.layers.convolutional.transpose import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    Convolution1DTranspose,
    Convolution2DTranspose,
    Convolution3DTranspose,
)
from fastlstm.layers.core.dense import Dense
from fastlstm.layers.core.einsum_dense import EinsumDense
from fastlstm.layers.core.embedding import Embedding
from fastlstm.layers.core.input_layer import Input, InputLayer
from fastlstm.layers.core.lambda_layer import Lambda
from fastlstm.layers.core.masking import Masking
from fastlstm.layers.merging.concatenate import Concatenate, concatenate
from fastlstm.layers.merging.dot_product import Dot, dot
from fastlstm.layers.merging.merging import (
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    maximum,
    minimum,
    multiply,
    subtract,
)
from fastlstm.layers.normalization.batch_normalization import BatchNormalization
from fastlstm.layers.normalization.normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from fastlstm.layers.pooling.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from fastlstm.layers.pooling.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from fastlstm.layers.preprocessing.category_layers import CategoryEncoding, Discretization, Hashing
from fastlstm.layers.preprocessing.feature_normalization import Normalization
from fastlstm.layers.preprocessing.lookups import IntegerLookup, StringLookup
from fastlstm.layers.preprocessing.scaling import Identity, Rescaling
from fastlstm.layers.preprocessing.text_vectorization import TextVectorization
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.layers.regularization.regularization import (
    ActivityRegularization,
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from fastlstm.layers.reshaping.padding import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from fastlstm.layers.reshaping.reshaping import Flatten, Permute, RepeatVector, Reshape
from fastlstm.layers.reshaping.upsampling import UpSampling1D, UpSampling2D, UpSampling3D
from fastlstm.layers.rnn.bidirectional import Bidirectional
from fastlstm.layers.rnn.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from fastlstm.layers.rnn.cudnn import CuDNNGRU, CuDNNLSTM
from fastlstm.layers.rnn.gru import GRU, GRUCell
from fastlstm.layers.rnn.lstm import LSTM, LSTMCell
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from fastlstm.layers.rnn.stacked_cells import StackedRNNCells
from fastlstm.layers.rnn.time_distributed import TimeDistributed
from fastlstm.older_modules import give_older_modules

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "IntegerLookup",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

_MERGING = "use Add, Average, Concatenate, Dot, Maximum, Multiply or Subtract"
_TIMES = "use TimeDistributed(Dense(…))"
_missing: Callable[[str], Any] = missing_names(
    __name__,
    """
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
    AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast
    ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization FlaxLayer HashedCrossing JaxLayer
    MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RandAugment RandomColorDegeneration RandomColorJitter
    RandomCrop RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear
    ReversibleEmbedding STFTSpectrogram Solarization TFSMLayer TorchModuleWrapper
    """,
    {
        **dict.fromkeys(("Merge", "merge"), _MERGING),
        **dict.fromkeys(("TimeDistributedDense", "TimeDistributedMerge"), _TIMES),
        **dict.fromkeys(("AtrousConvolution1D", "AtrousConvolution2D"), "use Conv1D or Conv2D with `dilation_rate`"),
        **dict.fromkeys(("MaxoutDense", "Highway"), "it went with Keras 1: write it as a subclass of Layer"),
        "LocallyConnected2D": "it went with Keras 2",
        "Recurrent": "use RNN with a cell of your own",
    },
)

_OLDER_MODULES = """
    advanced_activations convolutional convolutional_recurrent core cudnn_recurrent embeddings experimental
    experimental.preprocessing merge noise normalization pooling preprocessing recurrent wrappers
"""
give_older_modules(sys.modules[__name__], _OLDER_MODULES)


def __getattr__(name: str) -> Any:
    # `merge` was a function as well as a module, and that of Keras 1 is missed more.
    if name in _OLDER_MODULES.split() and name != "merge":
        return sys.modules[f"{__name__}.{name}"]
    return load_later(name) if name in LATER else _missing(name)
