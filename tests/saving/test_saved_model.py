"""SavedModel folders and checkpoints that real tf_keras wrote: same predictions, clear refusals, no trust in bytes."""

import struct
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, load_model
from fastlstm.crc32c import crc32c, masked
from fastlstm.layers import GRU, LSTM, Dense, Dropout
from fastlstm.saving.budget import Budget
from fastlstm.saving.object_graph import ObjectGraph
from fastlstm.saving.protobuf import read_varint
from fastlstm.saving.tensor_bundle import TensorBundle

NETWORKS = ["stacked", "bidirectional", "gru_built_by_a_call", "two_inputs", "embedding_mask", "nested", "seq2seq"]
NETWORKS += ["time_distributed", "batch_normalization", "stateful", "frames", "conv_lstm", "heads", "operations"]


def check(model, arrays):
    xs = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
    y = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
    np.testing.assert_allclose(y, arrays["y0"], rtol=1e-5, atol=1e-6)


def zeroed(model):
    model.set_weights([np.zeros(weight.shape, np.float32) for weight in model.weights])
    return model


def stacked():
    """The network `stacked` made in code."""
    layers = [LSTM(4, return_sequences=True), Dropout(0.2), LSTM(4), Dense(2, "softmax")]
    return Sequential([Input((5, 3)), *layers])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folder_gives_what_keras_gave(formats, name):
    arrays = np.load(formats / f"{name}.npz")
    model = load_model(formats / name)
    check(model, arrays)
    model.reset_states()
    model.load_weights(formats / f"{name}.ckpt")
    check(model, arrays)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_checkpoint_gives_every_weight(formats, name):
    model = load_model(formats / name)
    expected = model.get_weights()
    zeroed(model).load_weights(formats / f"{name}.ckpt.index")
    for found, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(found, weight)


def test_metadata_in_saved_model_pb(formats):
    check(load_model(formats / "old_layout"), np.load(formats / "stacked.npz"))


def test_a_model_made_in_code_takes_the_weights_of_folders_and_checkpoints(formats):
    arrays = np.load(formats / "stacked.npz")
    # Layers without weights may be elsewhere than in the model that was saved, as Keras has it.
    without = Sequential([Input((5, 3)), LSTM(4, return_sequences=True), LSTM(4), Dense(2, "softmax")])
    for model in (stacked(), without):
        for source in ("stacked", "stacked.ckpt", "old_layout", "exported", "told_of.ckpt"):
            zeroed(model).load_weights(formats / source)
            check(model, arrays)


def test_folders_without_layers_say_how_to_convert_them(formats):
    text = r"(?s)exported is a SavedModel without Keras' metadata.*model\.load_weights\(folder\)\n *model\.save\("
    with pytest.raises(ValueError, match=text):
        load_model(formats / "exported")
    with pytest.raises(ValueError, match=r"(?s)a class of its own, 'Own'.*model\.load_weights\(folder\)\n"):
        load_model(formats / "own_class")


def test_checkpoints_that_do_not_fit(formats):
    with pytest.raises(ValueError, match=r"is not that of a Sequential or functional model.*lstm"):
        stacked().load_weights(formats / "own_class.ckpt")
    with pytest.raises(ValueError, match="variables by name, as TensorFlow 1 wrote them"):
        stacked().load_weights(formats / "by_name.ckpt")
    with pytest.raises(ValueError, match=r"No model config found.*weights alone.*load_weights"):
        load_model(formats / "stacked.ckpt")
    with pytest.raises(ValueError, match="by_name=True"):
        stacked().load_weights(formats / "stacked.ckpt", by_name=True)
    x = Input((5, 3))
    for other, text in (
        (Sequential([x, LSTM(4), Dense(2)]), "has 3 layers with weights where 'other' has 2"),
        (Model(x, Dense(2)(Dropout(0.1)(LSTM(4)(LSTM(4, return_sequences=True)(x))))), None),
        (Sequential([x, GRU(4, return_sequences=True), LSTM(4), Dense(2)]), r"must match: expected \(3, 12\), found"),
        (
            Sequential([x, LSTM(4, return_sequences=True), Dense(4), Dense(2)]),
            "'dense.*expected 2 variables.* received 0",
        ),
    ):
        other.name = "other"
        before = other.get_weights()
        if text is None:
            other.load_weights(formats / "stacked.ckpt")
            continue
        with pytest.raises(ValueError, match=text):
            other.load_weights(formats / "stacked.ckpt")
        for one, two in zip(other.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, two)


def test_skip_mismatch_takes_what_fits(formats):
    model = Sequential([Input((5, 3)), LSTM(4, return_sequences=True), LSTM(4), Dense(7)])
    zeroed(model)
    with pytest.warns(UserWarning, match="A total of 1 objects could not be loaded"):
        model.load_weights(formats / "stacked.ckpt", skip_mismatch=True)
    assert all(weight.any() for weight in model.get_weights()[:6])
    assert not any(weight.any() for weight in model.get_weights()[6:])


def test_files_beside_each_other(own_formats):
    data = own_formats / "stacked.ckpt.data-00000-of-00001"
    content = data.read_bytes()
    data.unlink()
    with pytest.raises(ValueError, match=r"no file stacked.ckpt.data-00000-of-00001 beside"):
        stacked().load_weights(own_formats / "stacked.ckpt")
    data.write_bytes(content[:100])
    with pytest.raises(ValueError, match="ends before"):
        stacked().load_weights(own_formats / "stacked.ckpt")
    (own_formats / "stacked" / "variables" / "variables.index").unlink()
    with pytest.raises(ValueError, match=r"no variables.variables\.index"):
        load_model(own_formats / "stacked")
    with pytest.raises(ValueError, match=r"folder without config.json.*Pass what is in it: .*\.index"):
        load_model(own_formats)


def test_every_flipped_bit_of_the_weights_is_noticed(own_formats):
    data = own_formats / "stacked.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    model = stacked()
    with ExitStack() as stack:
        bundle = TensorBundle(own_formats / "stacked.ckpt", stack, Budget(0))
        arrays = [bundle.array(key) for key in bundle.names() if "layer_with" in key]
        graph = bundle.array("_CHECKPOINTABLE_OBJECT_GRAPH")
    for place in [array.offset + array.size - 1 for array in arrays] + [graph.offset, graph.offset + 300]:
        content[place] ^= 4
        data.write_bytes(content)
        with pytest.raises(ValueError, match=r"is damaged|longer than its place"):
            model.load_weights(own_formats / "stacked.ckpt")
        content[place] ^= 4


def test_damaged_indexes_raise_nothing_but_value_errors(own_formats):
    """Checksums are set right again, so that what is behind them is reached."""
    index = own_formats / "stacked.ckpt.index"
    content = index.read_bytes()
    spec_model, rng = stacked(), np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        broken = bytearray(content)
        for place in rng.integers(0, len(content) - 48, rng.integers(1, 4)):
            broken[place] = rng.integers(0, 256)
        index.write_bytes(resealed(broken))
        try:
            spec_model.load_weights(own_formats / "stacked.ckpt")
            outcomes.add("read")
        except ValueError:
            outcomes.add("refused")
    assert "refused" in outcomes


def resealed(content):
    """The table with the right checksums for its blocks."""
    for offset, size in handles_of(bytes(content)):
        end = offset + size
        content[end + 1 : end + 5] = struct.pack("<I", masked(crc32c(bytes(content[offset : end + 1]))))
    return bytes(content)


def handles_of(content):
    """The handles of the blocks of an index as TensorFlow lays it out: data, meta index, index."""
    footer, position, numbers = memoryview(content)[-48:], 0, []
    for _ in range(4):
        number, position = read_varint(footer, position)
        numbers.append(number)
    meta, index = numbers[:2], numbers[2:]
    return [(0, meta[0] - 5), tuple(meta), tuple(index)]


@pytest.mark.parametrize(("kind", "name"), [(1, "Snappy"), (2, "zstd"), (9, "the method 9")])
def test_compressed_indexes_are_refused_by_name(own_formats, kind, name):
    index = own_formats / "stacked.ckpt.index"
    content = bytearray(index.read_bytes())
    offset, size = handles_of(bytes(content))[0]
    content[offset + size] = kind
    index.write_bytes(content)
    with pytest.raises(ValueError, match=f"compressed with {name}, which is not read"):
        stacked().load_weights(own_formats / "stacked.ckpt")
    content[offset + size] = 0
    content[5] ^= 1
    index.write_bytes(content)
    with pytest.raises(ValueError, match="a checksum is not that of its block"):
        stacked().load_weights(own_formats / "stacked.ckpt")


def test_damaged_metadata(own_formats):
    path = own_formats / "stacked" / "keras_metadata.pb"
    content, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(100):
        broken = bytearray(content)
        broken[rng.integers(0, 200)] = rng.integers(0, 256)
        path.write_bytes(broken)
        with suppress(ValueError):
            load_model(own_formats / "stacked")


def test_known_checksums():
    # RFC 3720, B.4, and the check value of the catalogue of CRCs
    assert [crc32c(bytes(32)), crc32c(b"\xff" * 32), crc32c(bytes(range(32)))] == [0x8A9136AA, 0x62A8AB43, 0x46DD794E]
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283
    long = np.random.default_rng(0).bytes(2**20 + 77)
    assert crc32c(long[99:], crc32c(long[:99])) == crc32c(long)
    assert crc32c(b"") == 0


def test_object_graphs_that_make_no_sense():
    class Text:
        def texts(self):
            return [bytes([10, 4, 10, 2, 8, 9])]  # a node with the node 9 as its child

    class Bundle:
        def array(self, key):
            return Text()

    with pytest.raises(ValueError, match="names one that it does not have"):
        ObjectGraph(Bundle(), Budget(0))
