"""The layers, under Keras' names."""

from fastlstm.layers.activation import Activation
from fastlstm.layers.activation_layers import ELU, LeakyReLU, PReLU, ReLU, Softmax
from fastlstm.layers.attention import AdditiveAttention, Attention
from fastlstm.layers.batch_normalization import BatchNormalization
from fastlstm.layers.bidirectional import Bidirectional
from fastlstm.layers.convolution import Conv1D, Convolution1D, DepthwiseConv1D, SeparableConv1D, SeparableConvolution1D
from fastlstm.layers.cudnn import CuDNNGRU, CuDNNLSTM
from fastlstm.layers.dense import Dense
from fastlstm.layers.dot_product import Dot, dot
from fastlstm.layers.dropout import Dropout
from fastlstm.layers.embedding import Embedding
from fastlstm.layers.feature_normalization import Normalization
from fastlstm.layers.gru import GRU, GRUCell
from fastlstm.layers.input_layer import Input, InputLayer
from fastlstm.layers.input_spec import InputSpec
from fastlstm.layers.layer import Layer
from fastlstm.layers.lstm import LSTM, LSTMCell
from fastlstm.layers.masking import Masking
from fastlstm.layers.merging import (
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
from fastlstm.layers.normalization import GroupNormalization, LayerNormalization, RMSNormalization, UnitNormalization
from fastlstm.layers.pooling import (
    AveragePooling1D,
    AvgPool1D,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
)
from fastlstm.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
)
from fastlstm.layers.reshaping import Cropping1D, Flatten, Permute, RepeatVector, Reshape, UpSampling1D, ZeroPadding1D
from fastlstm.layers.rnn import RNN
from fastlstm.layers.scaling import Identity, Rescaling
from fastlstm.layers.serialization import deserialize, serialize
from fastlstm.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from fastlstm.layers.stacked_cells import StackedRNNCells
from fastlstm.layers.time_distributed import TimeDistributed
from fastlstm.layers.wrapper import Wrapper

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
