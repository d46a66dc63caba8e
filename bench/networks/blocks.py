"""What the networks are put together from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm import Input, Model, Sequential
from fastlstm import layers as k


def stack(shape: tuple[int | None, ...], *layers: Any) -> Model:
    return Sequential([Input(shape), *layers])


def graph(*shapes: tuple[int | None, ...]) -> Callable[[Callable[..., Any]], Callable[[], Model]]:
    """Make a function of symbolic inputs one without arguments that returns the model."""

    def made(body: Callable[..., Any]) -> Callable[[], Model]:
        def build() -> Model:
            inputs = [Input(shape) for shape in shapes]
            return Model(inputs if len(inputs) > 1 else inputs[0], body(*inputs))

        return build

    return made


def conv_block(filters: int, size: int, pool: int = 2) -> list[Any]:
    """Conv1D, normalised, then ReLU, then pooled."""
    convolution = k.Conv1D(filters, size, padding="same")
    return [convolution, k.BatchNormalization(), k.Activation("relu"), k.MaxPooling1D(pool)]


def frames(*filters: int) -> list[Any]:
    """A CNN over every frame of a video."""
    layers: list[Any] = []
    for n in filters:
        layers += [k.TimeDistributed(k.Conv2D(n, 3, activation="relu", padding="same"))]
        layers += [k.TimeDistributed(k.MaxPooling2D(2))]
    return layers


def stacked(units: int, count: int, dropout: float = 0.2, **arguments: Any) -> list[Any]:
    """LSTM layers with Dropout after each; the last one gives its last step."""
    layers: list[Any] = []
    for n in range(count):
        layers += [k.LSTM(units, return_sequences=n < count - 1, **arguments), k.Dropout(dropout)]
    return layers


def residual(x: Any, filters: int, size: int, rate: int = 1) -> Any:
    y = k.Conv1D(filters, size, padding="same", dilation_rate=rate, use_bias=False)(x)
    y = k.Activation("relu")(k.BatchNormalization()(y))
    y = k.BatchNormalization()(k.Conv1D(filters, size, padding="same", dilation_rate=rate, use_bias=False)(y))
    if x.shape[-1] != filters:
        x = k.Conv1D(filters, 1, padding="same")(x)
    return k.Activation("relu")(k.Add()([x, y]))


def attended(x: Any, heads: int, size: int, width: int) -> Any:
    """A block of a transformer's encoder."""
    x = k.LayerNormalization()(k.Add()([x, k.MultiHeadAttention(heads, size)(x, x)]))
    y = k.Dense(x.shape[-1])(k.Dense(width, activation="relu")(x))
    return k.LayerNormalization()(k.Add()([x, y]))


def one_dimensional(shape: tuple[int, int], filters: tuple[int, ...], size: int, *after: Any) -> Model:
    return stack(shape, *(layer for n in filters for layer in conv_block(n, size)), *after)
