"""Values, gradients and configs of all losses against real Keras."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import losses
from fastlstm.backend import Tensor

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("loss_cases", DATA / "loss_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

ANSWERS = np.load(DATA / "losses.npy")
CONFIGS = json.loads((DATA / "losses.json").read_text(encoding="utf-8"))


def taken(place, shape):
    size = int(np.prod(shape))
    return ANSWERS[place : place + size].reshape(shape), place + size


def expected():
    """Each case with what Keras answered: the values, then a value and perhaps a gradient for each way."""
    place = 0
    for class_name, arguments, kind in cases.LOSSES:
        for part, (y_true, y_pred) in enumerate(cases.pairs(kind)):
            values = getattr(losses, class_name)(**arguments, reduction=None)(y_true, y_pred)
            answers, place = taken(place, values.shape)
            ways = []
            for *way, with_gradient in cases.ways(part, values.ndim):
                value, place = taken(place, ())
                gradient = None
                if with_gradient:
                    gradient, place = taken(place, y_pred.shape)
                ways.append((way, value, gradient))
            yield pytest.param(
                class_name, arguments, (y_true, y_pred), answers, ways, id=f"{class_name}-{arguments}-{kind}-{part}"
            )
    assert place == len(ANSWERS)


def close(actual, desired, rtol=2e-6):
    """Within `rtol` of the largest number: what is near 0 is a difference of larger numbers."""
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=rtol * max(np.abs(desired).max(initial=0), 0.1))


@pytest.mark.parametrize(("class_name", "arguments", "pair", "answers", "ways"), list(expected()))
def test_losses(class_name, arguments, pair, answers, ways):
    cls = getattr(losses, class_name)
    values = cls(**arguments, reduction="none")(*pair)
    assert values.dtype == np.float32
    close(values, answers)
    weights, mask = cases.weights_and_mask(values.shape)
    for (reduction, weighted, masked), value, gradient in ways:
        loss = cls(**arguments, reduction=reduction)
        y_pred = pair[1]
        if masked:
            y_pred = y_pred.view(Tensor)
            y_pred._keras_mask = mask
        given = loss(pair[0], y_pred, weights if weighted else None)
        close(given, value)
        assert np.asarray(given).dtype == np.float32
        trained, derivative = loss.value_and_gradient(*pair, weights if weighted else None, mask if masked else None)
        assert trained == given
        assert derivative.dtype == np.float32
        assert derivative.shape == pair[1].shape
        if gradient is not None:
            close(derivative, gradient)


@pytest.mark.parametrize(("case", "config"), list(zip(cases.LOSSES, CONFIGS, strict=True)), ids=str)
def test_configs(case, config):
    class_name, arguments, _ = case
    loss = getattr(losses, class_name)(**arguments)
    # Keras forgets these two arguments.
    written = losses.serialize(loss)
    kept = {"CosineSimilarity": "axis", "Huber": "delta"}.get(class_name)
    if kept is not None:
        assert written["config"].pop(kept) == getattr(loss, kept)
    assert written == config
    loss = losses.get(config)
    again = losses.get(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert losses.get(class_name).name == getattr(losses, class_name)().name
