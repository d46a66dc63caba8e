"""A long run of everything at once: does memory stand still, is every bit right, how late is the latest call?

    python -m bench soak [--calls 10000000] [--threads 4]

Threads draw calls of mixed shapes on shared models: predictions, steps of streams and of pools of streams, models
loaded again, weights set while others predict, forks. Every output is compared with `==` to that of the same call
before the run; where weights change it is that of one of the two.
"""

from __future__ import annotations

import gc
import os
import pickle
import random
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

RARE = 2_000  # calls from one fork to the next
SAMPLES = 100  # of the resident memory: a list of many more would be what grows


class Soak:
    """The run.

    Args:
        calls: Of all threads together.
        threads: Number of them.
    """

    def __init__(self, calls: int, threads: int) -> None:
        self._threads, self._every = threads, max(1, calls // SAMPLES)
        self._done = [0] * threads
        self.wrong: list[str] = []
        self.resident: list[tuple[int, float]] = []
        # Written to before the run, so that its memory is not taken for that of the models.
        self.seconds: list[np.ndarray] = [np.full(calls // threads, np.inf, np.float32) for _ in range(threads)]
        self._models = [Subject(number) for number in range(len(NETWORKS))]
        self._changing = Subject(0)

    def run(self, progress: Callable[[int], Any] = lambda done: None) -> None:
        """Run all calls, telling `progress` how many are done."""
        workers = [threading.Thread(target=self._work, args=(seed,)) for seed in range(self._threads)]
        for worker in workers:
            worker.start()
        due = 0
        while any(worker.is_alive() for worker in workers):
            done = sum(self._done)
            if done >= due:
                self._sample(done)
                due = done + self._every
            progress(done)
            for worker in workers:
                worker.join(0.05)
        self._sample(sum(self._done))

    def _sample(self, done: int) -> None:
        """Note the resident memory of what is in use.

        Layers and their calls know each other: of models that are gone, Python lets them wait until they are a quarter
        of all its objects.
        """
        gc.collect()
        self.resident.append((done, resident_mb()))

    def _work(self, seed: int) -> None:
        rng = random.Random(seed)
        kinds = (self._predict, self._call, self._stream, self._pool, self._change, self._reload)
        for number in range(len(self.seconds[seed])):
            kind = rng.choices(kinds, (40, 30, 10, 10, 9, 1))[0]
            begin = perf_counter()
            right = kind(rng)
            self.seconds[seed][number] = perf_counter() - begin
            if not right:
                self.wrong.append(kind.__name__)
            if number % RARE == RARE - 1:
                self._fork(rng)
            self._done[seed] += 1

    def _predict(self, rng: random.Random) -> bool:
        subject, case = rng.choice(self._models), rng.randrange(CASES)
        return subject.right(case, subject.model.predict(subject.inputs[case], verbose=0))

    def _call(self, rng: random.Random) -> bool:
        subject, case = rng.choice(self._models), rng.randrange(CASES)
        return subject.right(case, np.asarray(subject.model(subject.inputs[case])))

    def _stream(self, rng: random.Random) -> bool:
        subject, case = self._models[0], rng.randrange(CASES)
        x = subject.inputs[case]
        stream = subject.model.stream(len(x))
        for t in range(x.shape[1]):
            y = stream.step(x[:, t].copy())
        return subject.right(case, y)

    def _pool(self, rng: random.Random) -> bool:
        subject, case = self._models[0], rng.randrange(CASES)
        x = subject.inputs[case]
        ids = [subject.pool.open() for _ in x]
        for t in range(x.shape[1]):
            y = subject.pool.step(ids, x[:, t].copy())
        for stream_id in ids:
            subject.pool.close(stream_id)
        return subject.right(case, y)

    def _change(self, rng: random.Random) -> bool:
        subject, case = self._changing, rng.randrange(CASES)
        if rng.random() < 0.02:
            subject.model.set_weights(rng.choice(subject.weights))
        return subject.right(case, subject.model.predict_on_batch(subject.inputs[case]))

    def _reload(self, rng: random.Random) -> bool:
        subject, case = rng.choice(self._models), rng.randrange(CASES)
        return subject.right(case, pickle.loads(subject.pickled).predict_on_batch(subject.inputs[case]))

    def _fork(self, rng: random.Random) -> None:
        subject = rng.choice(self._models)
        child = os.fork()
        if child == 0:
            os._exit(0 if subject.right(0, subject.model.predict_on_batch(subject.inputs[0])) else 1)
        if os.waitpid(child, 0)[1]:
            self.wrong.append("fork")


CASES = 12


class Subject:
    """A model with inputs of mixed shapes, and what it gives for them with each of two sets of weights.

    Args:
        number: Of its network in `NETWORKS`.
    """

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng(number)
        self.model = NETWORKS[number]()
        shapes = [(int(rng.integers(1, 40)), int(rng.integers(1, 30)), FEATURES) for _ in range(CASES)]
        self.inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        given = self.model.get_weights()
        self.weights = [given, [weight * np.float32(0.5) for weight in given]]
        self._answers = []
        for weights in reversed(self.weights):
            self.model.set_weights(weights)
            self._answers.append([self.model.predict_on_batch(x) for x in self.inputs])
        self.pickled = pickle.dumps(self.model)
        self.pool = self.model.stream_pool() if number == 0 else None

    def right(self, case: int, y: np.ndarray) -> bool:
        """Return whether the output is, to the bit, one of those that the case may have."""
        return any(np.array_equal(y, answers[case]) for answers in self._answers)


FEATURES = 5


def stacked() -> Any:
    from fastlstm import Input, Sequential
    from fastlstm.layers import LSTM, Dense

    return Sequential([Input((None, FEATURES)), LSTM(33, return_sequences=True), LSTM(17), Dense(3)])


def mixed() -> Any:
    from fastlstm import Input, Sequential
    from fastlstm.layers import GRU, LSTM, Dense, LayerNormalization

    layers = [LSTM(20, return_sequences=True), LayerNormalization(), GRU(9), Dense(3, activation="softmax")]
    return Sequential([Input((None, FEATURES)), *layers])


def both_ways() -> Any:
    from fastlstm import Input, Sequential
    from fastlstm.layers import LSTM, Bidirectional, Dense

    return Sequential([Input((None, FEATURES)), Bidirectional(LSTM(24)), Dense(2)])


NETWORKS = (stacked, mixed, both_ways)


def resident_mb() -> float:
    """Return the resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def rows(soak: Soak, calls: int) -> list[tuple[str, str]]:
    """Return the figures by name."""
    taken = np.sort(np.concatenate(soak.seconds)) * 1e6
    later = [mb for done, mb in soak.resident if done >= calls / 10]
    grown = (later[-1] - later[0]) / later[0]
    late = {name: taken[min(len(taken) - 1, int(part * len(taken)))] for name, part in PARTS.items()}
    return [
        ("calls", f"{len(taken):,}"),
        ("wrong bits", str(len(soak.wrong))),
        *((name, f"{microseconds:,.0f} us") for name, microseconds in late.items()),
        ("resident at a tenth, at the end", f"{later[0]:.1f} MB, {later[-1]:.1f} MB ({grown:+.2%})"),
        ("largest since a tenth", f"{max(later):.1f} MB"),
    ]


PARTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
