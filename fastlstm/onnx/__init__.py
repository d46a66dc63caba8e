"""ONNX out and in: `save` writes a model as an ONNX graph, `load` makes a model of one. Needs `fastlstm[onnx]`."""

from fastlstm.onnx.reading.model import load
from fastlstm.onnx.writing.model import save

__all__ = ["load", "save"]
