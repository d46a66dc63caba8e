"""Operations of linear algebra: products of matrices and tensors."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import place, whole
from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import operation
from fastlstm.ops.shapes import Shape
from fastlstm.printable import quoted

# --- matrices -------------------------------------------------------------------------------------------------------


def _product_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        raise ValueError(f"A product of matrices takes tensors of one axis or more. Received: {quoted(a)} and {b}")
    rows, columns = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    shapes.agreed((rows[-1], columns[-2]), (a, b))
    made = [*shapes.broadcast(rows[:-2], columns[:-2]), rows[-2], columns[-1]]
    if len(a) == 1:
        del made[-2]
    if len(b) == 1:
        del made[-1]
    return tuple(made)


@operation("matmul", "x1 x2", shape=_product_shape, dtype=dtypes.multiplied)
def _matmul(x1: Any, x2: Any) -> Any:
    """Return the product of two matrices, or of stacks of them."""
    return np.matmul(x1, x2)


def _dot_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        return (*a, *b)
    at = -1 if len(b) == 1 else -2
    shapes.agreed((a[-1], b[at]), (a, b))
    return (*a[:-1], *b[: len(b) + at], *(b[-1:] if at == -2 else ()))


@operation("dot", "x1 x2", shape=_dot_shape, dtype=dtypes.multiplied)
def _dot(x1: Any, x2: Any) -> Any:
    """Return the sums of products over the last axis of one and the last but one of the other."""
    return np.dot(x1, x2)


@operation("outer", "x1 x2", shape=lambda a, b: (shapes.size_of(a), shapes.size_of(b)), dtype=dtypes.promoted)
def _outer(x1: Any, x2: Any) -> Any:
    """Return the products of all pairs of values."""
    return np.outer(x1, x2)


def _inner_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        return (*a, *b)
    shapes.agreed((a[-1], b[-1]), (a, b))
    return (*a[:-1], *b[:-1])


@operation("inner", "x1 x2", shape=_inner_shape, dtype=dtypes.multiplied)
def _inner(x1: Any, x2: Any) -> Any:
    """Return the sums of products over the last axes."""
    return np.inner(x1, x2)


# --- tensors --------------------------------------------------------------------------------------------------------


def summed_axes(axes: Any, a: Shape, b: Shape) -> tuple[list[int], list[int]]:
    """The axes of the two tensors that are summed over."""
    if not isinstance(axes, (list, tuple)):
        count = whole(axes, "axes")
        if count > min(len(a), len(b)):
            raise ValueError(f"Tensors of shapes {a} and {b} have no {count} axes to sum over.")
        return list(range(len(a) - count, len(a))), list(range(count))
    if len(axes) != 2:
        raise ValueError(f"`axes` should be an integer, or two lists of them. Received: axes={quoted(axes)}")
    first, second = (each if isinstance(each, (list, tuple)) else [each] for each in axes)
    if len(first) != len(second):
        raise ValueError(f"`axes` should be as many of both tensors. Received: axes={quoted(axes)}")
    return [place(axis, len(a)) for axis in first], [place(axis, len(b)) for axis in second]


def _tensordot_shape(a: Shape, b: Shape, axes: Any = 2) -> Shape:
    first, second = summed_axes(axes, a, b)
    for one, other in zip(first, second, strict=True):
        shapes.agreed((a[one], b[other]), (a, b))
    rest = [size for at, size in enumerate(a) if at not in first]
    return (*rest, *(size for at, size in enumerate(b) if at not in second))


@operation("tensordot", "x1 x2", shape=_tensordot_shape, dtype=dtypes.multiplied)
def _tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Return the sums of products over axes of both tensors."""
    return np.tensordot(x1, x2, summed_axes(axes, x1.shape, x2.shape))


def einsum_terms(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of every tensor and of the result, an ellipsis being capital letters that are not in use.

    Raises:
        ValueError: When the subscripts do not fit the tensors.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum with '{subscripts}' takes {len(terms)} tensors. Received: {len(ranks)}")
    free = [letter for letter in string.ascii_uppercase if letter not in text]
    widest = 0
    for number, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        named = len(term.replace("...", ""))
        more = rank - named
        if (not term.replace("...", "").isalpha() and named) or more < 0 or ("..." not in term and more) or more > 26:
            raise ValueError(f"'{term}' in the subscripts of einsum does not fit a tensor of {rank} axes.")
        widest = max(widest, more)
        terms[number] = term.replace("...", "".join(free[:more][::-1]))
    if not arrow:
        letters = "".join(terms)
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1 and letter not in free[:widest])
        right = ("..." if "..." in text else "") + "".join(once)
    right = right.replace("...", "".join(free[:widest][::-1]))
    if len(set(right)) < len(right) or not set(right) <= set("".join(terms)):
        raise ValueError(f"The result of einsum '{subscripts}' is not made of the letters of its tensors.")
    return terms, right


def _einsum_shape(*each: Shape, subscripts: str) -> Shape:
    terms, right = einsum_terms(subscripts, [len(shape) for shape in each])
    sizes: dict[str, int | None] = {}
    for term, shape in zip(terms, each, strict=True):
        for letter, size in zip(term, shape, strict=True):
            sizes[letter] = shapes.broadcast((sizes.get(letter, 1),), (size,))[0]
    return tuple(sizes[letter] for letter in right)


@operation("einsum", "operands", shape=_einsum_shape, dtype=dtypes.multiplied)
def _einsum(subscripts: Any, *operands: Any) -> Any:
    """Return the sums of products that the subscripts name, as NumPy's einsum does."""
    terms, right = einsum_terms(subscripts, [operand.ndim for operand in operands])
    return np.einsum(f"{','.join(terms)}->{right}", *operands, optimize=len(operands) > 1)
