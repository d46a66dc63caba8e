"""`text_dataset_from_directory`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.backend import Tensor
from fastlstm.printable import quoted
from fastlstm.utils.dataset import Dataset


class TextDataset(Dataset):
    """Texts of files, in batches, with their labels; `class_names` are the names of the classes in their order."""

    class_names: list[str] | None = None


@explained
def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return the texts of the `.txt` files in a folder, in batches `(texts, labels)`, or `texts` without labels.

    Args:
        directory: With a folder for each class, if `labels` is `"inferred"`.
        labels: `"inferred"`, None for no labels, or the labels of all files in the order of their paths.
        label_mode: `"int"`, `"binary"` (floats), `"categorical"` (one-hot), or None for no labels.
        class_names: The folders in the order of their classes; None for the alphabetical one.
        batch_size: Texts of a batch; None gives them one by one.
        max_length: Bytes of a text that are kept, None for all.
        shuffle: Boolean, whether the files come in random order.
        seed: Integer of the order; None takes one from NumPy.
        validation_split: The part of the files that is the `validation` subset.
        subset: `"training"`, `"validation"`, `"both"` (a list of two datasets), or None.
        follow_links: Boolean, whether links to folders are followed.
        format: `"tf"` or `"grain"`, checked; the dataset is of arrays either way.
        verbose: Boolean, whether it says how many files there are.

    Raises:
        ValueError: With Keras' texts, when the arguments do not fit, or there is no file.

    Differs from Keras: texts are strings rather than bytes; which files a subset has is the same for the same seed, but
    their order within it is another one.
    """
    _check_arguments(labels, label_mode, class_names, format, validation_split, subset, shuffle, seed)
    if labels is None or label_mode is None:
        labels = label_mode = None
    seed = np.random.randint(1_000_000) if seed is None else seed
    paths, numbers, names = _indexed(Path(directory), labels, class_names, follow_links)
    if verbose:
        of_classes = f" belonging to {len(names)} classes" if names is not None else ""
        print(f"Found {len(paths)} files{of_classes}.")
    if label_mode == "binary" and len(names or ()) != 2:
        raise ValueError(
            f'When passing `label_mode="binary"`, there must be exactly 2 class_names. Received: class_names={names}'
        )
    if shuffle:
        order = np.arange(len(paths))
        np.random.RandomState(seed).shuffle(order)
        paths = [paths[place] for place in order]
        numbers = None if numbers is None else numbers[order]
    made = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        chosen = _subset(len(paths), validation_split, part)
        if not paths[chosen]:
            kind = f"{part} " if subset == "both" else ""
            raise ValueError(f"No {kind}text files found in directory {directory}. Allowed format: .txt")
        of_part = None if numbers is None else numbers[chosen]
        encoded = of_part if of_part is None else _encoded(of_part, label_mode, len(names or ()))
        dataset = _dataset(paths[chosen], encoded, max_length)
        if shuffle and part != "validation":
            dataset = dataset.shuffle(1024 if batch_size is None else 8 * batch_size, seed)
        dataset = dataset if batch_size is None else dataset.batch(batch_size)
        with_names = TextDataset(dataset.__iter__, dataset.num_batches)
        with_names.class_names = names
        made.append(with_names)
    return made if subset == "both" else made[0]


def _check_arguments(
    labels: Any,
    label_mode: Any,
    class_names: Any,
    format: str,
    validation_split: float | None,
    subset: str | None,
    shuffle: bool,
    seed: int | None,
) -> None:
    if not (labels is None or isinstance(labels, (list, tuple)) or (isinstance(labels, str) and labels == "inferred")):
        raise ValueError(
            "`labels` argument should be a list/tuple of integer labels, of the same size as the number of text files "
            "in the target directory. If you wish to infer the labels from the subdirectory names in the target "
            'directory, pass `labels="inferred"`. If you wish to get a dataset that only contains text samples (no '
            f"labels), pass `labels=None`. Received: labels={quoted(labels)}"
        )
    if class_names and labels != "inferred":
        raise ValueError(
            f'You can only pass `class_names` if `labels="inferred"`. Received: labels={labels}, and '
            f"class_names={quoted(class_names)}"
        )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or None. '
            f"Received: label_mode={quoted(label_mode)}"
        )
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received: {validation_split}")
    if bool(validation_split) != bool(subset):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f'`subset` must be either "training", "validation" or "both", received: {subset}')
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make sure that "
            "there is no overlap between the training and validation subset."
        )


def _indexed(
    directory: Path, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[Path], np.ndarray | None, list[str] | None]:
    """The files in order, the numbers of their classes, and the names of these."""
    folders = [""]
    if isinstance(labels, str):
        folders = sorted(each.name for each in directory.iterdir() if each.is_dir() and not each.name.startswith("."))
        if class_names is not None:
            if not set(class_names) <= set(folders):
                raise ValueError(
                    "The `class_names` passed did not match the names of the subdirectories of the target directory. "
                    f"Expected: {folders} (or a subset of it), but received: class_names={quoted(class_names)}"
                )
            folders = list(class_names)
    files = [(number, path) for number, name in enumerate(folders) for path in _files(directory / name, follow_links)]
    paths = [path for _, path in files]
    if labels is None:
        return paths, None, None
    if isinstance(labels, str):
        return paths, np.array([number for number, _ in files], np.int32), folders
    if len(labels) != len(paths):
        raise ValueError(
            "Expected the lengths of `labels` to match the number of files in the target directory. len(labels) is "
            f"{len(labels)} while we found {len(paths)} files in directory {directory}."
        )
    return paths, np.asarray(labels), [str(label) for label in sorted(set(labels))]


def _files(folder: Path, follow_links: bool) -> list[Path]:
    walk = sorted(os.walk(folder, followlinks=follow_links), key=lambda step: step[0])
    return [Path(root, name) for root, _, names in walk for name in sorted(names) if name.lower().endswith(".txt")]


def _subset(count: int, validation_split: float | None, part: str | None) -> slice:
    if not validation_split:
        return slice(None)
    of_validation = int(validation_split * count)
    if part == "training":
        print(f"Using {count - of_validation} files for training.")
        return slice(None, -of_validation)
    print(f"Using {of_validation} files for validation.")
    return slice(-of_validation, None)


def _encoded(numbers: np.ndarray, label_mode: str | None, classes: int) -> np.ndarray:
    if label_mode == "binary":
        return numbers.astype(np.float32)[:, np.newaxis]
    return np.eye(classes, dtype=np.float32)[numbers] if label_mode == "categorical" else numbers


def _dataset(paths: list[Path], labels: np.ndarray | None, max_length: int | None) -> Dataset:
    def element(place: int) -> Any:
        data = paths[place].read_bytes()[:max_length]
        text = np.asarray(data.decode("utf-8", "replace"), object).view(Tensor)
        return text if labels is None else (text, np.asarray(labels[place]).view(Tensor))

    return Dataset(lambda: map(element, range(len(paths))), len(paths))
