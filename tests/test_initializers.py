"""Initializers: distributions, repetition, and the configs of every Keras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import initializers, random
from fastlstm.random import SeedGenerator

RECORDS = json.loads((Path(__file__).parent / "data" / "configs.json").read_text())
KERAS = [record for record in RECORDS if record["module"] == "initializers"]
SCALED = {
    "GlorotUniform": ("uniform", 2 / (30 + 50)),
    "GlorotNormal": ("truncated", 2 / (30 + 50)),
    "LecunUniform": ("uniform", 1 / 30),
    "LecunNormal": ("truncated", 1 / 30),
    "HeUniform": ("uniform", 2 / 30),
    "HeNormal": ("truncated", 2 / 30),
}
RANDOM = ["RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal", *SCALED]
# The largest value in units of the standard deviation.
FURTHEST = {"uniform": np.sqrt(3), "truncated": 2 / 0.87962566103423978}


@pytest.mark.parametrize("record", KERAS, ids=lambda record: record["class_name"])
def test_configs_are_those_of_keras(record):
    initializer = getattr(initializers, record["class_name"])(**record["arguments"])
    assert initializers.serialize(initializer) == record["serialized"]
    again = initializers.get(json.loads(json.dumps(record["serialized"])))
    assert type(again) is type(initializer)
    assert initializers.serialize(again) == record["serialized"]
    assert initializers.serialize(initializer.clone()) == record["serialized"]


def test_seed_generator_in_a_config_of_keras():
    (record,) = (record for record in RECORDS if record["module"] == "random")
    initializer = initializers.get(record["serialized"])
    assert isinstance(initializer.seed, SeedGenerator)
    assert initializers.serialize(initializer) == record["serialized"]


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("zeros", "Zeros"),
        ("zero", "Zeros"),
        ("ones", "Ones"),
        ("one", "Ones"),
        ("constant", "Constant"),
        ("identity", "Identity"),
        ("IdentityInitializer", "Identity"),
        ("normal", "RandomNormal"),
        ("random_normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("random_uniform", "RandomUniform"),
        ("truncated_normal", "TruncatedNormal"),
        ("variance_scaling", "VarianceScaling"),
        ("glorot_uniform", "GlorotUniform"),
        ("glorot_normal", "GlorotNormal"),
        ("lecun_uniform", "LecunUniform"),
        ("lecun_normal", "LecunNormal"),
        ("he_uniform", "HeUniform"),
        ("he_normal", "HeNormal"),
        ("orthogonal", "Orthogonal"),
        ("OrthogonalInitializer", "Orthogonal"),
    ],
)
def test_names(name, class_name):
    cls = getattr(initializers, class_name)
    assert type(initializers.get(name)) is cls
    assert type(initializers.get(class_name)) is cls
    assert type(initializers.get(cls)) is cls
    assert type(initializers.get({"class_name": name, "config": {}})) is cls
    # The few names that Keras has for strings alone.
    assert name in ("zero", "one", "normal", "uniform") or getattr(initializers, name) is cls


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"class_name": "Zeros", "config": {"dtype": "float32"}}, {}),
        (
            {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}},
            {"seed": None, "input_axes": None, "output_axes": None},
        ),
        (
            {
                "class_name": "VarianceScaling",
                "config": {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": 4},
            },
            {
                "scale": 2.0,
                "mode": "fan_in",
                "distribution": "truncated_normal",
                "seed": 4,
                "input_axes": None,
                "output_axes": None,
            },
        ),
        ({"class_name": "Orthogonal", "config": {"gain": 1.5, "seed": None}}, {"gain": 1.5, "seed": None}),
        ({"class_name": "GlorotNormal"}, {"seed": None, "input_axes": None, "output_axes": None}),
    ],
)
def test_older_configs(config, expected):
    assert initializers.get(config).get_config() == expected


@pytest.mark.parametrize("class_name", RANDOM)
def test_seeds(class_name):
    cls = getattr(initializers, class_name)
    seeded, unseeded = cls(seed=3), cls()
    first = seeded((6, 4))
    assert first.shape == (6, 4)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(seeded((6, 4)), first)
    np.testing.assert_array_equal(cls(seed=3)((6, 4)), first)
    np.testing.assert_array_equal(unseeded((6, 4)), unseeded((6, 4)))
    assert (cls()((6, 4)) != unseeded((6, 4))).any()
    drawing = cls(seed=SeedGenerator(3))
    assert (drawing((6, 4)) != drawing((6, 4))).any()


@pytest.mark.parametrize("class_name", RANDOM)
def test_the_global_seed_repeats_unseeded_initializers(class_name):
    cls = getattr(initializers, class_name)
    random.set_global_seed(9)
    first = cls()((5, 3))
    random.set_global_seed(9)
    np.testing.assert_array_equal(cls()((5, 3)), first)


@pytest.mark.parametrize("class_name", SCALED)
@pytest.mark.parametrize("field", [(), (5, 2)])
def test_scaled_distributions(class_name, field):
    shape, variance = SCALED[class_name]
    x = getattr(initializers, class_name)(seed=2)((*field, 30, 50)).astype(np.float64)
    stddev = np.sqrt(variance / np.prod(field))
    assert abs(x.mean()) < 5 * stddev / np.sqrt(x.size)
    assert abs(x.std() / stddev - 1) < 0.05
    assert 0.93 < np.abs(x).max() / (stddev * FURTHEST[shape]) <= 1 + 1e-6


@pytest.mark.parametrize(("mode", "n"), [("fan_in", 40), ("fan_out", 90), ("fan_avg", 65)])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling(mode, n, distribution):
    x = initializers.VarianceScaling(3.0, mode, distribution, seed=5)((40, 90)).astype(np.float64)
    stddev = np.sqrt(3.0 / n)
    assert abs(x.std() / stddev - 1) < 0.05
    assert (np.abs(x).max() > 2.5 * stddev) == (distribution == "untruncated_normal")


@pytest.mark.parametrize(
    ("shape", "axes", "fans"),
    [
        ((), {}, (1, 1)),
        ((7,), {}, (7, 7)),
        ((3, 8), {}, (3, 8)),
        ((5, 3, 8), {}, (15, 40)),
        ((2, 5, 3, 8), {}, (30, 80)),
        ((5, 3, 8), {"input_axes": [0], "output_axes": [1, 2]}, (5, 24)),
        ((5, 3, 8), {"input_axes": [0]}, (15, 40)),
    ],
)
def test_fans(shape, axes, fans):
    assert initializers.compute_fans(shape, **axes) == fans


@pytest.mark.parametrize("shape", [(6, 24), (24, 6), (7, 7), (3, 5, 4), (2, 2, 9)])
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=1.5, seed=1)(shape).reshape(-1, shape[-1]).astype(np.float64)
    smaller = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(smaller, 2.25 * np.eye(len(smaller)), atol=1e-6)


def test_orthogonal_matrices_have_no_preferred_sign():
    diagonals = [np.diag(initializers.Orthogonal(seed=seed)((4, 4))) for seed in range(200)]
    assert np.abs(np.mean(diagonals, axis=0)).max() < 0.2


def test_constants():
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2, 3), dtype="int32"), np.ones((2, 3)))
    np.testing.assert_array_equal(initializers.Constant([1.5, 2.0])((3, 2)), [[1.5, 2.0]] * 3)
    np.testing.assert_array_equal(initializers.Identity(gain=2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    assert initializers.Constant(3)((2,)).dtype == np.float32
    assert initializers.Ones()((2,), dtype="int32").dtype == np.int32


@pytest.mark.parametrize("value", [np.array([1.5, 2.0]), np.float32(0.5), [1.0, 2.0], 4])
def test_constant_round_trip(value):
    config = json.loads(json.dumps(initializers.serialize(initializers.Constant(value))))
    np.testing.assert_array_equal(initializers.get(config)((3, 2)), initializers.Constant(value)((3, 2)))


def test_identity_keeps_its_gain():
    config = initializers.serialize(initializers.Identity(gain=2.0))
    assert initializers.get(config)((1, 1)) == 2


def test_get_of_an_array():
    array = np.arange(6.0).reshape(2, 3)
    out = initializers.get(array)((2, 3))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, array)
    with pytest.raises(ValueError, match=r"Expected `shape` to be \(2, 3\) for direct tensor as initializer"):
        initializers.get(array)((3, 2))


class Sevens(initializers.Initializer):
    """Somebody's own initializer."""

    def __init__(self, dtype=None):
        self.dtype = dtype

    def __call__(self, shape, dtype=None):
        return np.full(shape, 7.0, np.float32)

    def get_config(self):
        return {"dtype": self.dtype}


def test_initializers_of_somebody_s_own():
    assert initializers.get(None) is None
    assert initializers.get(draw := (lambda shape, dtype=None: np.ones(shape))) is draw
    config = initializers.serialize(Sevens("float64"))
    assert config["registered_name"] == "Sevens"
    assert initializers.deserialize(config, custom_objects={"Sevens": Sevens}).dtype == "float64"
    with pytest.raises(ValueError, match="Could not interpret initializer identifier"):
        initializers.deserialize(config)


@pytest.mark.parametrize(
    "identifier",
    [
        "foo",
        "stft",
        3,
        {"foo": 1},
        {"class_name": "foo", "config": {}},
        {"class_name": "Zeros", "config": None},
        {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": "mine>Zeros"},
        {"module": "mine", "class_name": "Zeros", "config": {}, "registered_name": "Zeros"},
    ],
)
def test_unknown_identifiers(identifier):
    with pytest.raises(ValueError, match="Could not interpret initializer identifier: ") as caught:
        initializers.get(identifier)
    assert str(caught.value).endswith(str(identifier))


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("GlorotUniform", {"bad": 1}),
        ("Zeros", {"bad": 1}),
        ("Constant", {"value": {"foo": 1}}),
    ],
)
def test_configs_that_do_not_fit(class_name, config):
    with pytest.raises(TypeError, match=f"{class_name} could not be deserialized from config="):
        initializers.get({"class_name": class_name, "config": config})


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("VarianceScaling", {"scale": 0}, "Argument `scale` must be positive float. Received: scale=0"),
        ("VarianceScaling", {"scale": "a"}, "`scale` should be a number or an array of numbers. Received: scale='a'"),
        ("VarianceScaling", {"distribution": 3}, "Invalid `distribution` argument: 3. Please use one of"),
        ("VarianceScaling", {"mode": "x"}, "Invalid `mode` argument: x. Please use one of"),
        ("VarianceScaling", {"distribution": "x"}, "Invalid `distribution` argument: x. ?Please use one of"),
        ("RandomNormal", {"seed": "a"}, "`seed` argument should be an instance of .* or an integer. Received: seed=a"),
        ("Orthogonal", {"seed": {"class_name": "Zeros"}}, "Could not interpret seed identifier"),
    ],
)
def test_arguments_that_are_refused(class_name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(initializers, class_name)(**arguments)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("Orthogonal", r"must be at least two-dimensional. Received: shape=\(3,\) of rank 1."),
        ("Identity", r"can only be used for 2D matrices. Received: shape=\(3,\) of rank 1."),
    ],
)
def test_shapes_that_are_refused(class_name, message):
    with pytest.raises(ValueError, match=message):
        getattr(initializers, class_name)()((3,))
