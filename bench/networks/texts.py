"""Layers in a row over texts and frames, and what is wide, long or of one step."""

from __future__ import annotations

from collections.abc import Callable

from bench.networks.blocks import frames, stack, stacked
from fastlstm import Model
from fastlstm import layers as k

TEXTS: dict[str, Callable[[], Model]] = {
    "video_small": lambda: stack(
        (10, 32, 32, 3), *frames(16, 32), k.TimeDistributed(k.Flatten()), k.LSTM(32), k.Dense(5, "softmax")
    ),
    "video_lrcn": lambda: stack(
        (20, 64, 64, 3), *frames(16, 32, 64, 64), k.TimeDistributed(k.Flatten()), k.LSTM(32), k.Dense(4, "softmax")
    ),
    "video_pooled": lambda: stack(
        (8, 48, 48, 1),
        *frames(32, 64),
        k.TimeDistributed(k.GlobalAveragePooling2D()),
        k.LSTM(64),
        k.Dense(7, "softmax"),
    ),
    "features_of_cnn": lambda: stack((20, 2048), k.LSTM(256), k.Dense(1024, "relu"), k.Dense(101, "softmax")),
    "conv_lstm": lambda: stack((5, 16, 16, 1), k.ConvLSTM2D(16, 3, padding="same"), k.Flatten(), k.Dense(2, "softmax")),
    "conv_lstm_row": lambda: stack(
        (2, 1, 7, 5),
        k.ConvLSTM2D(64, (1, 3), activation="relu"),
        k.Flatten(),
        k.RepeatVector(7),
        k.LSTM(200, activation="relu", return_sequences=True),
        k.TimeDistributed(k.Dense(1)),
    ),
    "sentiment": lambda: stack((200,), k.Embedding(10000, 128), k.LSTM(128), k.Dense(1, "sigmoid")),
    "sentiment_conv": lambda: stack(
        (500,),
        k.Embedding(5000, 32),
        k.Conv1D(32, 3, padding="same", activation="relu"),
        k.MaxPooling1D(2),
        k.LSTM(100),
        k.Dense(1, "sigmoid"),
    ),
    "sentiment_bidirectional": lambda: stack(
        (120,),
        k.Embedding(20000, 64),
        k.SpatialDropout1D(0.2),
        k.Bidirectional(k.LSTM(64, return_sequences=True)),
        k.Bidirectional(k.LSTM(32)),
        k.Dense(64, "relu"),
        k.Dense(3, "softmax"),
    ),
    "sentiment_maximum": lambda: stack(
        (100,),
        k.Embedding(20000, 100),
        k.Bidirectional(k.LSTM(64, return_sequences=True)),
        k.GlobalMaxPooling1D(),
        k.Dense(64, "relu"),
        k.Dense(1, "sigmoid"),
    ),
    "sentiment_masked": lambda: stack((80,), k.Embedding(8000, 64, mask_zero=True), k.LSTM(64), k.Dense(2, "softmax")),
    "word_conv": lambda: stack(
        (300,),
        k.Embedding(20000, 128),
        k.Conv1D(64, 5, activation="relu"),
        k.MaxPooling1D(4),
        k.LSTM(70),
        k.Dense(1, "sigmoid"),
    ),
    "next_word": lambda: stack((19,), k.Embedding(5000, 100), k.LSTM(150), k.Dense(5000, "softmax")),
    "next_word_20000": lambda: stack((10,), k.Embedding(20000, 64), k.LSTM(128), k.Dense(20000, "softmax")),
    "next_word_deep": lambda: stack(
        (50,),
        k.Embedding(7000, 50),
        k.LSTM(100, return_sequences=True),
        k.LSTM(100),
        k.Dense(100, "relu"),
        k.Dense(7000, "softmax"),
    ),
    "characters": lambda: stack((40, 57), k.LSTM(128), k.Dense(57, "softmax")),
    "characters_deep": lambda: stack((100, 1), *stacked(256, 2), k.Dense(47, "softmax")),
    "characters_each": lambda: stack(
        (64,), k.Embedding(80, 64), k.LSTM(256, return_sequences=True), k.TimeDistributed(k.Dense(80, "softmax"))
    ),
    "words_each": lambda: stack(
        (30,), k.Embedding(5000, 64), k.LSTM(128, return_sequences=True), k.TimeDistributed(k.Dense(5000, "softmax"))
    ),
    "music": lambda: stack(
        (100, 1),
        k.LSTM(512, return_sequences=True),
        k.Dropout(0.3),
        k.Bidirectional(k.LSTM(512)),
        k.Dense(256),
        k.BatchNormalization(),
        k.Activation("relu"),
        k.Dense(308, "softmax"),
    ),
    "addition": lambda: stack(
        (7, 12), k.LSTM(128), k.RepeatVector(4), k.LSTM(128, return_sequences=True), k.Dense(12, "softmax")
    ),
    "mnist_rows": lambda: stack((28, 28), *stacked(128, 2), k.Dense(32, "relu"), k.Dense(10, "softmax")),
    "reshaped": lambda: stack((784,), k.Reshape((28, 28)), k.LSTM(64), k.Dense(10, "softmax")),
    "one_step_tabular": lambda: stack((1, 78), k.LSTM(64, return_sequences=True), k.LSTM(32), k.Dense(15, "softmax")),
    "intrusion_conv": lambda: stack(
        (78, 1),
        k.Conv1D(64, 3, padding="same", activation="relu"),
        k.BatchNormalization(),
        k.MaxPooling1D(2),
        k.Conv1D(128, 3, padding="same", activation="relu"),
        k.BatchNormalization(),
        k.MaxPooling1D(2),
        k.LSTM(64, return_sequences=True),
        k.Dropout(0.3),
        k.LSTM(32),
        k.Dense(15, "softmax"),
    ),
    "forecast_flat": lambda: stack(
        (72, 21), k.LSTM(128, return_sequences=True), k.LSTM(64), k.Dense(24 * 3), k.Reshape((24, 3))
    ),
    "maintenance": lambda: stack(
        (50, 25), k.LSTM(100, return_sequences=True), k.Dropout(0.2), k.LSTM(50), k.Dense(1, "sigmoid")
    ),
    "speech_stack": lambda: stack(
        (200, 39),
        k.Conv1D(128, 11, strides=2, padding="same", activation="relu"),
        k.BatchNormalization(),
        k.Bidirectional(k.LSTM(128, return_sequences=True)),
        k.BatchNormalization(),
        k.Bidirectional(k.LSTM(128, return_sequences=True)),
        k.TimeDistributed(k.Dense(29, "softmax")),
    ),
    "genre": lambda: stack(
        (130, 13), k.LSTM(64, return_sequences=True), k.LSTM(64), k.Dense(64, "relu"), k.Dense(10, "softmax")
    ),
    "dna": lambda: stack(
        (1000, 4),
        k.Conv1D(320, 26, activation="relu"),
        k.MaxPooling1D(13),
        k.Bidirectional(k.LSTM(320, return_sequences=True)),
        k.Flatten(),
        k.Dense(925, "relu"),
        k.Dense(919, "sigmoid"),
    ),
}
