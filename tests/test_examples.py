"""The examples run as they are written."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are part of the checkout")
def test_the_airline_is_forecast_better_than_naively(tmp_path):
    plot = tmp_path / "plot.png"
    command = [sys.executable, EXAMPLES / "airline_passengers.py", *([plot] if find_spec("matplotlib") else [])]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"LSTM +([\d.]+), naive +([\d.]+)", text)
    assert len(found) == 2, text
    for lstm, naive in found:
        assert float(lstm) < 0.7 * float(naive)
    assert not find_spec("matplotlib") or plot.read_bytes().startswith(b"\x89PNG")
