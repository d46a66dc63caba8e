"""`keras.datasets`, as far as sequences go: files in the cache of Keras, `~/.keras/datasets`, become arrays.

Nothing is downloaded: where a file is not in the cache, the error says what it is called, where it is to be had and
where to put it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.datasets import imdb, mnist, reuters
from fastlstm.identifiers import missing_names

__all__ = ["imdb", "mnist", "reuters"]

__getattr__: Callable[[str], Any] = missing_names(
    __name__, "boston_housing california_housing cifar10 cifar100 fashion_mnist"
)
