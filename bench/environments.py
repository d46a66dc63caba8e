"""Every engine's own virtual environment: where it is, and how it is made."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bench.engines import EXPORTER, OTHERS, PEERS, engine

DEFAULT = Path.home() / ".cache" / "fastlstm-bench"
# The engines with an environment of their own.
MADE = (*PEERS, *OTHERS, EXPORTER)


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
    found = engine(key)
    return (
        folder / getattr(found, "environment", key) / "bin" / "python" if found.requirements else Path(sys.executable)
    )


def needs_source(key: str) -> bool:
    """Whether pip has no package of the engine, so that its sources must be at hand."""
    return hasattr(engine(key), "source")


def setup(folder: Path, keys: list[str], source: Path | None = None) -> list[str]:
    """Make or renew the engines' environments; the engines that failed.

    Args:
        folder: Of the environments.
        keys: The engines.
        source: Folder of the sources of the one engine among them that needs them.

    Raises:
        FileNotFoundError: An engine needs sources, and they are not in `source`.
        RuntimeError: No engine needs sources, and there is a `source`.
    """
    built = [key for key in keys if needs_source(key)]
    if source and not built:
        raise RuntimeError(f"none of {', '.join(keys)} is made from sources; received --source {source}")
    for key in built:
        if source is None or not (source / engine(key).source).exists():
            raise FileNotFoundError(
                f"{key} is made from sources: --source DIR with DIR/{engine(key).source}; received {source}"
            )
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
        elif key in built:
            (folder / key / "source").symlink_to(source.resolve())
    return failed


def versions(key: str) -> dict[str, str]:
    """Versions of what the engine requires, read inside its environment."""
    names = [re.split(r"[=<>]", requirement)[0] for requirement in engine(key).requirements]
    found = {name: metadata.version(name) for name in names or ("fastlstm", "numpy", "scipy")}
    return {"python": sys.version.split()[0], **found}
