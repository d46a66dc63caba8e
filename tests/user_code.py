"""What a typical user writes. tests/test_typing.py has mypy read it, strictly, and runs it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import fastlstm
from fastlstm import Input, Model, Sequential, load_model, load_packed, save_packed
from fastlstm.layers import GRU, LSTM, Bidirectional, Concatenate, Dense, Embedding, Layer, TimeDistributed
from fastlstm.models import Stream, StreamPool
from fastlstm.utils import set_random_seed, to_categorical


class Doubled(Layer):
    """A layer of the user's own."""

    def call(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return 2 * inputs


def sequential(steps: int, features: int) -> Sequential:
    model = Sequential([Input((steps, features)), LSTM(4, return_sequences=True)])
    model.add(Bidirectional(GRU(3)))
    model.add(Doubled())
    model.add(Dense(features, activation="tanh"))
    return model


def graph() -> Model:
    words, x = Input((None,), dtype="int32", name="words"), Input((5, 3), name="x")
    h, state_h, state_c = LSTM(4, return_state=True)(Embedding(9, 2)(words))
    y = LSTM(4)(TimeDistributed(Dense(2))(x), initial_state=[state_h, state_c])
    return Model([words, x], Dense(2)(Concatenate()([h, y])))


def predict(model: Model, x: NDArray[np.float32]) -> float:
    y = model.predict(x, batch_size=2, verbose=0)
    once = model(x)
    return float(np.abs(y - once).max())


def weights(model: Model) -> list[tuple[int, ...]]:
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    return [weight.shape for weight in model.get_weights()]


def save_and_load(model: Model, folder: Path) -> Model:
    model.save(folder / "model.keras")
    save_packed(load_model(str(folder / "model.keras"), custom_objects={"Doubled": Doubled}), folder / "model.packed")
    return load_packed(folder / "model.packed")


def stream(model: Model, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    one: Stream = model.stream()
    outputs = [one.step(sample) for sample in samples]
    one.reset()
    pool: StreamPool = model.stream_pool(capacity=4)
    ids = [pool.open(), pool.open()]
    pool.step(ids, np.stack([samples[0], samples[1]]))
    pool.close(ids[0])
    return np.stack(outputs)


def main() -> None:
    set_random_seed(1)
    fastlstm.set_num_threads(max(1, fastlstm.get_num_threads()))
    x = np.random.default_rng(1).normal(size=(3, 5, 2)).astype(np.float32)
    model = sequential(5, 2)
    print(predict(model, x) < 1e-6, graph().predict([np.zeros((2, 4)), np.zeros((2, 5, 3))], verbose=0).shape)
    future: NDArray[np.float32] = model.forecast(x, steps=3)
    print(future.shape, to_categorical([0, 2], 3).shape)
    causal = Sequential([Input((None, 2)), LSTM(4), Dense(1)])
    print(stream(causal, x[0]).shape)
    with TemporaryDirectory() as folder:
        print(save_and_load(causal, Path(folder)).count_params(), len(weights(causal)))


if __name__ == "__main__":
    main()
