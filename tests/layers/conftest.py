import numpy as np
import pytest

BATCH, TIMESTEPS, FEATURES = 3, 6, 4


@pytest.fixture
def sequences():
    """Random sequences whose sizes all differ."""
    return np.random.default_rng(12).normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32)


@pytest.fixture
def randomized():
    """Builds a layer and gives it weights of which no two blocks are alike."""

    def randomize(layer, x, seed=7):
        if not layer.built:
            layer.build(np.shape(x))
        rng = np.random.default_rng(seed)
        layer.set_weights([rng.normal(size=weight.shape, scale=0.8) for weight in layer.weights])
        return layer

    return randomize


@pytest.fixture(params=["none", "right", "left", "inner", "row"])
def mask(request):
    """Masks of `sequences` with every kind of gap, or None."""
    full = np.ones((BATCH, TIMESTEPS), bool)
    if request.param == "none":
        return None
    if request.param == "right":
        full[0, 4:] = full[1, 2:] = False
    elif request.param == "left":
        full[0, :2] = full[2, :5] = False
    elif request.param == "inner":
        full[:, 2] = full[1, 4] = False
    else:
        full[1] = False
    return full
