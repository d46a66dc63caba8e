"""JAX: a jitted scan over time per layer, the input's products of all steps in one."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from bench.cases import Case, Weights

name = "JAX"
requirements = ("jax", "jaxlib", "numpy")


def build(case: Case, weights: Weights, threads: int) -> Callable:
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import jax
    from jax import numpy as jnp

    def layer(sequence, kernel, recurrent_kernel, bias):
        units = recurrent_kernel.shape[0]

        def step(state, z):
            h, c = state
            i, f, g, o = jnp.split(z + h @ recurrent_kernel, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((case.batch, units), jnp.float32)
        return jax.lax.scan(step, (zeros, zeros), sequence @ kernel + bias)

    @jax.jit
    def model(x):
        sequence = x.swapaxes(0, 1)
        for arrays in weights:
            (h, _), sequence = layer(sequence, *arrays)
        return h

    return lambda x: np.asarray(model(x))
