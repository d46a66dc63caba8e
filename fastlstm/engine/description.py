"""A Program in words."""

from __future__ import annotations

from fastlstm.engine.lowered import LoweredOp


def describe_ops(lowered: list[LoweredOp], stages: list[int], isa: str) -> list[str]:
    """Return a line per op: stage, kind, sizes, kernels.

    Args:
        lowered, stages, isa: As for the Executor.
    """
    lines = []
    for i, op in enumerate(lowered):
        stage = sum(start <= i for start in stages)
        sizes = " x ".join(str(size) for size in (op.features, op.units) if size)
        products = isa
        if op.table is not None and op.recurrent_kernel is not None:
            products = f"projection looked up for {len(op.table)} ids"
            if op.recurrent_kernel.integers is not None:
                products += f", {op.recurrent_kernel.integers.values.dtype.name} {isa}"
        elif op.kernel is not None:
            products = f"packed {isa}" if op.kernel.packed else "blas"
            if op.kernel.integers is not None:
                products = f"{op.kernel.integers.values.dtype.name} {isa}"
        fused = ", cell update fused" if op.fused else ""
        lines.append(f"stage {stage}: {op.kind.removesuffix('Op')} {sizes} on {products}{fused}".replace("  ", " "))
    return lines


def describe_sharing(one_row: tuple[int, int, int], rows: tuple[int, int, int], batch: int) -> str:
    """Return how threads share a large call.

    Args:
        one_row: What `Program.split` says for a batch of 1.
        rows: For a batch of `batch`.
        batch: Rows from which on it says so.
    """
    return f"a large call: {_parts(one_row)}; of {batch} rows and more: {_parts(rows)}"


def _parts(split: tuple[int, int, int]) -> str:
    for number, what in zip(split, ("the rows", "the layers", "the units of every layer"), strict=True):
        if number > 1:
            return f"{number} threads share {what}"
    return "one thread"
