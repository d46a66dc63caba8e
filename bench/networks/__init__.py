"""Networks as public projects have them around LSTMs, with random weights.

Their sizes are those of tutorials and of projects' model files; a name says what a network is for.
"""

from __future__ import annotations

import numpy as np

from bench.cases import SEED
from bench.networks.graphs import GRAPHS
from bench.networks.series import SERIES
from bench.networks.texts import TEXTS
from fastlstm import Model

NETWORKS = SERIES | TEXTS | GRAPHS


def network(name: str) -> Model:
    """The network, with random weights; what is 0 or 1 as it begins, of biases and normalisations, is near to that.

    Raises:
        KeyError: There is none of the name.
    """
    model = NETWORKS[name]()
    random = np.random.default_rng(SEED)
    for variable in model.weights:
        array = np.asarray(variable)
        if array.ndim == 1:
            variable.assign(array + random.uniform(-0.2, 0.2, array.shape).astype(np.float32))
    return model
