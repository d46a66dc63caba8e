"""The models that the ONNX writer and the reader are tried on."""

import importlib.util
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def cases():
    """The module that makes the models."""
    sys.path.insert(0, str(DATA))  # op_cases.py
    try:
        spec = importlib.util.spec_from_file_location("onnx_cases", DATA / "onnx_cases.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DATA))
    return module
