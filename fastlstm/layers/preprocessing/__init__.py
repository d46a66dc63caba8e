"""Layers that bring data to the scale a model was trained on."""
