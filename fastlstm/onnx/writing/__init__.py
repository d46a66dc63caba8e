"""From models to ONNX graphs."""
