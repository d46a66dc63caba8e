"""Every public name that a module of Keras has: the module here has it, or says that it has not."""

import ast
import importlib
import importlib.metadata

import pytest

try:
    KERAS = importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the files of an installed keras (the `test` extra)", allow_module_level=True)

MODULES = [
    "",
    "backend",
    "callbacks",
    "config",
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
