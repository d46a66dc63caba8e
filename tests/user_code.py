"""What a typical user writes. tests/test_typing.py has mypy read it, strictly, and runs it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import fastlstm
from fastlstm import Input, Model, Sequential, load_model, load_packed, onnx, save_packed
from fastlstm.callbacks import EarlyStopping
from fastlstm.layers import GRU, LSTM, Bidirectional, Concatenate, Dense, Embedding, Layer, TimeDistributed
from fastlstm.losses import MeanSquaredError
from fastlstm.metrics import MeanAbsoluteError
from fastlstm.models import Stream, StreamPool
from fastlstm.optimizers import Adam
from fastlstm.serving import Batcher
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


def fit(model: Model, x: NDArray[np.float32], y: NDArray[np.float32]) -> list[float]:
    model.compile(optimizer=Adam(learning_rate=0.01), loss=MeanSquaredError(), metrics=[MeanAbsoluteError()])
    history = model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=[EarlyStopping(monitor="loss")])
    scores: dict[str, float] = model.evaluate(x, y, verbose=0, return_dict=True)
    losses: list[float] = history.history["loss"]
    return [*losses, scores["loss"]]


def through_onnx(model: Model, path: Path) -> Model:
    onnx.save(model, path)
    return onnx.load(path)


def serve(model: Model, x: NDArray[np.float32]) -> tuple[int, ...]:
    batcher = Batcher(model, max_batch=8)
    try:
        return np.shape(batcher.predict_sync(x))
    finally:
        batcher.close()


def causal_file(model: Model, folder: str) -> str:
    model.save(Path(folder, "causal.keras"))
    return str(Path(folder, "causal.keras"))


def quantize(model: Model) -> int:
    model.quantize("int16")
    return sum(weight.nbytes for weight in model.weights)


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
        print(fit(causal, x, x[:, 0, :1]), through_onnx(causal, Path(folder, "model.onnx")).count_params())
        print(serve(causal, x), quantize(load_model(causal_file(causal, folder))))
        print(save_and_load(causal, Path(folder)).count_params(), len(weights(causal)))


if __name__ == "__main__":
    main()
