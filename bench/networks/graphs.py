"""Networks with several inputs, or layers that are not in a row: attention, residuals, encoders with decoders."""

from __future__ import annotations

from typing import Any

from bench.networks.blocks import attended, graph, residual
from fastlstm import layers as k


@graph((100,))
def attention_by_hand(ids: Any) -> Any:
    x = k.Bidirectional(k.LSTM(64, return_sequences=True))(k.Embedding(5000, 100)(ids))
    weights = k.Activation("softmax")(k.Flatten()(k.Dense(1, activation="tanh")(x)))
    weights = k.Permute([2, 1])(k.RepeatVector(128)(weights))
    return k.Dense(5, activation="softmax")(k.GlobalAveragePooling1D()(k.Multiply()([x, weights])))


@graph((20, 8))
def attention_over_time(x: Any) -> Any:
    """The `attention_3d_block` of many copies: Permute, Dense over time, softmax, Permute, Multiply."""
    x = k.LSTM(32, return_sequences=True)(x)
    weights = k.Permute((2, 1))(k.Dense(20, activation="softmax")(k.Permute((2, 1))(x)))
    return k.Dense(1)(k.Flatten()(k.Multiply()([x, weights])))


@graph((30, 16))
def attention_of_last_state(x: Any) -> Any:
    """philipperemy's attention: the score of every step against the last state, by Dot products."""
    x = k.LSTM(64, return_sequences=True)(x)
    last = k.LSTM(64)(x)
    score = k.Dot(axes=[1, 2])([last, k.Dense(64, use_bias=False)(x)])
    context = k.Dot(axes=[1, 1])([x, k.Activation("softmax")(score)])
    return k.Dense(1)(k.Dense(128, activation="tanh", use_bias=False)(k.Concatenate()([context, last])))


@graph((50, 12))
def self_attention(x: Any) -> Any:
    x = k.LSTM(64, return_sequences=True)(x)
    x = k.Concatenate()([x, k.Attention()([x, x])])
    return k.Dense(1)(k.GlobalAveragePooling1D()(x))


@graph((40, 10))
def additive_attention(x: Any) -> Any:
    x = k.Bidirectional(k.LSTM(32, return_sequences=True))(x)
    x = k.AdditiveAttention()([x, x])
    return k.Dense(3, activation="softmax")(k.GlobalMaxPooling1D()(x))


@graph((60, 7))
def transformer_after(x: Any) -> Any:
    x = k.LSTM(64, return_sequences=True)(x)
    x = attended(attended(x, 4, 16, 128), 4, 16, 128)
    return k.Dense(1)(k.GlobalAveragePooling1D()(x))


@graph((48, 10))
def fusion_block(x: Any) -> Any:
    """The gated residual network of temporal fusion transformers around an LSTM."""
    x = k.Dense(32)(x)
    y = k.LSTM(32, return_sequences=True)(x)
    gate = k.Multiply()([k.Dense(32)(y), k.Dense(32, activation="sigmoid")(y)])
    x = k.LayerNormalization()(k.Add()([x, gate]))
    x = k.LayerNormalization()(k.Add()([x, k.MultiHeadAttention(4, 8)(x, x)]))
    y = k.Dense(32)(k.Dense(32, activation="elu")(x))
    x = k.LayerNormalization()(k.Add()([x, k.Multiply()([y, k.Dense(32, activation="sigmoid")(x)])]))
    return k.Dense(3)(x)


@graph((12, 20), (12, 30))
def translator(source: Any, target: Any) -> Any:
    """Keras' character-level sequence to sequence, as it is trained."""
    _, h, c = k.LSTM(256, return_state=True)(source)
    x, _, _ = k.LSTM(256, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    return k.Dense(30, activation="softmax")(x)


@graph((20,), (20,))
def attentive_translator(source: Any, target: Any) -> Any:
    encoded, h, c = k.LSTM(128, return_sequences=True, return_state=True)(k.Embedding(6000, 128)(source))
    decoded = k.LSTM(128, return_sequences=True)(k.Embedding(6000, 128)(target), initial_state=[h, c])
    context = k.Attention()([decoded, encoded])
    return k.Dense(6000, activation="softmax")(k.Concatenate()([decoded, context]))


@graph((2048,), (34,))
def caption(image: Any, ids: Any) -> Any:
    """The image captioning of Flickr8k tutorials."""
    x = k.Dense(256, activation="relu")(k.Dropout(0.5)(image))
    y = k.LSTM(256)(k.Dropout(0.5)(k.Embedding(8000, 256, mask_zero=True)(ids)))
    return k.Dense(8000, activation="softmax")(k.Dense(256, activation="relu")(k.Add()([x, y])))


@graph((30, 5), (12,))
def static_features(x: Any, static: Any) -> Any:
    x = k.LSTM(64)(x)
    y = k.Dense(32, activation="relu")(static)
    return k.Dense(1)(k.Dropout(0.3)(k.Dense(64, activation="relu")(k.Concatenate()([x, y]))))


@graph((24, 6), (24, 4), (1,))
def three_inputs(a: Any, b: Any, ids: Any) -> Any:
    known = k.Flatten()(k.Embedding(50, 8)(ids))
    x = k.Concatenate()([k.LSTM(48)(a), k.LSTM(24)(b), known])
    return k.Dense(1, activation="sigmoid")(k.BatchNormalization()(k.Dense(64, activation="relu")(x)))


@graph((40,), (40,))
def siamese(a: Any, b: Any) -> Any:
    """Questions of Quora by one LSTM for both."""
    embedding, lstm = k.Embedding(10000, 100), k.LSTM(50)
    a, b = lstm(embedding(a)), lstm(embedding(b))
    x = k.Concatenate()([a, b, k.Multiply()([a, b]), k.Subtract()([a, b])])
    return k.Dense(1, activation="sigmoid")(k.Dense(100, activation="relu")(x))


@graph((128, 9))
def two_ways(x: Any) -> Any:
    """LSTM-FCN: an LSTM beside three convolutions."""
    y = x
    for filters, size in ((128, 8), (256, 5), (128, 3)):
        y = k.Activation("relu")(k.BatchNormalization()(k.Conv1D(filters, size, padding="same")(y)))
    x = k.Concatenate()([k.Dropout(0.8)(k.LSTM(8)(x)), k.GlobalAveragePooling1D()(y)])
    return k.Dense(6, activation="softmax")(x)


@graph((512, 1))
def two_ways_permuted(x: Any) -> Any:
    """LSTM-FCN as in its paper: the LSTM reads the series as one step."""
    y = x
    for filters, size in ((128, 8), (256, 5), (128, 3)):
        y = k.Activation("relu")(k.BatchNormalization()(k.Conv1D(filters, size, padding="same")(y)))
    x = k.Concatenate()([k.Dropout(0.8)(k.LSTM(8)(k.Permute((2, 1))(x))), k.GlobalAveragePooling1D()(y)])
    return k.Dense(5, activation="softmax")(x)


@graph((60, 6))
def parallel_kernels(x: Any) -> Any:
    x = k.Concatenate()([k.Conv1D(32, size, padding="same", activation="relu")(x) for size in (3, 5, 7)])
    return k.Dense(1)(k.LSTM(64)(k.MaxPooling1D(2)(x)))


@graph((256, 4))
def gated_waves(x: Any) -> Any:
    """WaveNet's blocks before an LSTM."""
    x, skips = k.Conv1D(32, 1, padding="same")(x), []
    for rate in (1, 2, 4, 8, 16, 32):
        wave = k.Conv1D(32, 2, padding="causal", dilation_rate=rate, activation="tanh")(x)
        gate = k.Conv1D(32, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(x)
        y = k.Conv1D(32, 1)(k.Multiply()([wave, gate]))
        skips.append(y)
        x = k.Add()([x, y])
    return k.Dense(1)(k.LSTM(32)(k.Activation("relu")(k.Add()(skips))))


@graph((500, 12))
def residual_ecg(x: Any) -> Any:
    x = k.MaxPooling1D(2)(k.Activation("relu")(k.BatchNormalization()(k.Conv1D(32, 7, padding="same")(x))))
    x = k.MaxPooling1D(2)(residual(residual(x, 32, 5), 64, 5))
    x = k.MaxPooling1D(2)(residual(x, 64, 3))
    return k.Dense(5, activation="softmax")(k.Bidirectional(k.LSTM(64))(x))


@graph((128, 5))
def temporal_blocks(x: Any) -> Any:
    for rate in (1, 2, 4):
        x = residual(x, 32, 3, rate)
    return k.Dense(1)(k.LSTM(50)(x))


@graph((96, 8))
def squeezed(x: Any) -> Any:
    """Squeeze and excitation between convolutions and an LSTM."""
    x = k.Conv1D(64, 5, padding="same", activation="relu")(x)
    gate = k.Dense(64, activation="sigmoid")(k.Dense(8, activation="relu")(k.GlobalAveragePooling1D()(x)))
    x = k.Multiply()([x, k.Reshape((1, 64))(gate)])
    return k.Dense(4, activation="softmax")(k.LSTM(64)(x))


@graph((80,))
def mixed_pooling(ids: Any) -> Any:
    """The toxic comments of Kaggle."""
    x = k.SpatialDropout1D(0.2)(k.Embedding(20000, 300)(ids))
    x = k.Bidirectional(k.LSTM(128, return_sequences=True))(x)
    x = k.Bidirectional(k.LSTM(128, return_sequences=True))(x)
    x = k.Concatenate()([k.GlobalMaxPooling1D()(x), k.GlobalAveragePooling1D()(x)])
    x = k.Add()([x, k.Dense(512, activation="relu")(x)])
    return k.Dense(6, activation="sigmoid")(x)


@graph((75,), (75, 20))
def tagger(ids: Any, features: Any) -> Any:
    """Named entities: words and features of their characters."""
    x = k.Concatenate()([k.Embedding(20000, 50)(ids), features])
    x = k.Bidirectional(k.LSTM(50, return_sequences=True))(k.SpatialDropout1D(0.3)(x))
    return k.TimeDistributed(k.Dense(17, activation="softmax"))(x)


@graph((32, 128, 1))
def text_line(x: Any) -> Any:
    """CRNN: a line of text as an image, through convolutions, then two LSTMs over its columns."""
    for filters, pool in ((64, (2, 2)), (128, (2, 2)), (256, (2, 1)), (256, (4, 1))):
        x = k.MaxPooling2D(pool)(k.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = k.Reshape((32, 256))(x)
    x = k.Bidirectional(k.LSTM(128, return_sequences=True))(x)
    x = k.Bidirectional(k.LSTM(128, return_sequences=True))(x)
    return k.Dense(80, activation="softmax")(x)


@graph((128, 64, 1))
def spectrogram(x: Any) -> Any:
    """CRNN of audio tags."""
    for filters in (16, 32, 64):
        x = k.BatchNormalization()(k.Conv2D(filters, 3, padding="same")(x))
        x = k.MaxPooling2D((2, 2))(k.ELU()(x))
    x = k.LSTM(64)(k.Reshape((16, 8 * 64))(x))
    return k.Dense(10, activation="softmax")(x)


@graph((14, 30))
def highway(x: Any) -> Any:
    """LSTM layers with the sum of what goes in and what comes out."""
    x = k.Dense(64)(x)
    for _ in range(3):
        x = k.LayerNormalization()(k.Add()([x, k.LSTM(64, return_sequences=True)(x)]))
    return k.Dense(2)(k.Flatten()(x))


GRAPHS = {
    "attention_by_hand": attention_by_hand,
    "attention_over_time": attention_over_time,
    "attention_of_last_state": attention_of_last_state,
    "self_attention": self_attention,
    "additive_attention": additive_attention,
    "transformer_after": transformer_after,
    "fusion_block": fusion_block,
    "translator": translator,
    "attentive_translator": attentive_translator,
    "caption": caption,
    "static_features": static_features,
    "three_inputs": three_inputs,
    "siamese": siamese,
    "two_ways": two_ways,
    "two_ways_permuted": two_ways_permuted,
    "parallel_kernels": parallel_kernels,
    "gated_waves": gated_waves,
    "residual_ecg": residual_ecg,
    "temporal_blocks": temporal_blocks,
    "squeezed": squeezed,
    "mixed_pooling": mixed_pooling,
    "tagger": tagger,
    "text_line": text_line,
    "spectrogram": spectrogram,
    "highway": highway,
}
