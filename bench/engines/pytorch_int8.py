"""PyTorch's dynamic quantization of nn.LSTM: int8 weights, uint8 activations."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines import pytorch

name = "PyTorch int8"
requirements = ("torch==2.13.0", "numpy")
environment = "pytorch"


def build(case: Case, weights: Weights, threads: int) -> Callable:
    import torch

    def quantized(module):
        # What is inside a module is replaced, not the module itself.
        inside = torch.nn.ModuleList([module])
        return torch.ao.quantization.quantize_dynamic(inside, {torch.nn.LSTM}, dtype=torch.qint8)[0]

    return pytorch.made(case, weights, threads, quantized)
