"""The bench's own arithmetic: limits, cases, gates."""

import numpy as np
import pytest

from bench import cases, limits, onnx_graph, train

MACHINE = limits.Machine(
    234e9,
    (
        limits.Level("L1", 48 << 10, 406e9),
        limits.Level("L2", 1 << 20, 234e9),
        limits.Level("L3", 32 << 20, 105e9),
        limits.Level("memory", None, 55e9),
    ),
)


@pytest.mark.parametrize(
    ("name", "microseconds"),
    # by hand from the formula in bench/README.md, each bound by another level
    [
        ("small", 5.82),
        ("tutorial4", 48.3),
        ("mid", 327),
        ("deep", 2641),
        ("huge", 19325),
        ("step64", 0.331),
        ("b8mid", 1723),
    ],
)
def test_limit(name, microseconds):
    assert 1e6 * MACHINE.case_seconds(cases.CASES[name]) == pytest.approx(microseconds, rel=0.01)
    assert 1e6 * MACHINE.case_seconds(cases.CASES[name], threads=2) == pytest.approx(microseconds / 2, rel=0.01)


def test_limit_beyond_the_caches():
    assert MACHINE.product_seconds(1, 4096, 4096) == pytest.approx(4 * 4096**2 / 55e9)


def test_parse_case():
    assert cases.parse_case("3,20,5,7x2,9") == cases.Case("3,20,5,7x2,9", 3, 20, 5, (7, 7, 9))
    assert cases.parse_case("3,20,5,7x2,9").widths() == [(5, 7), (7, 7), (7, 9)]


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,0", "1,2,3,4x0", "1,2,3,4x", "a,2,3,4", "1,2,3,4,"])
def test_parse_case_refuses(text):
    with pytest.raises(ValueError, match="batch,timesteps,features"):
        cases.parse_case(text)


def test_onnx_gates():
    assert onnx_graph.onnx_gates(np.array([[1, 2, 3, 4, 5, 6, 7, 8]])).tolist() == [[1, 2, 7, 8, 3, 4, 5, 6]]


@pytest.mark.parametrize("name", train.NAMES)
def test_training(name):
    case = cases.Case(name, 4, 5, 3, (6,) * len(train.training_case(name).units))
    found = train.measure("fastlstm", case, 1, 6, 16)
    assert found["seconds"] > 0 and len(found["losses"]) == 7
    assert found["losses"][-1] < found["losses"][0]
    measured = {name: {key: [{"seconds": 2.0, "megabytes": 3.0}] for key in train.ENGINES}}
    measured[name]["fastlstm"] = [{"seconds": 0.5, "megabytes": 1.0}]
    headings, row = train.rows(measured, MACHINE, 1)
    assert len(headings) == len(row) and row[:6] == [name, "0.500", "2.000", "2.000", "2.000", "4.00"]
