"""The engine: op descriptions in, float32 arrays out. It knows no layers and no files."""

try:
    from fastlstm.engine._array_form import ArrayForm
    from fastlstm.engine._pair import run_pair
except ModuleNotFoundError as _error:
    if _error.name != "fastlstm.engine._array_form":
        raise
    raise ImportError(
        f"fastlstm is imported from its sources in {__path__[0]}, which are not compiled: `pip install -e .` compiles "
        "them there, and a fastlstm that is installed is found by a Python started in another folder."
    ) from None

from fastlstm.engine import threads
from fastlstm.engine._op_list import kernel_names
from fastlstm.engine._sampling import Sampler
from fastlstm.engine._steps import StepForm, Turn, checked_rows, checked_states
from fastlstm.engine._stream import Stepper
from fastlstm.engine._stream_pool import PoolIds, PoolStepper
from fastlstm.engine._windows import run_windows, takes_windows
from fastlstm.engine.configuration import get_include, show_config
from fastlstm.engine.integers import INTEGER_MODES, IntegerMatrix, layouts_of, quantized_matrix, shapes_of
from fastlstm.engine.packing import LAYOUT_VERSION, Packing, keep, obtain
from fastlstm.engine.program import Program, activate, packings, require_packed
from fastlstm.engine.threads import get_num_threads, set_num_threads

threads.set_default()

__all__ = [
    "INTEGER_MODES",
    "LAYOUT_VERSION",
    "ArrayForm",
    "IntegerMatrix",
    "Packing",
    "PoolIds",
    "PoolStepper",
    "Program",
    "Sampler",
    "StepForm",
    "Stepper",
    "Turn",
    "activate",
    "checked_rows",
    "checked_states",
    "get_include",
    "get_num_threads",
    "keep",
    "kernel_names",
    "layouts_of",
    "obtain",
    "packings",
    "quantized_matrix",
    "require_packed",
    "run_pair",
    "run_windows",
    "set_num_threads",
    "shapes_of",
    "show_config",
    "takes_windows",
]
