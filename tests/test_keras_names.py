"""Every public name that a module of Keras has: the module here has it, or says that it has not."""

import ast
import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import fastlstm

try:
    KERAS = importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the files of an installed keras (the `test` extra)", allow_module_level=True)

MODULES = [
    "",
    "backend",
    "callbacks",
    "config",
    "datasets",
    "datasets/imdb",
    "datasets/reuters",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "optimizers/schedules",
    "preprocessing",
    "preprocessing/sequence",
    "saving",
    "utils",
]


def names_of_keras(module):
    text = KERAS.locate_file(f"keras/{module}/__init__.py").read_text(encoding="utf-8")
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names} - {"__version__", "_tf_keras"}


@pytest.mark.parametrize("path", MODULES)
def test_names(path):
    module = importlib.import_module(f"fastlstm.{path.replace('/', '.')}".rstrip("."))
    names = names_of_keras(path)
    assert names
    for name in names:
        if not hasattr(module, name):
            with pytest.raises(AttributeError, match=f"'{module.__name__}' has no '{name}', which keras"):
                getattr(module, name)
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'foo'"):
        _ = module.foo


# As older scripts import: names, and the module below `keras` that they come from.
OLDER = {
    "engine": "Input InputLayer InputSpec Layer Model",
    "engine.base_layer": "Layer InputSpec",
    "engine.topology": "Input InputSpec Layer",
    "layers.advanced_activations": "ELU LeakyReLU PReLU Softmax",
    "layers.convolutional": "Conv1D Conv2D Convolution1D MaxPooling1D UpSampling2D ZeroPadding2D",
    "layers.convolutional_recurrent": "ConvLSTM2D",
    "layers.core": "Activation Dense Dropout Flatten Lambda Masking Permute RepeatVector Reshape",
    "layers.embeddings": "Embedding",
    "layers.experimental.preprocessing": "Normalization TextVectorization",
    "layers.merge": "Add Concatenate Dot add concatenate dot multiply",
    "layers.noise": "GaussianDropout GaussianNoise",
    "layers.normalization": "BatchNormalization",
    "layers.pooling": "GlobalAveragePooling1D MaxPooling1D",
    "layers.recurrent": "GRU LSTM LSTMCell RNN SimpleRNN",
    "layers.wrappers": "Bidirectional TimeDistributed",
    "optimizers.experimental": "SGD AdamW",
    "optimizers.legacy": "SGD Adam RMSprop",
    "utils.data_utils": "Sequence get_file",
    "utils.generic_utils": "CustomObjectScope Progbar get_custom_objects",
    "utils.np_utils": "normalize to_categorical",
    "utils.vis_utils": "model_to_dot plot_model",
}


@pytest.mark.parametrize(("path", "names"), OLDER.items())
def test_older_modules(path, names):
    code = f"from fastlstm.{path} import {names.replace(' ', ', ')}\nimport fastlstm.{path}\nprint({names.split()[0]})"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert run.stdout.startswith("<"), run.stderr
    module = importlib.import_module(f"fastlstm.{path}")
    above = importlib.import_module(f"fastlstm.{path.split('.')[0].replace('engine', 'layers')}")
    for name in names.split():
        assert getattr(module, name) is getattr(above if hasattr(above, name) else fastlstm, name)
    with pytest.raises(AttributeError, match="foo"):
        _ = module.foo


def test_modules_are_attributes_too():
    from fastlstm.layers import experimental, recurrent, wrappers
    from fastlstm.utils import np_utils

    assert recurrent.LSTM is fastlstm.layers.LSTM and wrappers.Bidirectional is fastlstm.layers.Bidirectional
    assert experimental.preprocessing.Normalization is fastlstm.layers.Normalization
    assert np_utils.to_categorical is fastlstm.utils.to_categorical
    assert fastlstm.optimizers.legacy.Adam is fastlstm.optimizers.Adam


def test_attributes_of_older_kerases():
    model = fastlstm.Sequential()
    for name in ("fit_generator", "evaluate_generator", "predict_generator", "predict_proba", "to_yaml"):
        assert not hasattr(model, name) and not hasattr(fastlstm.Model, name)
    with pytest.raises(AttributeError, match=r"^'Sequential' object has no attribute 'predict_classes': take"):
        _ = model.predict_classes
    with pytest.raises(AttributeError, match=r"^type object 'Model' has no attribute 'fit_generator': `fit` takes"):
        _ = fastlstm.Model.fit_generator
    with pytest.raises(AttributeError, match=r"^'Adam' object has no attribute 'lr': it is called `learning_rate`\.$"):
        _ = fastlstm.optimizers.Adam().lr

    class Own(fastlstm.Model):
        def predict_classes(self, x):
            return x

    assert Own().predict_classes(3) == 3


def test_what_is_missing_says_so_to_an_import():
    with pytest.raises(ImportError, match=r"'fastlstm.layers' has no 'Merge', which older Kerases have: use Add"):
        from fastlstm.layers import Merge  # noqa: F401
    with pytest.raises(ImportError, match=r"'fastlstm.layers' has no 'merge', .* or Subtract\.$"):
        from fastlstm.layers import merge  # noqa: F401
    with pytest.raises(ImportError, match=r"'fastlstm.layers' has no 'MelSpectrogram', which keras.layers has: it is"):
        from fastlstm.layers import MelSpectrogram  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'foo'"):
        from fastlstm.layers import foo  # noqa: F401
    assert not hasattr(fastlstm.layers, "Merge")
