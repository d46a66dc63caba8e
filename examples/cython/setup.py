"""Builds the example: `python setup.py build_ext --inplace`, with cython and setuptools."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import fastlstm

extension = Extension("surprise", ["surprise.pyx"], include_dirs=[fastlstm.get_include()])
setup(name="surprise", ext_modules=cythonize([extension], language_level=3))
