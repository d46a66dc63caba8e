"""The README's snippets run as pasted, one after the other, and print what they say they print.

The Python of one section after the other runs in a fresh process whose warnings are errors, in an empty folder; then
the commands, on the files that it has written.
"""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import fastlstm
from fastlstm import layers, models
from snippets import blocks, promised, run

pytestmark = pytest.mark.packed_kernels

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """The folder where all Python of the README has run, and what each block has printed."""
    folder = tmp_path_factory.mktemp("readme")
    return folder, run(blocks(TEXT, "python"), folder)


def test_python(session):
    assert len(session[1]) == len(blocks(TEXT, "python")) >= 3
    for block, printed in zip(blocks(TEXT, "python"), session[1], strict=True):
        for says in promised(block):
            assert says in printed.splitlines(), (block, printed)


def test_the_first_snippet_is_short_and_prints_what_it_says(session):
    code, printed = blocks(TEXT, "python")[0], session[1][0]
    assert len([line for line in code.splitlines() if line.strip()]) == 4
    says = re.findall(r"^print\(.*#\s*(.+)$", code, re.MULTILINE)
    assert printed.splitlines()[-1:] == says != []


def test_commands(session):
    folder, _ = session
    commands = [line for block in blocks(TEXT, "") for line in block.splitlines() if line.startswith("fastlstm ")]
    assert len(commands) >= 3
    for command in commands:
        line = [sys.executable, "-m", *shlex.split(command, comments=True)]
        finished = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)
        assert finished.returncode == 0, (command, finished.stderr)


def test_the_service(session):
    """The shell's block runs as pasted, but for the port, and the last answer is that of a stream's first step."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    pytest.importorskip("uvicorn", reason='the service is not installed (pip install "fastlstm[serve]")')
    folder, _ = session
    (block,) = blocks(TEXT, "sh")
    assert sum(line.startswith(("fastlstm", "curl", "    ")) for line in block.splitlines()) == 4
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        block = block.replace("8000", str(free.getsockname()[1]))
    script = block.replace("fastlstm serve", f"{shlex.quote(sys.executable)} -m fastlstm serve")
    script += "\nkill %1; wait %1; echo; echo ended with $?"
    finished = subprocess.run(["bash", "-m", "-c", script], capture_output=True, text=True, check=False, cwd=folder)
    answer = json.loads(re.findall(r"^.*(\{\"model_name.*\})$", finished.stdout, re.MULTILINE)[-1])
    assert answer["outputs"][0]["shape"] == [1, 1, 1] and "ended with 0" in finished.stdout


def test_names_in_prose_exist():
    """What the README calls `fastlstm.NAME` or shows as a method of a model is there."""
    import fastlstm
    from fastlstm.models import Model, Stream

    for name in set(re.findall(r"`fastlstm\.(\w+)", TEXT)) - {"serving", "dask"}:
        assert hasattr(fastlstm, name), name
    for name in set(re.findall(r"`model\.(\w+)\(", TEXT)):
        assert hasattr(Model, name), name
    for name in set(re.findall(r"`stream\.(\w+)", TEXT)):
        assert hasattr(Stream, name), name


def test_the_names_that_it_lists_are_there():
    text = TEXT.split("## What it does\n")[1].split("## What it does not")[0]
    listed = set(re.findall(r"`([A-Z]\w*[a-z]\w*)\b", text))
    assert {"Sequential", "TimeDistributed", "TextVectorization"} <= listed and len(listed) > 12
    rooms = (layers, models, fastlstm)
    assert not {name for name in listed if not any(hasattr(room, name) for room in rooms)}
    methods = set(re.findall(r"`model\.(\w+)\(", text)) | {"compile", "fit", "evaluate", "train_on_batch"}
    assert {"stream", "stream_pool", "quantize"} <= methods
    assert not {name for name in methods if not hasattr(models.Sequential, name)}
    for path in re.findall(r"`(fastlstm(?:\.\w+)+)\(", text):
        found = fastlstm
        for name in path.split(".")[1:]:
            found = getattr(found, name)


def test_the_families_of_layers_that_it_names_are_whole():
    for axes in "123":
        for kind in ("Conv", "MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling", "ZeroPadding"):
            assert hasattr(layers, f"{kind}{axes}D")
        assert hasattr(layers, f"Cropping{axes}D") and hasattr(layers, f"UpSampling{axes}D")
    for cell in ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"):
        assert hasattr(layers, cell)
