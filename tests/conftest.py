"""What tests of all floors share: the real Keras files that lie beside a checkout of those who develop fastlstm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).parents[2] / "shared"

# A plain run draws the same examples every time: what it tells of a change is due to that change. Looking for what
# nobody thought of is a run of its own, `pytest -m hypothesis --hypothesis-profile=search`, as it is in fuzz/; what
# either finds becomes a test. Neither looks at a clock: how long an example takes is the machine's affair.
settings.register_profile(
    "same", derandomize=True, max_examples=200, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("search", settings.get_profile("same"), derandomize=False, max_examples=5000, print_blob=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real Keras files and of answers of real Keras."""
    if not SHARED.is_dir():
        pytest.skip(
            "this test and those deselected need models from the net and answers of real Keras, which are not part of "
            "the project: they lie in a folder `shared` beside the checkout where fastlstm is developed"
        )
    return SHARED


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "packed_kernels: whatever FASTLSTM_BACKEND says: of packed files, or of bits that BLAS does not keep",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """The fixtures of a test that is marked, and what it starts, run on the packed kernels too."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("packed_kernels"):
            patch.setenv("FASTLSTM_BACKEND", "packed")
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the folder one of the tests that need it remains, and its skip says so for all."""
    if not SHARED.is_dir():
        others = [item for item in items if "shared" in item.fixturenames][1:]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def keras_answers(shared: Path) -> dict:
    """Inputs, and what real Keras' recurrent layers gave for them."""
    return json.loads((shared / "keras" / "goldens.json").read_text(encoding="utf-8"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `public_model` runs once for every entry of the collection's manifest that is a model."""
    if "public_model" in metafunc.fixturenames:
        manifest = SHARED / "models" / "manifest.json"
        entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else [{"name": "absent"}]
        models = [entry for entry in entries if "kind" not in entry]
        metafunc.parametrize("public_model", models, ids=[model["name"][:40] for model in models])
