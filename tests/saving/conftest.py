"""A small model as `saving` sees it: [LSTM "foo", LSTM "lstm", Dropout, Dense], whose names are a trap for readers."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm.saving import LayerSpec, VariableSpec


def lstm(name: str, features: int, units: int) -> LayerSpec:
    shapes = {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
    cell = LayerSpec("lstm_cell", "LSTMCell", tuple(VariableSpec(key, shape) for key, shape in shapes.items()))
    return LayerSpec(name, "LSTM", (), (("cell", cell),))


def dense(name: str, features: int, units: int) -> LayerSpec:
    return LayerSpec(name, "Dense", (VariableSpec("kernel", (features, units)), VariableSpec("bias", (units,))))


def batch_normalization(name: str, features: int) -> LayerSpec:
    shape = (features,)
    statistics = VariableSpec("moving_mean", shape, False), VariableSpec("moving_variance", shape, False)
    return LayerSpec(
        name, "BatchNormalization", (VariableSpec("gamma", shape), VariableSpec("beta", shape), *statistics)
    )


def sequential(*layers: LayerSpec, name: str = "model") -> LayerSpec:
    return LayerSpec(name, "Sequential", (), (("layers", layers),))


class Build:
    """Makes specs and arrays that fit them."""

    lstm = staticmethod(lstm)
    dense = staticmethod(dense)
    batch_normalization = staticmethod(batch_normalization)
    sequential = staticmethod(sequential)

    @staticmethod
    def arrays(spec: LayerSpec, seed: int = 0) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [random.standard_normal(variable.shape).astype(np.float32) for variable in spec.flatten()]

    @staticmethod
    def config(spec: LayerSpec) -> dict:
        """A Keras 3 config of a Sequential, as far as saving looks at it."""
        layers = [
            {
                "module": "keras.layers",
                "class_name": layer.class_name,
                "config": {"name": layer.name} | ({"units": 1} if layer.class_name in ("LSTM", "Dense") else {}),
                "registered_name": None,
                "build_config": {"input_shape": [None, 5, 3]},
            }
            for layer in dict(spec.children)["layers"]
        ]
        settings = {"name": spec.name, "trainable": True, "dtype": "float32", "layers": layers}
        return {
            "module": "keras",
            "class_name": "Sequential",
            "config": settings | {"build_input_shape": [None, 5, 3]},
            "registered_name": None,
            "compile_config": {"optimizer": "adam", "loss": "mse"},
        }


@pytest.fixture
def build() -> type[Build]:
    return Build


@pytest.fixture
def spec() -> LayerSpec:
    return sequential(lstm("foo", 3, 4), lstm("lstm", 4, 3), LayerSpec("dropout", "Dropout"), dense("dense", 3, 2))


@pytest.fixture
def arrays(spec: LayerSpec) -> list[np.ndarray]:
    return Build.arrays(spec)


def extracted(folder: Path) -> Path:
    with zipfile.ZipFile(Path(__file__).parent.parent / "data" / "formats.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def formats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of make_formats.py, which says what is in them."""
    return extracted(tmp_path_factory.mktemp("formats"))


@pytest.fixture
def own_formats(tmp_path: Path) -> Path:
    """The same files, to be changed."""
    return extracted(tmp_path)
