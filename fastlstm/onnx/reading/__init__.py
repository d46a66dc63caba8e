"""From ONNX graphs to models."""
