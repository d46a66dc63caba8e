"""The gradients of operations that are products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.ops.products import einsum_terms, summed_axes


def summed_to(gradient: np.ndarray, operand: Any) -> np.ndarray:
    """Return a gradient summed over the axes along which NumPy repeated an operand."""
    shape = np.shape(operand)
    new = tuple(range(gradient.ndim - len(shape)))
    repeated = tuple(axis + len(new) for axis, size in enumerate(shape) if size == 1 < gradient.shape[axis + len(new)])
    return gradient.sum(axis=(*new, *repeated), keepdims=True).reshape(shape) if new or repeated else gradient


def matmul(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `matmul`."""
    a, b = map(np.asarray, operands)
    if a.ndim == 1:
        d = np.expand_dims(d, -2 if b.ndim > 1 else -1)
    rows = a[np.newaxis] if a.ndim == 1 else a
    columns = b[:, np.newaxis] if b.ndim == 1 else b
    d = d[..., np.newaxis] if b.ndim == 1 else d
    if b.ndim <= 2 < a.ndim:
        # One matrix for all: one product.
        da = d @ columns.T
        db = rows.reshape(-1, rows.shape[-1]).T @ d.reshape(-1, d.shape[-1])
    else:
        da, db = d @ np.swapaxes(columns, -1, -2), np.swapaxes(rows, -1, -2) @ d
    return [summed_to(da, rows).reshape(a.shape), summed_to(db, columns).reshape(b.shape)]


def over_axes(d: np.ndarray, a: Any, b: Any, axes: tuple[list[int], list[int]]) -> Sequence[Any]:
    """Return the gradients by two tensors, of their product summed over axes of both."""
    a, b = np.asarray(a), np.asarray(b)
    kept_a = [at for at in range(a.ndim) if at not in axes[0]]
    kept_b = [at for at in range(b.ndim) if at not in axes[1]]
    of_a, of_b = list(range(len(kept_a))), list(range(len(kept_a), d.ndim))
    # What is left of `a` comes first, then the axes that were summed, in the order of `b`, or of `a`.
    da, db = np.tensordot(d, b, (of_b, kept_b)), np.tensordot(d, a, (of_a, kept_a))
    pairs = list(zip(*axes, strict=True))
    by_b, by_a = sorted(pairs, key=lambda pair: pair[1]), sorted(pairs)
    order_a = [*kept_a, *(pair[0] for pair in by_b)]
    order_b = [*kept_b, *(pair[1] for pair in by_a)]
    return [da.transpose(np.argsort(order_a)), db.transpose(np.argsort(order_b))]


def tensordot(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `tensordot`."""
    a, b = operands
    return over_axes(d, a, b, summed_axes(parameters["axes"], np.shape(a), np.shape(b)))


def dot(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `dot`."""
    a, b = operands
    if not np.ndim(a) or not np.ndim(b):
        return [summed_to(d * b, a), summed_to(d * a, b)]
    return over_axes(d, a, b, ([np.ndim(a) - 1], [max(np.ndim(b) - 2, 0)]))


def inner(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `inner`."""
    a, b = operands
    if not np.ndim(a) or not np.ndim(b):
        return [summed_to(d * b, a), summed_to(d * a, b)]
    return over_axes(d, a, b, ([np.ndim(a) - 1], [np.ndim(b) - 1]))


def outer(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `outer`."""
    a, b = operands
    return [(d @ np.ravel(b)).reshape(np.shape(a)), (np.ravel(a) @ d).reshape(np.shape(b))]


def einsum(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The rule of `einsum`.

    Raises:
        NotImplementedError: When a tensor has one letter twice.
    """
    terms, right = einsum_terms(parameters["subscripts"], [np.ndim(operand) for operand in operands])
    gradients = []
    for place, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        if len(set(term)) < len(term):
            raise NotImplementedError(f"Training cannot go through einsum '{parameters['subscripts']}': '{term}'.")
        others = [at for at in range(len(terms)) if at != place]
        known = right + "".join(terms[at] for at in others)
        kept = "".join(letter for letter in term if letter in known)
        given = ",".join([right, *(terms[at] for at in others)])
        found = np.einsum(f"{given}->{kept}", d, *(operands[at] for at in others), optimize=len(others) > 1)
        # A letter that nobody else has was summed over, or it is of size 1 and was repeated.
        found = found.reshape([found.shape[kept.index(letter)] if letter in kept else 1 for letter in term])
        sizes = [max(size, have) for size, have in zip(np.shape(operand), found.shape, strict=True)]
        gradients.append(summed_to(np.broadcast_to(found, sizes), operand))
    return gradients
