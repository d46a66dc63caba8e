"""What a contributor may want to run, each in an environment of its own: `nox -l` lists it, `nox -s lint` runs one.

The plain `nox` is what .ci/run does.
"""

import sys

import nox

nox.options.sessions = ["tests-" + ".".join(map(str, sys.version_info[:2])), "lint"]
nox.options.error_on_missing_interpreters = False
nox.options.error_on_external_run = True

# The oldest that pyproject.toml allows, on the oldest Python.
OLDEST = ("numpy==1.23.5", "scipy==1.11.1", "h5py==3.8.0", "rich==13.0.0")


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """The tests, on the newest NumPy and SciPy; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.10")
def oldest(session: nox.Session) -> None:
    """The tests on the oldest NumPy, SciPy, h5py and rich."""
    session.install(".[test]", *OLDEST)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """What .ci/run lints."""
    session.install(*nox.project.load_toml()["project"]["optional-dependencies"]["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("cython-lint", "fastlstm")


@nox.session
def types(session: nox.Session) -> None:
    """How complete the types of public names are, by pyright: it fails below 100 %."""
    session.install(".[serve,dask]", "pyright")
    session.run("pyright", "--verifytypes", "fastlstm", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, into build/docs; a warning is an error."""
    session.install(".[docs]")
    session.run("sphinx-build", "-q", "-W", "-b", "html", "docs", "build/docs")


@nox.session
@nox.parametrize("sanitizer", ["address", "thread"])
def sanitize(session: nox.Session, sanitizer: str) -> None:
    """What .ci/sanitize runs under GCC's sanitizers."""
    session.install(*nox.project.load_toml()["project"]["dependencies"], "cython>=3.1,<4", "setuptools")
    session.install("numpy>=2", "pytest", "hypothesis")
    session.run(".ci/sanitize", sanitizer, *session.posargs, external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Every target of fuzz/ in turn; `-- --minutes 60` for an hour each, `-- load` for one."""
    session.install(".", *nox.project.load_toml()["project"]["optional-dependencies"]["fuzz"])
    session.run("python", "fuzz", *session.posargs)


@nox.session
def search(session: nox.Session) -> None:
    """The tests of drawn examples, at random and 25 times as many; what fails is printed with how to repeat it."""
    session.install(".[test]")
    session.run("pytest", "-m", "hypothesis", "--hypothesis-profile=search", *session.posargs)


@nox.session
def bundle(session: nox.Session) -> None:
    """A program that PyInstaller bundles."""
    session.install(".", "pytest", "hypothesis", "pyinstaller")
    session.run("pytest", "-q", "tests/test_pyinstaller.py")


@nox.session
def bench(session: nox.Session) -> None:
    """A few seconds of the benchmark, without peers: does it run?"""
    session.install(".")
    engines = ["--engines", "fastlstm,fastlstm_blas"]
    session.run("python", "-m", "bench", *engines, "--cases", "seed,small", "--rounds", "1", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """This system's wheels, built and tested as for a release (on Linux in containers: needs Docker or Podman)."""
    session.install("cibuildwheel==4.3.5")
    session.run("cibuildwheel", "--output-dir", "wheelhouse", *session.posargs)
