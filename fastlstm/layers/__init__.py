"""The layers, under Keras' names."""

from fastlstm.layers.activation import Activation
from fastlstm.layers.dense import Dense
from fastlstm.layers.dropout import Dropout
from fastlstm.layers.input_layer import Input, InputLayer
from fastlstm.layers.input_spec import InputSpec
from fastlstm.layers.layer import Layer
from fastlstm.layers.lstm import LSTM, LSTMCell
from fastlstm.layers.serialization import deserialize, serialize

__all__ = [
    "LSTM",
    "Activation",
    "Dense",
    "Dropout",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTMCell",
    "Layer",
    "deserialize",
    "serialize",
]
