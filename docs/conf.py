"""How Sphinx builds the documentation: `sphinx-build -W -b html docs build/docs`, with the extra `docs` installed."""

import re
import sys
from pathlib import Path
from typing import Any

import fastlstm

sys.path.insert(0, str(Path(__file__).parent))  # layer_table.py

from layer_table import table

project = "fastlstm"
author = "the fastlstm maintainers"
release = version = fastlstm.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"fastlstm {release}"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]

myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3
myst_substitutions = {"layer_table": table()}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False


def skip_foreign(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """A module's page has what is fastlstm's own, not what the module imports from elsewhere."""
    home = getattr(value, "__module__", None) or "fastlstm"
    return True if not home.startswith("fastlstm") or home == "fastlstm.identifiers" else None


def escape_stars(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """`*args, **kwargs` in a list of arguments is no emphasis."""
    lines[:] = [re.sub(r"(?<![`\w*])(\*{1,2})(?=[a-z]\w*[,:])", lambda stars: r"\*" * len(stars[1]), x) for x in lines]


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", escape_stars, priority=100)  # before napoleon
