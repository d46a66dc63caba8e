"""Dropout and noise: they act in training alone."""
