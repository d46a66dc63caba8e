"""bench/ is not installed, and not by sys.path either: the checkout there would hide the installed package."""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "bench"
spec = importlib.util.spec_from_file_location("bench", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
sys.modules["bench"] = importlib.util.module_from_spec(spec)
