"""The layers, under Keras' names."""

from fastlstm.layers.activations.activation import Activation
from fastlstm.layers.activations.activation_layers import ELU, LeakyReLU, PReLU, ReLU, Softmax
from fastlstm.layers.attention.attention import AdditiveAttention, Attention
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, serialize
from fastlstm.layers.base.wrapper import Wrapper
from fastlstm.layers.convolutional.convolution import (
    Conv1D,
    Convolution1D,
    DepthwiseConv1D,
    SeparableConv1D,
    SeparableConvolution1D,
)
from fastlstm.layers.core.dense import Dense
from fastlstm.layers.core.embedding import Embedding
from fastlstm.layers.core.input_layer import Input, InputLayer
from fastlstm.layers.core.lambda_layer import Lambda
from fastlstm.layers.core.masking import Masking
from fastlstm.layers.merging.dot_product import Dot, dot
from fastlstm.layers.merging.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
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
from fastlstm.layers.pooling.pooling import (
    AveragePooling1D,
    AvgPool1D,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
)
from fastlstm.layers.preprocessing.feature_normalization import Normalization
from fastlstm.layers.preprocessing.scaling import Identity, Rescaling
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.layers.regularization.regularization import (
    ActivityRegularization,
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
)
from fastlstm.layers.reshaping.reshaping import (
    Cropping1D,
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    ZeroPadding1D,
)
from fastlstm.layers.rnn.bidirectional import Bidirectional
from fastlstm.layers.rnn.cudnn import CuDNNGRU, CuDNNLSTM
from fastlstm.layers.rnn.gru import GRU, GRUCell
from fastlstm.layers.rnn.lstm import LSTM, LSTMCell
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from fastlstm.layers.rnn.stacked_cells import StackedRNNCells
from fastlstm.layers.rnn.time_distributed import TimeDistributed

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
    "AvgPool1D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Convolution1D",
    "Cropping1D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "Dense",
    "DepthwiseConv1D",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPooling1D",
    "Maximum",
    "Minimum",
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
    "SeparableConvolution1D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "Wrapper",
    "ZeroPadding1D",
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
