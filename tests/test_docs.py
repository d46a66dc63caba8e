"""The pages of docs/: their snippets run as pasted, and their table of layers has every layer."""

import importlib.util
import re
from pathlib import Path

import pytest

from snippets import blocks, promised, run

pytestmark = pytest.mark.packed_kernels

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(page for page in DOCS.glob("*.md") if blocks(page.read_text(encoding="utf-8"), "python"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_run_and_print_what_they_say(page, tmp_path):
    python = blocks(page.read_text(encoding="utf-8"), "python")
    for block, printed in zip(python, run(python, tmp_path), strict=True):
        lines = printed.splitlines()
        for says in promised(block):
            assert says in lines, (block, printed)


def test_there_are_pages_with_snippets():
    assert {"quickstart", "files", "training", "service", "accuracy"} <= {page.stem for page in PAGES}


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\w+)$", index, re.MULTILINE)
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} == set(listed)


@pytest.fixture(scope="module")
def layer_table():
    specification = importlib.util.spec_from_file_location("layer_table", DOCS / "layer_table.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_table_has_every_layer_and_says_what_is_so(layer_table):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in layer_table.table().splitlines()[2:]]
    of = {cells[0].split("`")[1]: cells[1:] for cells in rows}
    assert len(of) == len(rows) == len(layer_table.classes()) > 80
    assert of["LSTM"] == ["engine", "yes", "yes", "yes"]
    assert of["Lambda"] == ["NumPy", "no", "yes", "no"]
    assert {name for name, cells in of.items() if cells[3] == "yes"} >= {"GRU", "Dense", "Bidirectional", "LSTMCell"}
    assert of["MaxPooling2D"][1] == "no"  # no time axis that it could step along
