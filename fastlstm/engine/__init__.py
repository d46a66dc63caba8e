"""The engine: op descriptions in, float32 arrays out. It knows no layers and no files."""

from fastlstm.engine._engine import kernel_names
from fastlstm.engine.configuration import show_config
from fastlstm.engine.program import Program, activate

__all__ = ["Program", "activate", "kernel_names", "show_config"]
