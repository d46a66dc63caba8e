import numpy as np
import pytest

BATCH, TIMESTEPS, FEATURES = 3, 6, 4


@pytest.fixture
def sequences():
    """Random sequences whose sizes all differ."""
    return np.random.default_rng(12).normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32)


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
