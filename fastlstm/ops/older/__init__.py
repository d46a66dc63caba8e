"""The functions that `keras.backend` had in Keras 1 and 2, and that `tensorflow.keras.backend` still has.

They are operations of this package under older names, with the arguments of that time: layers, losses and metrics that
somebody wrote with them run on arrays, and on the symbolic tensors of a graph. `fastlstm.backend` gives them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm import ops
from fastlstm.ops.older import arithmetic, crossentropies, drawing, labelling, products, recurrence, shapes, variables
from fastlstm.ops.older.registry import FUNCTIONS

__all__ = ["FUNCTIONS", "REFUSED", "function"]

_ROOMS = (arithmetic, crossentropies, drawing, labelling, products, recurrence, shapes, variables)

# The operations of the same name, which take the same arguments.
_SAME = """
    abs all any cast cos equal exp greater greater_equal less less_equal log max maximum mean min minimum
    ndim not_equal prod reshape round shape sigmoid sign sin softplus softsign square squeeze stack std sum tanh var
"""
FUNCTIONS.update({name: getattr(ops, name) for name in _SAME.split()})

_LAYER = "use the layer {} of fastlstm.layers"
_GRADIENTS = "there is no automatic differentiation, see `call_with_gradient` in the documentation on training"
_SESSION = "there are no sessions, and calls compute their values at once: leave the line out"
_PHASE = "give layers and models `training=True` or `training=False`"
# What cannot be had under its name, with what to do instead.
REFUSED: dict[str, str] = {
    **{f"conv{rank}d": _LAYER.format(f"Conv{rank}D") for rank in (1, 2, 3)},
    "conv2d_transpose": _LAYER.format("Conv2DTranspose"),
    "depthwise_conv2d": _LAYER.format("DepthwiseConv2D"),
    "separable_conv2d": _LAYER.format("SeparableConv2D"),
    **{f"pool{rank}d": _LAYER.format(f"MaxPooling{rank}D or AveragePooling{rank}D") for rank in (2, 3)},
    "resize_images": _LAYER.format("UpSampling2D"),
    "resize_volumes": _LAYER.format("UpSampling3D"),
    "gradients": _GRADIENTS,
    **dict.fromkeys(("get_session", "set_session", "tensorflow_backend", "manual_variable_initialization"), _SESSION),
    **dict.fromkeys(("learning_phase", "set_learning_phase", "in_train_phase", "in_test_phase"), _PHASE),
    **dict.fromkeys(("image_dim_ordering", "set_image_dim_ordering"), "it is called `image_data_format`"),
    "placeholder": "use `fastlstm.Input`",
    "in_top_k": "use `fastlstm.metrics.top_k_categorical_accuracy`",
    "name_scope": "names of scopes mean nothing here: leave the line out",
}


def function(name: str) -> Callable[..., Any]:
    """Return a function of the older backend.

    Raises:
        AttributeError: When there is none of the name, or it cannot be had; the text says what to do instead.
    """
    if name in REFUSED:
        raise AttributeError(f"'fastlstm.backend' has no '{name}', which older Kerases have: {REFUSED[name]}.")
    if name not in FUNCTIONS:
        raise AttributeError(f"module 'fastlstm.backend' has no attribute '{name}'")
    return FUNCTIONS[name]
