"""The extensions; everything else is in pyproject.toml."""

import os
import shutil
from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

# No -ffast-math and no contraction: the same bits on every instruction set depend on it.
COMPILE_ARGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden"]
# FASTLSTM_SANITIZE=address,undefined (or thread) builds for the sanitizers; see README, "Develop".
SANITIZERS = [f"-fsanitize={os.environ['FASTLSTM_SANITIZE']}", "-g"] if os.environ.get("FASTLSTM_SANITIZE") else []
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
DIRECTIVES = {"language_level": 3, "cdivision": True, "freethreading_compatible": True}
# What engine/*.pxd name is installed with them, beside the header for users.
for header in ("fastlstm.h", "pool.h", "rows.h", "training.h"):
    shutil.copy(f"csrc/{header}", "fastlstm/include")


def extension(name: str, sources: tuple[str, ...] = ()) -> Extension:
    return Extension(
        f"fastlstm.engine.{name}",
        [f"fastlstm/engine/{name}.pyx", *sources],
        include_dirs=["csrc", "fastlstm/include", np.get_include()],
        depends=sorted([*glob("csrc/*.h"), "fastlstm/include/fastlstm_stream.h"]),
        extra_compile_args=COMPILE_ARGS + SANITIZERS,
        extra_link_args=SANITIZERS,
        define_macros=MACROS,
    )


extensions = [
    extension("_op_list", tuple(sorted({*glob("csrc/*.c")} - {"csrc/pool.c"}))),
    extension("_engine"),
    extension("_pool", ("csrc/pool.c",)),
    extension("_forward"),
    extension("_sampling"),
    extension("_stage"),
    extension("_steps"),
    extension("_stream"),
    extension("_stream_pool"),
    extension("_tape"),
    extension("_training"),
    extension("_workspace"),
    extension("_blas"),
]

setup(ext_modules=cythonize(extensions, compiler_directives=DIRECTIVES, build_dir="build"))
