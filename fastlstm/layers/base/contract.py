"""The declared contract of layers: what plans, graphs, files and training need to know of one."""

from __future__ import annotations

from typing import ClassVar

from fastlstm.layers.base.weight_owner import WeightOwner


class LayerContract(WeightOwner):
    """What others need to know of a layer; a class answers by an attribute or a property."""

    # What is this package's own business: tab completion does not show it.
    inner_names: ClassVar[str] = (
        "adopt_weights before_keras_3 build_child chain check_gradient check_input_shape children ends_masks "
        "erases_masks expands first_call_number in_order inner_names input_batch_shape joins keras2_masks "
        "keras2_masks_matter keras_module inner_recurrent integer_weights lower lower_call lower_inside lower_mask "
        "lowers makes_masks named_children native native_in_training nodes output_dtype output_kind output_shapes "
        "own_variables passes_masks quantized_to reads_masks recurrent rounds_inputs says_output_shape raw_dtype "
        "share_weights standardized_input step_problem step_span stored_class stored_constants stored_form "
        "subclassed takes_ids takes_raw takes_structures traced_calls tracer traces training_chain "
        "trains_by_tracing uncounted watch weight_arrays"
    )
    supports_masking: bool = False
    # Whether the mask of its input changes its output, where the engine runs it.
    reads_masks: bool = False
    # How many recurrent ops it has, whose states are its own affair, if it is no `Recurrent`.
    inner_recurrent: int = 0
    # Whether it is a `Recurrent`.
    recurrent: ClassVar[bool] = False
    # Whether a call of it is expanded into calls of the layers inside: of a model, unless it has a `call` of its own.
    expands: bool = False
    # Whether a chain can only begin with the layer; its mask is then that of the chain.
    takes_ids: bool = False
    # Whether it takes its inputs as they are, strings or integers of any size, rather than as float32.
    takes_raw: bool = False
    # Of the input that a model gives it which is told of no other.
    raw_dtype: str = "float32"
    # Whether its outputs may carry a mask when its inputs carry none.
    makes_masks: bool = False
    # Whether it uses masks and gives none.
    ends_masks: bool = False
    # Whether masks count as they did before Keras 3, in a layer where that differs.
    keras2_masks: bool = False
    # Whether that makes a difference in the calls that there are of the layer, if they have masks.
    keras2_masks_matter: bool = True
    # Whether a call takes the masks of its inputs from them, so that what is called later does not see them.
    erases_masks: bool = False
    # Whether training may go through it by tracing its `call`: of a class of a user's own.
    traces: bool = False
    # Whether it rounds its inputs to integers, as layers do that Keras quantized.
    rounds_inputs: ClassVar[bool] = False
    # Whether Keras has had no such class since version 3.
    before_keras_3: ClassVar[bool] = False
    # Whether it keeps states from call to call.
    stateful: bool = False
    # How many steps one output reads, the present one included, where the layer runs step by step.
    step_span: int = 1
    # What the last axis of the outputs holds: "values", "probabilities" or "logits".
    output_kind: str = "values"
    # In the lists of a model's outputs in configs; see `models/wiring.py`.
    first_call_number: ClassVar[int] = 0
    # Public attributes of which no result depends: that they are set needs no new plan.
    uncounted: ClassVar[frozenset[str]] = frozenset()
    keras_module: ClassVar[str] = "keras.layers"
