"""The extensions; everything else is in pyproject.toml.

What is built is kept in build/ and copied from there as long as nothing that it is made of changes."""

import hashlib
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from threading import Lock

import Cython
import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# FASTLSTM_DEBUG=1 and FASTLSTM_SANITIZE=address,undefined (or thread) are for tests; see README, "Develop".
DEBUG, SANITIZER = os.environ.get("FASTLSTM_DEBUG", "0") != "0", os.environ.get("FASTLSTM_SANITIZE")
SANITIZERS = [f"-fsanitize={SANITIZER}", "-fno-sanitize-recover"] if SANITIZER else []
CHECKS = dict.fromkeys(("boundscheck", "initializedcheck", "nonecheck", "overflowcheck"), DEBUG)
DIRECTIVES = {"cdivision": True, "language_level": 3, **CHECKS}
# No -ffast-math and no contraction: the same bits on every instruction set depend on it.
COMPILE_ARGS = ["-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-g" if DEBUG or SANITIZER else "-g0"]
C_SOURCES = {"_op_list": sorted({*map(str, Path("csrc").glob("*.c"))} - {"csrc/pool.c"}), "_pool": ["csrc/pool.c"]}
# Their Python around long loops is not felt, and with -O1 they take the C compiler 40 % less time.
BRIEFLY = ("_pair", "_sampling", "_stream_pool", "_trained_weights", "_training", "_windows")
INCLUDED, MACROS = ["csrc", "fastlstm/include"], [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
CYTHON = Lock()  # it is quick in one process, but only one at a time; the C compiler runs beside it
NAMED = re.compile(r'^from (fastlstm[\w.]*) cimport|(?:#include|extern from) "([\w.]+)"', re.MULTILINE)


def read(path: str, texts: dict[str, str]) -> dict[str, str]:
    """Adds what the file says, and all that it cimports from here or includes."""
    if path not in texts and Path(path).is_file():
        texts[path] = Path(path).read_text(encoding="utf-8")
        for module, header in [(path.removesuffix(".pyx"), ""), *NAMED.findall(texts[path])]:
            for named in (module.replace(".", "/") + ".pxd", *(f"{folder}/{header}" for folder in INCLUDED)):
                read(named, texts)
    return texts


class BuildExtensions(build_ext):
    def build_extensions(self) -> None:
        compiler, header = self.compiler.compiler_so[0], Path(sysconfig.get_path("include"), "Python.h")
        gone = "" if header.exists() else f"{header} is missing (apt install python3-dev)."
        gone = gone if shutil.which(compiler) else f"the C compiler {compiler} is missing (apt install gcc)."
        if gone:
            sys.exit(f"fastlstm is compiled to be installed: {gone}")
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        built, flags = Path(self.get_ext_fullpath(ext.name)), [*self.compiler.linker_so, *ext.extra_compile_args]
        how = str([self.compiler.compiler_so, flags, DIRECTIVES, Cython.__version__, np.__version__]).encode()
        kept = Path("build", "extensions", hashlib.sha256(how).hexdigest()[:16], built.name)
        made_of, texts = kept.with_suffix(".sha256"), {}
        digest = hashlib.sha256(str([read(source, texts) for source in ext.sources]).encode()).hexdigest()
        if self.force or not made_of.exists() or made_of.read_text() != digest:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with CYTHON:
                made = cythonize([ext], build_dir=kept.parent, compiler_directives=DIRECTIVES, force=True, quiet=True)
            ext.sources = made[0].sources
            super().build_extension(ext)
            shutil.copyfile(built, kept)
            made_of.write_text(digest)
        built.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, built)


def extension(path: str) -> Extension:
    name, c_sources = Path(path).stem, C_SOURCES.get(Path(path).stem, [])
    level = "-O3" if c_sources else "-O1" if name in BRIEFLY else "-O2"
    flags = {"extra_compile_args": [*COMPILE_ARGS, level, *SANITIZERS], "extra_link_args": SANITIZERS}
    return Extension(f"fastlstm.engine.{name}", [path, *c_sources], [*INCLUDED, np.get_include()], MACROS, **flags)


extensions = [extension(path) for path in map(str, Path("fastlstm/engine").glob("*.pyx"))]
extensions.sort(key=lambda ext: (len(ext.sources), os.path.getsize(ext.sources[0])), reverse=True)  # longest first
parallel = {"build_ext": {"parallel": os.cpu_count()}}
setup(ext_modules=extensions, cmdclass={"build_ext": BuildExtensions}, options=parallel)
