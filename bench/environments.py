"""Every engine's own virtual environment: where it is, and how it is made."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bench.engines import engine

DEFAULT = Path.home() / ".cache" / "fastlstm-bench"


def python(folder: Path, key: str) -> Path:
    """The engine's Python; the runner's own where the engine requires nothing.

    Raises:
        FileNotFoundError: The environment has not been made.
    """
    if not is_made(folder, key):
        raise FileNotFoundError(f"{key} has no environment in {folder}: make it with `python -m bench setup {key}`")
    return _path(folder, key)


def is_made(folder: Path, key: str) -> bool:
    """Whether the engine's environment is there."""
    return _path(folder, key).exists()


def _path(folder: Path, key: str) -> Path:
    return folder / key / "bin" / "python" if engine(key).requirements else Path(sys.executable)


def setup(folder: Path, keys: list[str]) -> list[str]:
    """Make or renew the engines' environments; the engines that failed."""
    failed = []
    for key in keys:
        requirements = engine(key).requirements
        if not requirements:
            continue
        print(f"{key}: {' '.join(requirements)} → {folder / key}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / key], check=True)
        pip = [_path(folder, key), "-m", "pip", "install", "--quiet", *requirements]
        if subprocess.run(pip).returncode:
            failed.append(key)
    return failed


def versions(key: str) -> dict[str, str]:
    """Versions of what the engine requires, read inside its environment."""
    names = [re.split(r"[=<>]", requirement)[0] for requirement in engine(key).requirements]
    found = {name: metadata.version(name) for name in names or ("fastlstm", "numpy", "scipy")}
    return {"python": sys.version.split()[0], **found}
