"""PyTorch's nn.LSTM: one module for layers of equal units, as its users write it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from bench.cases import Case, Weights

name = "PyTorch"
# A release that has CPU wheels; on Linux pip takes the one with CUDA unless it is shown an index of those.
requirements = ("torch==2.13.0", "numpy")


def build(case: Case, weights: Weights, threads: int) -> Callable:
    return made(case, weights, threads, lambda module: module)


def made(case: Case, weights: Weights, threads: int, change: Callable) -> Callable:
    """The call of the modules, each of them changed."""
    import torch

    torch.set_num_threads(threads)
    modules, layer = [], 0
    for units, group in groupby(case.units):
        depth = len(list(group))
        module = torch.nn.LSTM(weights[layer][0].shape[0], units, depth, batch_first=True).eval()
        with torch.no_grad():
            for n, (kernel, recurrent_kernel, bias) in enumerate(weights[layer : layer + depth]):
                getattr(module, f"weight_ih_l{n}").copy_(torch.from_numpy(kernel.T))
                getattr(module, f"weight_hh_l{n}").copy_(torch.from_numpy(recurrent_kernel.T))
                getattr(module, f"bias_ih_l{n}").copy_(torch.from_numpy(bias))
                getattr(module, f"bias_hh_l{n}").zero_()
        modules.append(change(module))
        layer += depth

    @torch.inference_mode()
    def call(x):
        sequence = torch.from_numpy(x)
        for module in modules:
            sequence, (h, _) = module(sequence)
        return h[-1].numpy()

    return call
