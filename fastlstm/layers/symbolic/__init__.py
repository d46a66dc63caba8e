"""Layers called on symbolic tensors, from which graphs are made."""
