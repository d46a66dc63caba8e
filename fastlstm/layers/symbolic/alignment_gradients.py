"""The gradients of operations that sum over alignments in time; see `operation_gradients.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.ops.alignment import Alignments
from fastlstm.ops.ctc import alignments, older_alignments

Parameters = Mapping[str, Any]
Rule = Callable[[Any, Any, Sequence[Any], Parameters], Sequence[Any]]


def _of_logits(aligned: Callable[..., Alignments]) -> Rule:
    """The rule of a loss of labels, by its second tensor."""

    def rule(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
        target, output, *lengths = map(np.asarray, operands)
        if output.dtype.kind != "f":
            return [None] * len(operands)
        gradient = aligned(target, output.astype(y.dtype, copy=False), *lengths, **parameters).d_logits()
        return [None, (gradient * d[:, np.newaxis, np.newaxis]).astype(output.dtype, copy=False), None, None]

    return rule


# By the name of the operation's class.
RULES: dict[str, Rule] = {"CTCLoss": _of_logits(alignments), "OlderCTCLoss": _of_logits(older_alignments)}
