"""What the bench prints and draws of results."""

import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench import chart, real, report


@pytest.fixture
def result():
    """A win, a loss with a failure, as `--json` writes them."""
    win = {
        "fastlstm": {"microseconds": [10.0, 20.0, 11.0], "error": 1e-8},
        "onnxruntime": {"microseconds": [33.0, 30.0, 40.0], "error": 3e-8},
        "jax": {"microseconds": [100.0, 100.0, 100.0], "error": 2e-8},
    }
    loss = {
        "fastlstm": {"microseconds": [30.0], "error": 2e-8},
        "onnxruntime": {"failed": "Fail: [/E] why"},
        "jax": {"microseconds": [15.0], "error": 5e-8},
    }
    level = {"name": "L1", "size": 1 << 15, "bytes_per_second": 2e11}
    sizes = {"batch": 1, "timesteps": 60, "features": 1, "units": [50, 50]}
    return {
        "date": "2000-01-01",
        "threads": 1,
        "rounds": 3,
        "machine": {"processor": "P", "cores": 2, "system": "S", "flops_per_second": 1e11, "levels": [level]},
        "versions": {key: {"versions": {"numpy": "2"}} for key in win},
        "cases": [
            {"name": "won", "limit": 5.5, "engines": win, **sizes},
            {"name": "lost", "limit": 3.0, "engines": loss, **sizes},
        ],
    }


def test_report(result):
    won, lost = report.rows(result)
    assert (won.best_peer, won.ratio, won.share_of_limit) == ("onnxruntime", 3.0, 0.5)
    assert (lost.best_peer, lost.ratio) == ("jax", 0.5)
    text = report.markdown(result)
    assert "| won | 11~ | **33~** | 100 | 5.5 | 3.00x | 50% | 1.0e-08 |" in text
    assert "| lost | 30 | failed | **15** | 3 | 0.50x | 10% | 2.0e-08 |" in text
    assert "| largest error | 2.0e-08 | 3.0e-08 | 5.0e-08 |" in text
    assert "lost on ONNX Runtime failed: Fail: [/E] why" in text
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.console(result))
    assert "lost on ONNX Runtime failed: Fail: [/E] why" in console.export_text()


def test_report_keeps_others_out_of_the_ratio(result):
    result["versions"]["rtneural"] = {"versions": {"numpy": "2"}}
    for case, engine in zip(result["cases"], ({"microseconds": [5.5], "error": 1e-8}, {"failed": "why"}), strict=True):
        case["engines"]["rtneural"] = engine
    won, _ = report.rows(result)
    assert (won.best_peer, won.ratio, won.against("rtneural")) == ("onnxruntime", 3.0, 0.5)
    text = report.markdown(result)
    assert "| won | 11~ | **33~** | 100 | 5.5 | 5.5 | 3.00x | 50% | 1.0e-08 |" in text
    assert "RTNeural, no part of the ratio, its time by fastlstm's: won 0.50x." in text
    assert "JAX, no part" not in text
    assert "RTNeural, won: 0.50x" in chart.svg(result) and ">3.00x</text>" in chart.svg(result)


def test_chart(result):
    root = ElementTree.fromstring(chart.svg(result))
    texts = ["".join(element.itertext()) for element in root]
    assert {"won", "lost", "3.00x", "0.50x", "ONNX Runtime", "JAX"} <= set(texts)
    assert "ONNX Runtime, won: 3.00x" in texts and "JAX, lost: 0.50x" in texts
    assert texts.count("1 × 60 × 1 → 50 × 2") == 2  # what the cases are
    with pytest.raises(ValueError, match="on a peer"):
        chart.svg(result, ["pytorch"])


def test_chart_cuts_what_is_no_peer(result):
    """Keras' predict takes a thousand times as long on a small case: its bar ends with the peers'."""
    result["versions"]["keras_predict"] = {"versions": {"numpy": "2"}}
    result["cases"][0]["engines"]["keras_predict"] = {"microseconds": [44000.0], "error": 1e-8}
    root = ElementTree.fromstring(chart.svg(result))
    texts = ["".join(element.itertext()) for element in root]
    assert "4,000x" in texts and "Keras predict" in texts and "Keras predict, won: 4000.00x" in texts
    rights = [float(bar.get("x")) + float(bar.get("width")) for bar in root if len(bar)]
    assert max(rights) == pytest.approx(chart.WIDTH - chart.RIGHT, abs=0.2)
    assert rights.count(max(rights)) == 2 and "10x" not in texts  # with JAX' 9.09x


@pytest.fixture
def real_result():
    """A model that is behind at one row, one that is ahead, one that was not exported."""

    def call(ours, theirs):
        return {"microseconds": {"fastlstm": ours, "onnxruntime": theirs}, "difference": 3e-8}

    ahead = {"1": call([10.0, 20.0, 10.0], [40.0, 60.0, 50.0]), "32": call([30.0] * 3, [60.0] * 3)}
    behind = {"1": call([10.0] * 3, [5.0] * 3)}
    rest = {"by": "keras", "failed": None}
    return {
        "date": "2000-01-01",
        "threads": 1,
        "rounds": 3,
        "machine": {"processor": "P", "cores": 2, "system": "S"},
        "versions": {key: {"versions": {"numpy": "2"}} for key in (*real.ENGINES, "keras_export")},
        "models": [
            {"name": "ahead", "network": "LSTM(5)", **rest, "calls": ahead},
            {"name": "none", "network": "LSTM(6)", "by": None, "failed": "Keras' export: why", "calls": {}},
            {"name": "behind", "network": "LSTM(7)", **rest, "failed": "32 rows: no", "calls": behind},
        ],
    }


def test_real_models(real_result):
    headings, *rows = real.table(real_result)
    assert headings[2:5] == ["fastlstm, 1 row", "ONNX Runtime, 1 row", "ratio, 1 row"]
    assert rows == [
        ["behind", "LSTM(7)", "10.0", "5.0", "0.50x", "", "", ""],
        ["ahead", "LSTM(5)", "10.0", "50.0", "4.00x", "30.0", "60.0", "2.00x"],
        ["none", "LSTM(6)", *[""] * 6],
    ]
    lines = real.remarks(real_result)
    assert lines[:3] == [
        "1 row(s): geometric mean 1.41x over 2 models, behind in 1.",
        "32 row(s): geometric mean 2.00x over 1 models, behind in 0.",
        "Largest difference between the engines' outputs: 3.0e-08.",
    ]
    assert "none: Keras' export: why" in lines and "behind: 32 rows: no" in lines
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(real.svg(real_result))]
    assert texts.index("behind") < texts.index("ahead") and "none" not in texts
    assert {"1 row, behind: 0.50x", "1 row, ahead: 4.00x", "32 rows, ahead: 2.00x"} <= set(texts)
    real_result["models"] = real_result["models"][1:2]
    with pytest.raises(ValueError, match="ran on both engines"):
        real.svg(real_result)
