"""Random numbers: what repeats, what does not, and the distributions."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from fastlstm import random
from fastlstm.random import SeedGenerator

DRAWS = [random.normal, random.uniform, random.truncated_normal]


@pytest.mark.parametrize("draw", DRAWS)
def test_an_integer_seed_repeats(draw):
    first = draw((7, 5), seed=3)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(draw((7, 5), seed=3), first)
    assert (draw((7, 5), seed=4) != first).all()


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("seed", [None, SeedGenerator(3)])
def test_other_seeds_go_on(draw, seed):
    assert (draw((7, 5), seed=seed) != draw((7, 5), seed=seed)).all()


@pytest.mark.parametrize("draw", DRAWS)
def test_the_global_seed_repeats_everything(draw):
    random.set_global_seed(8)
    first = [draw((4, 3)), draw((4, 3), seed=SeedGenerator())]
    assert (first[0] != first[1]).all()
    random.set_global_seed(8)
    np.testing.assert_array_equal([draw((4, 3)), draw((4, 3), seed=SeedGenerator())], first)


def test_a_seeded_generator_ignores_the_global_seed():
    random.set_global_seed(1)
    first = [random.normal((3,), seed=generator) for generator in [SeedGenerator(5)] * 2]
    random.set_global_seed(2)
    np.testing.assert_array_equal([random.normal((3,), seed=generator) for generator in [SeedGenerator(5)] * 2], first)


def test_seeds_of_any_size_are_different():
    rows = [random.uniform((6,), seed=seed) for seed in (0, 1, -1, 2**31, 2**32, 2**63)]
    assert len({row.tobytes() for row in rows}) == len(rows)


def test_seed_generator_config_and_copy():
    generator = SeedGenerator(5, name="draws")
    assert generator.get_config() == {"seed": 5, "name": "draws"}
    assert SeedGenerator().get_config() == {"seed": None, "name": "seed_generator"}
    again = SeedGenerator.from_config(generator.get_config())
    assert [generator.next(), generator.next()] == [again.next(), again.next()] == [(5, 0), (5, 1)]
    twin = copy.deepcopy(generator)
    assert generator.next() == twin.next()


def test_normal_distribution():
    x = random.normal((40000,), mean=2.0, stddev=3.0, seed=1).astype(np.float64)
    z = (x - 2) / 3
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert abs((np.abs(z) > 2).mean() - 0.0455) < 0.005


def test_uniform_distribution():
    x = random.uniform((40000,), minval=-1.0, maxval=3.0, seed=1)
    assert x.min() >= -1
    assert x.max() <= 3
    shares, _ = np.histogram(x, bins=8, range=(-1, 3))
    assert np.abs(shares / x.size - 1 / 8).max() < 0.01


def test_truncated_normal_distribution():
    z = (random.truncated_normal((40000,), mean=2.0, stddev=3.0, seed=1).astype(np.float64) - 2) / 3
    assert 1.95 < np.abs(z).max() <= 2 + 1e-6
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 0.8796) < 0.01


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("draw", DRAWS)
def test_dtype(draw, dtype):
    assert draw((3, 4), dtype=dtype, seed=1).dtype == dtype


@pytest.mark.parametrize("draw", DRAWS)
def test_other_dtypes_and_seeds_are_refused(draw):
    with pytest.raises(ValueError, match=r"floating point dtype.* dtype=int32"):
        draw((3,), dtype="int32")
    with pytest.raises(ValueError, match=r"an integer or an instance of `SeedGenerator`.* seed=a"):
        draw((3,), seed="a")


@pytest.mark.parametrize("seed", ["a", 1.5])
def test_seeds_that_are_no_integers(seed):
    with pytest.raises(ValueError, match=f"Argument `seed` must be an integer. Received: seed={seed}"):
        SeedGenerator(seed)
    with pytest.raises(ValueError, match=f"Expected `seed` argument to be an integer. Received: seed={seed}"):
        random.set_global_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_global_seeds_out_of_range(seed):
    with pytest.raises(ValueError, match=r"Seed must be between 0 and 2\*\*32 - 1"):
        random.set_global_seed(seed)


def test_further_distributions():
    n = 20_000
    x = random.randint((n,), -2, 3, seed=1)
    assert (x.dtype, x.min(), x.max()) == (np.int32, -2, 2)
    for draw, mean, variance in (
        (random.gamma((n,), 2.0, seed=1), 2, 2),
        (random.beta((n,), 2.0, 3.0, seed=1), 0.4, 0.04),
        (random.binomial((n,), 10, 0.3, seed=1), 3, 2.1),
    ):
        assert draw.dtype == np.float32
        assert draw.mean() == pytest.approx(mean, rel=0.03)
        assert draw.var() == pytest.approx(variance, rel=0.06)
    classes = random.categorical(np.log([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0 + 1e-30]]), n, seed=1)
    assert (classes.shape, classes.dtype) == ((2, n), np.int32)
    np.testing.assert_allclose(np.bincount(classes[0]) / n, [0.1, 0.2, 0.7], atol=0.01)
    np.testing.assert_allclose(np.bincount(classes[1]) / n, [0.5, 0.5], atol=0.01)
    with pytest.raises(ValueError, match="`logits` should be a 2-D tensor"):
        random.categorical([0.5], 1)
    with pytest.raises(ValueError, match="requires an integer `dtype`"):
        random.randint((1,), 0, 2, dtype="float32")


def test_shuffle_moves_what_is_along_an_axis():
    x = np.arange(60).reshape(20, 3)
    shuffled = random.shuffle(x, seed=1)
    assert (shuffled != x).any()
    np.testing.assert_array_equal(shuffled[np.argsort(shuffled[:, 0])], x)
    np.testing.assert_array_equal(random.shuffle(x.T, axis=1, seed=1), shuffled.T)


def test_dropout():
    x = np.arange(1, 2001, dtype=np.float32).reshape(50, 40)
    y = random.dropout(x, 0.25, seed=1)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[y != 0], x[y != 0] / 0.75, rtol=1e-6)
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    rows = random.dropout(x, 0.5, noise_shape=(None, 1), seed=1) == 0
    assert (rows.all(axis=1) | ~rows.any(axis=1)).all()
    assert 0 < rows[:, 0].sum() < 50
    np.testing.assert_array_equal(random.dropout(x, 0), x)
    assert not random.dropout(x, 1.0).any()
