"""Streams, pools, new weights, files and threads in any order: every output has the bits of the whole sequence."""

import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from fastlstm.layers import GRU, LSTM, Dense, Input
from fastlstm.models import Sequential, clone_model, load_model

pytestmark = pytest.mark.packed_kernels

FEATURES = 3
SEEDS = st.integers(0, 1000)


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def drawn(model, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(weight.shape).astype(np.float32) for weight in model.get_weights()]


def frozen(model):
    """A model of its own with the weights of now."""
    twin = clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


class Sequence:
    """What a stream has been given, and what it should answer.

    Args:
        twin: A model with the weights that the stream began with.
    """

    def __init__(self, twin):
        self.twin, self.steps = twin, []

    def expected(self, x):
        self.steps.append(x)
        return self.twin.predict_on_batch(np.stack(self.steps)[np.newaxis])[0]


class Stress(RuleBasedStateMachine):
    streams, members = Bundle("streams"), Bundle("members")

    @initialize(seed=SEEDS)
    def begin(self, seed):
        layers = [LSTM(5, return_sequences=True), GRU(4), Dense(2, "tanh")]
        self.model = Sequential([Input((None, FEATURES)), *layers])
        self.model.set_weights(drawn(self.model, seed))
        self.pool, self.twin = self.model.stream_pool(2), frozen(self.model)

    @rule(seed=SEEDS)
    def new_weights(self, seed):
        self.model.set_weights(drawn(self.model, seed))

    @rule()
    def through_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "m.keras")
            self.model.save(path)
            loaded = load_model(path)
        for one, other in zip(loaded.get_weights(), self.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        self.model = loaded

    @rule(target=streams)
    def open_stream(self):
        return self.model.stream(), Sequence(frozen(self.model))

    @rule(pair=streams, seed=SEEDS)
    def step(self, pair, seed):
        x = numbers(seed, FEATURES)
        np.testing.assert_array_equal(pair[0].step(x), pair[1].expected(x))

    @rule(pair=streams, seed=SEEDS, steps=st.integers(1, 4))
    def run_steps(self, pair, seed, steps):
        x = numbers(seed, steps, FEATURES)
        np.testing.assert_array_equal(pair[0].run(x), [pair[1].expected(row) for row in x])

    @rule(pair=streams)
    def restart(self, pair):
        pair[0].reset()
        pair[1].steps.clear()

    @rule(pair=streams, seed=SEEDS)
    def a_refused_step_changes_nothing(self, pair, seed):
        try:
            pair[0].step(numbers(seed, FEATURES + 1))
        except ValueError:
            return
        raise AssertionError("a step of the wrong width was taken")

    @rule(target=members)
    def open_member(self):
        return self.pool.open(), Sequence(self.twin)

    @rule(member=consumes(members))
    def close_member(self, member):
        self.pool.close(member[0])

    @rule(chosen=st.lists(members, min_size=1, max_size=4, unique_by=lambda member: member[0]), seed=SEEDS)
    def step_members(self, chosen, seed):
        x = numbers(seed, len(chosen), FEATURES)
        expected = [sequence.expected(row) for (_, sequence), row in zip(chosen, x, strict=True)]
        np.testing.assert_array_equal(self.pool.step([number for number, _ in chosen], x), expected)

    @rule(seed=SEEDS)
    def from_threads(self, seed):
        x, found = numbers(seed, 4, 6, FEATURES), {}

        def predict(number):
            found[number] = self.model.predict_on_batch(x[number % 4 :])

        threads = [threading.Thread(target=predict, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = self.model.predict_on_batch(x)
        for number in range(6):
            np.testing.assert_array_equal(found[number], whole[number % 4 :])


# An example has up to twenty steps, each as long as an example of other tests.
Stress.TestCase.settings = settings(max_examples=settings().max_examples // 13, stateful_step_count=20)
TestStress = Stress.TestCase
