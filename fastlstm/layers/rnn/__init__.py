"""Recurrent layers, their cells and their wrappers."""
