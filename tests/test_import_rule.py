"""Who may import whom. The rule reads the sources, so it needs them beside the tests (a checkout or an sdist)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fastlstm"
CSRC = ROOT / "csrc"
C_SOURCES = sorted([*CSRC.iterdir(), PACKAGE / "include" / "fastlstm_stream.h"])

# Leaf modules: each mirrors a Keras module, or is shared by those that do.
LEAVES = {
    *("activations", "arguments", "backend", "config", "constraints", "crc32c", "datasets", "identifiers"),
    *("initializers", "memory"),
    *("object_registration", "older_modules", "ops", "preprocessing", "printable", "random", "records"),
    *("regularizers", "utils"),
}
# What only training needs: loaded when it is first asked for.
TRAINING = {"callbacks", "losses", "metrics", "optimizers"}
# room → rooms that it may import from, besides itself
MAY_IMPORT = {
    "_version": set(),
    "stream": set(),
    "engine": {"_version", "records", "stream"},
    "saving": {"crc32c", "identifiers", "memory", "printable", "records"},
    **dict.fromkeys(LEAVES, LEAVES | {"engine"}),
    "records": set(),
    **dict.fromkeys(TRAINING, TRAINING | LEAVES | {"engine"}),
    "layers": LEAVES | {"engine"},
    "mixed_precision": {"identifiers", "layers"},
    "models": LEAVES | TRAINING | {"engine", "layers", "saving"},
    "onnx": LEAVES | {"_version", "engine", "layers", "models", "saving"},
    "_pyinstaller": set(),
    "demo": {"models"},
    "serving": {"_version", "engine", "models", "onnx", "printable", "saving"},
    "dask": {"engine", "models", "saving"},
    "cli": {"_version", "demo", "engine", "models", "onnx", "printable", "saving", "serving"},
    "__main__": {"cli"},
    "__init__": {"_version", "engine", "layers", "models", "mixed_precision", "onnx", "saving", *LEAVES, *TRAINING},
}
# library → the only places that may name it
ONLY_IN = {
    "h5py": r"fastlstm/saving/",
    "scipy.linalg": r"fastlstm/engine/_blas\.pyx$",
    "rich": r"fastlstm/(cli/(bench|demo|quantize)|models/summary)\.py$",
    "pydot": r"fastlstm/utils/plotting\.py$",
    "onnx": r"fastlstm/onnx/library\.py$",
    "matplotlib": r"fastlstm/cli/demo\.py$",
    **dict.fromkeys(("starlette", "uvicorn", "prometheus_client", "orjson"), r"fastlstm/serving/"),
    **dict.fromkeys(("dask", "distributed"), r"fastlstm/dask\.py$"),
}


def sources() -> list[Path]:
    return sorted(path for ending in ("py", "pyx", "pxd") for path in PACKAGE.rglob(f"*.{ending}"))


def imported(path: Path) -> set[str]:
    """Dotted names of every module that the file imports, at the top or inside a function."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"^\s*(?:from|import|cimport) +([\w.]+)", text, re.MULTILINE))
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms(path):
    here = room(path)
    for name in imported(path):
        if name.split(".")[0] == "fastlstm":
            target = [*name.split("."), "__init__"][1]
            assert target == here or target in MAY_IMPORT[here], f"{here} may not import {name}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_behind_their_doors(path):
    for name in imported(path):
        for library, places in ONLY_IN.items():
            if name == library or name.startswith(library + "."):
                assert re.search(places, path.relative_to(ROOT).as_posix()), f"{name} is not to be named here"


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda path: path.name)
def test_c_sources(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"Python\.h|\b\w*printf\s*\(|\bputs\s*\(", text)
    assert not re.search(r"\b(malloc|calloc|realloc)\s*\(", text)
    if not path.name.startswith("vec_"):
        assert not re.search(r"immintrin|arm_neon|\b_mm\d*_|\bv\w+q_f32\b", text)


def circles(folder: str) -> list[set[str]]:
    """The modules of a room that import each other in circles, at the top or inside functions."""
    paths = {path for path in sources() if path.suffix == ".py" and path.relative_to(PACKAGE).parts[0] == folder}
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    reached = {}
    for name in names:
        found, pending = set(), [name]
        while pending:
            above = imported(names[pending.pop()])
            new = {one for full in above for one in (full, full.rpartition(".")[0]) if one in names} - found
            found |= new
            pending += new
        reached[name] = found
    rings = {frozenset(other for other in reached[name] if name in reached[other]) for name in names}
    return [{name.removeprefix(f"fastlstm.{folder}.") for name in ring} for ring in rings if len(ring) > 1]


# Keras has the same knot: a call on symbolic tensors makes a node of its layer.
KNOT = {
    *("base.chain", "base.gradient", "base.layer", "base.own_config", "base.recurrent", "symbolic.calling"),
    *("symbolic.keras_tensor", "symbolic.node", "symbolic.operation", "symbolic.shape_inference"),
}


def test_circles():
    assert circles("models") == [{"functional", "loading", "model"}]
    (knot,) = circles("layers")
    assert knot <= KNOT
    assert circles("engine") == []


def test_there_is_something_to_read():
    assert len(sources()) > 20 and len(list(CSRC.iterdir())) > 10
