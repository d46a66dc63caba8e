"""Writes recurrent.json and recurrent.npz: what real Keras 3 answers for recurrent layers and wrappers called alone.

Run with an environment that has keras: `python tests/data/make_recurrent_goldens.py`.

recurrent.json has the cases by name: `layer`, an expression over `keras.layers`; `x`, the name of its input; `calls` in
a row, of which only the first is given states; `mask`, the name of one, or null; `initial_state`, whether states are
given; `shapes` of the outputs of a call. recurrent.npz has the inputs, the masks, and for each case `<name>/w`,
`<name>/s` and `<name>/y`: all weights, given states and outputs, one after the other.
"""

import itertools
import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers

BATCH, TIMESTEPS, FEATURES = 3, 5, 4
HERE = Path(__file__).parent
RNG = np.random.default_rng(35)

FULL = np.ones((BATCH, TIMESTEPS), bool)
MASKS = {name: FULL.copy() for name in ("right", "left", "inner", "row")}
MASKS["right"][0, 3:] = MASKS["right"][2, 1:] = False
MASKS["left"][0, :2] = MASKS["left"][1, :4] = False
MASKS["inner"][:, 2] = MASKS["inner"][1, 3:] = False
MASKS["row"][1] = False
INPUTS = {
    "x": RNG.normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32),
    "x4": RNG.normal(size=(BATCH, TIMESTEPS, 3, FEATURES)).astype(np.float32),
}
# Of convolutional LSTMs, by the number of axes between time and channels.
SHAPES = {"series": (4, 2), "images": (3, 3, 2), "volumes": (2, 2, 2, 1)}
RNG_OF_IMAGES = np.random.default_rng(36)
INPUTS |= {
    name: RNG_OF_IMAGES.normal(size=(BATCH, TIMESTEPS, *shape)).astype(np.float32) for name, shape in SHAPES.items()
}


def cases():
    """`(layer, mask, given states?, calls)`."""
    sequences = "return_sequences=True"
    both = f"{sequences}, return_state=True"
    kinds = ("GRU(3", "GRU(3, reset_after=False", "SimpleRNN(3")
    for kind, mask, backwards in itertools.product(kinds, [None, *MASKS], [False, True]):
        yield f"{kind}, {both}, go_backwards={backwards})", mask, backwards, 1
    for kind in kinds:
        yield f"{kind})", "right", False, 1
        yield f"{kind}, {sequences}, zero_output_for_mask=True)", "inner", True, 1
        yield f"{kind}, use_bias=False, activation='relu')", None, False, 1
        yield f"{kind}, {both}, stateful=True)", "inner", False, 3
    yield "GRU(3, activation='softsign', recurrent_activation='hard_sigmoid')", None, False, 1
    yield "GRU(3, reset_after=False, use_bias=False, recurrent_activation='tanh')", None, True, 1

    for cells in (
        "LSTMCell(3)",
        "GRUCell(3, reset_after=False)",
        "SimpleRNNCell(3)",
        "[LSTMCell(3), GRUCell(2)]",
        "[SimpleRNNCell(2), LSTMCell(3), LSTMCell(2)]",
        "[StackedRNNCells([GRUCell(3), LSTMCell(2)]), SimpleRNNCell(4)]",
    ):
        yield f"RNN({cells}, {both})", None, True, 1
        yield f"RNN({cells}, {both})", "inner", False, 1
        yield f"RNN({cells})", "row", False, 1
        yield f"RNN({cells}, {both}, go_backwards=True)", "left", True, 1
        yield f"RNN({cells}, {both}, zero_output_for_mask=True)", "right", False, 1
        yield f"RNN({cells}, return_state=True, stateful=True)", "right", True, 3
    yield "RNN([LSTMCell(3)], return_state=True)", None, True, 1

    for mode, inner in itertools.product(("concat", "sum", "mul", "ave", None), ("LSTM(3", "GRU(2", "SimpleRNN(2")):
        yield f"Bidirectional({inner}, {sequences}), merge_mode={mode!r})", None, False, 1
        yield f"Bidirectional({inner}), merge_mode={mode!r})", "right", False, 1
    for mask in MASKS:
        yield f"Bidirectional(LSTM(3, {sequences}))", mask, False, 1
    yield f"Bidirectional(LSTM(3, {both}))", None, True, 1
    yield "Bidirectional(GRU(3, return_state=True), merge_mode=None)", None, True, 1
    yield f"Bidirectional(LSTM(3, {sequences}, stateful=True), merge_mode='sum')", None, True, 3
    yield "Bidirectional(LSTM(3), backward_layer=GRU(2, go_backwards=True))", None, False, 1
    yield f"Bidirectional(RNN([LSTMCell(3), GRUCell(2)], {both}))", "inner", False, 1

    yield "TimeDistributed(Dense(3, activation='tanh'))", "inner", False, 1
    yield "TimeDistributed(LSTM(3))", None, False, 1
    yield "TimeDistributed(GRU(3, return_sequences=True))", None, False, 1
    yield "TimeDistributed(Bidirectional(LSTM(2)))", None, False, 1
    yield "TimeDistributed(LSTM(2, stateful=True))", None, False, 2

    # The same numbers as before they came.
    global RNG
    RNG = RNG_OF_IMAGES
    both = "return_sequences=True, return_state=True"
    for mask, backwards in itertools.product([None, *MASKS], [False, True]):
        yield f"ConvLSTM2D(3, 2, padding='same', {both}, go_backwards={backwards})", mask, backwards, 1
    for arguments in (
        "2, (2, 1), strides=(1, 2)",
        "2, 2, strides=2, padding='same'",
        "2, 2, dilation_rate=(2, 1)",
        "2, (3, 1), padding='same', dilation_rate=2, use_bias=False, activation='relu'",
        "3, 2, recurrent_activation='hard_sigmoid', activation='softsign'",
        "3, 2, activation='softmax', recurrent_activation='softmax'",
        "2, 1, data_format='channels_first', padding='same'",
        "2, 2, data_format='channels_first', strides=(1, 2)",
    ):
        yield f"ConvLSTM2D({arguments}, {both})", None, True, 1
        yield f"ConvLSTM2D({arguments})", "inner", False, 1
    yield f"ConvLSTM2D(3, 2, padding='same', {both}, stateful=True)", "inner", True, 3
    yield "ConvLSTM2D(3, 2, return_sequences=True, zero_output_for_mask=True)", "inner", True, 1
    yield f"ConvLSTM1D(3, 2, {both})", "left", True, 1
    yield f"ConvLSTM1D(2, 3, strides=2, padding='same', {both}, go_backwards=True)", "right", False, 1
    yield f"ConvLSTM1D(2, 1, data_format='channels_first', {both})", None, False, 1
    yield f"ConvLSTM3D(2, (2, 1, 2), {both})", None, True, 1
    yield "ConvLSTM3D(1, 2, padding='same', strides=(2, 1, 1))", "row", False, 1
    for mode in ("concat", "sum", None):
        yield f"Bidirectional(ConvLSTM2D(2, 2, return_sequences=True), merge_mode={mode!r})", "inner", False, 1
        yield f"Bidirectional(ConvLSTM2D(2, 2), merge_mode={mode!r})", None, False, 1
    yield f"Bidirectional(ConvLSTM1D(2, 2, {both}))", "right", True, 1
    yield "TimeDistributed(ConvLSTM1D(2, 2, padding='same', return_sequences=True))", None, False, 1


def input_of(expression):
    """The name of the input for an expression."""
    if "ConvLSTM" in expression:
        rank = int(expression.partition("ConvLSTM")[2][0]) + expression.startswith("TimeDistributed")
        return {1: "series", 2: "images", 3: "volumes"}[rank]
    return "x4" if expression.startswith("TimeDistributed") and "Dense" not in expression else "x"


def flat(nested):
    return [np.asarray(leaf, np.float32) for leaf in keras.tree.flatten(nested)]


def joined(arrays):
    return np.concatenate([np.zeros(0, np.float32), *(array.ravel() for array in arrays)])


def answer(expression, mask, given, calls):
    """The case's entry of recurrent.json, and its weights, states and outputs."""
    layer = eval(expression, vars(layers).copy())
    x = INPUTS[input_of(expression)]
    layer.build(x.shape)
    weights = [RNG.normal(size=weight.shape, scale=0.7).astype(np.float32) for weight in layer.weights]
    layer.set_weights(weights)
    states, arguments = [], {}
    if given:
        directions = [layer] if hasattr(layer, "get_initial_state") else [layer.forward_layer, layer.backward_layer]
        zeros = [state for direction in directions for state in direction.get_initial_state(BATCH)]
        states = [RNG.normal(size=state.shape).astype(np.float32) for state in flat(zeros)]
        arguments["initial_state"] = keras.tree.pack_sequence_as(zeros, states)
    masked = {} if mask is None else {"mask": MASKS[mask]}
    outputs = [flat(layer(x, **masked, **({} if call else arguments))) for call in range(calls)]
    entry = {
        "layer": expression,
        "x": input_of(expression),
        "mask": mask,
        "initial_state": given,
        "calls": calls,
        "shapes": [output.shape for output in outputs[0]],
    }
    return entry, {"w": joined(weights), "s": joined(states), "y": joined([one for call in outputs for one in call])}


def main():
    entries, arrays = {}, {**INPUTS, **{f"mask_{name}": mask for name, mask in MASKS.items()}}
    for number, case in enumerate(cases()):
        entry, found = answer(*case)
        entries[f"c{number}"] = entry
        arrays |= {f"c{number}/{key}": array for key, array in found.items() if array.size}
    (HERE / "recurrent.json").write_text(
        "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()) + "\n}\n"
    )
    np.savez_compressed(HERE / "recurrent.npz", **arrays)
    print(len(entries), "cases by Keras", keras.__version__)


if __name__ == "__main__":
    main()
