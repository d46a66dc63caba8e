"""Layers in a row over series: forecasts, sensors, autoencoders."""

from __future__ import annotations

from collections.abc import Callable

from bench.networks.blocks import conv_block, one_dimensional, stack, stacked
from fastlstm import Model
from fastlstm import layers as k

SERIES: dict[str, Callable[[], Model]] = {
    "airline": lambda: stack((3, 1), k.LSTM(4), k.Dense(1)),
    "stock_50x4": lambda: stack((60, 1), *stacked(50, 4), k.Dense(1)),
    "stock_relu": lambda: stack((60, 1), *stacked(50, 2, activation="relu"), k.Dense(1)),
    "stock_128_64": lambda: stack((60, 5), k.LSTM(128, return_sequences=True), k.LSTM(64), k.Dense(25), k.Dense(1)),
    "stock_bidirectional": lambda: stack((50, 5), k.Bidirectional(k.LSTM(64)), k.Dense(32, "relu"), k.Dense(1)),
    "hard_sigmoid": lambda: stack((30, 8), *stacked(64, 2, recurrent_activation="hard_sigmoid"), k.Dense(1)),
    "tiny_units": lambda: stack((48, 3), k.LSTM(8, return_sequences=True), k.LSTM(4), k.Dense(1)),
    "one_unit": lambda: stack((12, 1), k.LSTM(1, return_sequences=True), k.LSTM(1)),
    "wide_512": lambda: stack((20, 40), *stacked(512, 2), k.Dense(10, "softmax")),
    "wide_1024": lambda: stack((10, 128), k.LSTM(1024), k.Dense(64, "relu"), k.Dense(2)),
    "normalised_between": lambda: stack(
        (60, 6),
        k.LSTM(128, return_sequences=True),
        k.BatchNormalization(),
        k.LSTM(128, return_sequences=True),
        k.BatchNormalization(),
        k.LSTM(128),
        k.BatchNormalization(),
        k.Dense(32, "relu"),
        k.Dense(2, "softmax"),
    ),
    "layer_normalised": lambda: stack(
        (40, 10), k.LSTM(64, return_sequences=True), k.LayerNormalization(), k.LSTM(32), k.Dense(1)
    ),
    "gru": lambda: stack((60, 8), k.GRU(64, return_sequences=True), k.Dropout(0.2), k.GRU(64), k.Dense(1)),
    "gru_and_lstm": lambda: stack((30, 8), k.LSTM(64, return_sequences=True), k.GRU(32), k.Dense(1)),
    "simple_rnn": lambda: stack((50, 4), k.SimpleRNN(32, return_sequences=True), k.LSTM(32), k.Dense(1)),
    "masked": lambda: stack((100, 12), k.Masking(), k.LSTM(64, return_sequences=True), k.LSTM(32), k.Dense(1)),
    "leaky": lambda: stack(
        (24, 4), k.LSTM(64, return_sequences=True), k.LeakyReLU(), k.LSTM(32), k.LeakyReLU(), k.Dense(24)
    ),
    "prelu": lambda: stack((24, 4), k.LSTM(64), k.Dense(64), k.PReLU(), k.Dense(32), k.PReLU(), k.Dense(1)),
    "dense_before": lambda: stack(
        (50, 20),
        k.TimeDistributed(k.Dense(64, "relu")),
        k.LSTM(64, return_sequences=True),
        k.LSTM(32),
        k.Dense(6, "softmax"),
    ),
    "noise": lambda: stack((30, 10), k.GaussianNoise(0.1), k.LSTM(100), k.Dense(50, "relu"), k.Dense(1, "sigmoid")),
    "flattened": lambda: stack(
        (50, 9), k.LSTM(64, return_sequences=True), k.Flatten(), k.Dense(128, "relu"), k.Dense(5, "softmax")
    ),
    "activities": lambda: stack((128, 9), k.LSTM(100), k.Dropout(0.5), k.Dense(100, "relu"), k.Dense(6, "softmax")),
    "sign_language": lambda: stack(
        (30, 1662),
        k.LSTM(64, return_sequences=True, activation="relu"),
        k.LSTM(128, return_sequences=True, activation="relu"),
        k.LSTM(64, activation="relu"),
        k.Dense(64, "relu"),
        k.Dense(32, "relu"),
        k.Dense(3, "softmax"),
    ),
    "weather": lambda: stack((120, 14), k.LSTM(32), k.Dense(1)),
    "wind_long": lambda: stack((1000, 6), k.LSTM(64, return_sequences=True), k.LSTM(32), k.Dense(1)),
    "signal_5000": lambda: stack((5000, 1), *conv_block(16, 7, 4), *conv_block(32, 5, 4), k.LSTM(64), k.Dense(2)),
    "sequence_3000": lambda: stack((3000, 2), k.LSTM(16, return_sequences=True), k.TimeDistributed(k.Dense(1))),
    "anomaly_autoencoder": lambda: stack(
        (30, 1),
        k.LSTM(64),
        k.Dropout(0.2),
        k.RepeatVector(30),
        k.LSTM(64, return_sequences=True),
        k.Dropout(0.2),
        k.TimeDistributed(k.Dense(1)),
    ),
    "deep_autoencoder": lambda: stack(
        (10, 4),
        k.LSTM(16, activation="relu", return_sequences=True),
        k.LSTM(4, activation="relu"),
        k.RepeatVector(10),
        k.LSTM(4, activation="relu", return_sequences=True),
        k.LSTM(16, activation="relu", return_sequences=True),
        k.TimeDistributed(k.Dense(4)),
    ),
    "conv_autoencoder": lambda: stack(
        (288, 1),
        k.Conv1D(32, 7, padding="same", strides=2, activation="relu"),
        k.Conv1D(16, 7, padding="same", strides=2, activation="relu"),
        k.LSTM(16, return_sequences=True),
        k.Conv1DTranspose(16, 7, padding="same", strides=2, activation="relu"),
        k.Conv1DTranspose(32, 7, padding="same", strides=2, activation="relu"),
        k.Conv1DTranspose(1, 7, padding="same"),
    ),
    "upsampled_autoencoder": lambda: stack(
        (128, 3),
        k.Conv1D(32, 5, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.Conv1D(16, 5, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.LSTM(16, return_sequences=True),
        k.UpSampling1D(2),
        k.Conv1D(16, 5, padding="same", activation="relu"),
        k.UpSampling1D(2),
        k.Conv1D(3, 5, padding="same"),
    ),
    "power_conv_encoder": lambda: stack(
        (14, 8),
        k.Conv1D(64, 3, activation="relu"),
        k.Conv1D(64, 3, activation="relu"),
        k.MaxPooling1D(2),
        k.Flatten(),
        k.RepeatVector(7),
        k.LSTM(200, activation="relu", return_sequences=True),
        k.TimeDistributed(k.Dense(100, "relu")),
        k.TimeDistributed(k.Dense(1)),
    ),
    "conv_small": lambda: stack(
        (10, 1), k.Conv1D(64, 3, activation="relu"), k.MaxPooling1D(2), k.LSTM(50, activation="relu"), k.Dense(1)
    ),
    "conv_three": lambda: one_dimensional((128, 9), (64, 128, 128), 3, k.LSTM(64), k.Dense(6, "softmax")),
    "conv_ecg": lambda: one_dimensional(
        (187, 1), (32, 64, 128), 5, k.LSTM(64), k.Dropout(0.5), k.Dense(64, "relu"), k.Dense(5, "softmax")
    ),
    "conv_eeg": lambda: one_dimensional((640, 64), (32, 64), 9, k.Bidirectional(k.LSTM(64)), k.Dense(4, "softmax")),
    "conv_wide_kernel": lambda: stack(
        (2048, 1),
        k.Conv1D(16, 64, strides=16, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.Conv1D(32, 3, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.LSTM(32),
        k.Dense(10, "softmax"),
    ),
    "conv_pointwise": lambda: stack((50, 30), k.Conv1D(16, 1, activation="relu"), k.LSTM(64), k.Dense(1)),
    "conv_after": lambda: stack(
        (60, 5),
        k.LSTM(64, return_sequences=True),
        k.Conv1D(32, 3, activation="relu"),
        k.GlobalMaxPooling1D(),
        k.Dense(1),
    ),
    "conv_global": lambda: stack(
        (100, 3),
        k.Conv1D(64, 5, activation="relu"),
        k.LSTM(64, return_sequences=True),
        k.GlobalAveragePooling1D(),
        k.Dense(3, "softmax"),
    ),
    "separable": lambda: stack(
        (200, 8),
        k.SeparableConv1D(32, 7, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.SeparableConv1D(64, 5, padding="same", activation="relu"),
        k.AveragePooling1D(2),
        k.LSTM(64),
        k.Dense(4, "softmax"),
    ),
    "deep_conv_lstm": lambda: stack(
        (24, 113, 1),
        *(k.Conv2D(64, (5, 1), activation="relu") for _ in range(4)),
        k.Reshape((8, 113 * 64)),
        *stacked(128, 2, 0.5),
        k.Dense(18, "softmax"),
    ),
    "seq2point_conv": lambda: stack(
        (59, 1),
        k.Conv1D(16, 4, padding="same", activation="linear"),
        k.Bidirectional(k.LSTM(128, return_sequences=True), merge_mode="concat"),
        k.Bidirectional(k.LSTM(256), merge_mode="concat"),
        k.Dense(128, "tanh"),
        k.Dense(1, "linear"),
    ),
    "subsequences": lambda: stack(
        (4, 8, 1),
        k.TimeDistributed(k.Conv1D(64, 3, activation="relu")),
        k.TimeDistributed(k.MaxPooling1D(2)),
        k.TimeDistributed(k.Flatten()),
        k.LSTM(50, activation="relu"),
        k.Dense(1),
    ),
}
