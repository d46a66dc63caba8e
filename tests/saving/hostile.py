"""Small files that would cost much: each function writes one and returns the path to load.

Run as `python hostile.py FOLDER`, it loads all of them within 300 MB of memory and prints what came of each as JSON.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

CASES = {}


def case(build):
    """Make a function a case, under its name."""
    CASES[build.__name__] = build
    return build


def store(fill, **options):
    """The bytes of an HDF5 file."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        fill(file)
    return stream.getvalue()


def layer(class_name, name, **config):
    return {
        "class_name": class_name,
        "module": "keras.layers",
        "registered_name": None,
        "config": {"name": name} | config,
    }


def sequential(*layers, shape=(None, 3)):
    first = layer("InputLayer", "input", batch_shape=list(shape), dtype="float32")
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": [first, *layers]}}


def keras(folder, model, weights=None, metadata='{"keras_version": "3.9.0"}'):
    """A `.keras` file; `model` is a config or its text."""
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", metadata)
        file.writestr("config.json", model if isinstance(model, str) else json.dumps(model))
        file.writestr("model.weights.h5", store(lambda file: None) if weights is None else weights)
    return path


def dense(units, count=1):
    return (layer("Dense", f"d{number}", units=units, use_bias=False) for number in range(count))


KERNEL = "layers/dense/vars/0"


@functools.cache
def long_stream():
    """Half a GiB of zeros, packed."""
    packer = zlib.compressobj(9)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    # Blocks between full flushes depend on nothing before them; the first two bytes are the header.
    return block + block[2:] * 31 + packer.flush()


# Weights


@case
def gzip_within_deflate(folder):
    def fill(file):
        data = file.create_dataset(KERNEL, (256, 2**20), "f4", chunks=(1, 2**20), compression="gzip")
        zeros = zlib.compress(bytes(2**22), 9)
        for row in range(256):
            data.id.write_direct_chunk((row, 0), zeros)

    return keras(folder, sequential(*dense(2**20), shape=(None, 256)), store(fill))


@case
def one_array_under_many_names(folder):
    def fill(file):
        shape = (1024, 1024)
        data = file.create_dataset(KERNEL, shape, "f4", chunks=shape, compression="gzip", data=np.zeros(shape))
        for number in range(1, 200):
            file[f"layers/dense_{number}/vars/0"] = data

    return keras(folder, sequential(*dense(1024, 200), shape=(None, 1024)), store(fill))


@case
def a_large_chunk_for_few_values(folder):
    def fill(file):
        data = file.create_dataset(KERNEL, (4, 4), "f4", maxshape=(None, 4), chunks=(2**26, 4), compression="gzip")
        data.id.write_direct_chunk((0, 0), long_stream())

    return keras(folder, sequential(*dense(4), shape=(None, 4)), store(fill))


@case
def a_chunk_that_unpacks_to_more_than_it_declares(folder):
    def fill(file):
        data = file.create_dataset(KERNEL, (3, 4), "f4", chunks=(3, 4), compression="gzip")
        data.id.write_direct_chunk((0, 0), long_stream())

    return keras(folder, sequential(*dense(4)), store(fill))


@case
def a_chunk_that_is_packed_twice(folder):
    def fill(file):
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((3, 4))
        creation.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
        creation.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
        group = file.create_group("layers/dense/vars")
        space = h5py.h5s.create_simple((3, 4))
        data = h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, creation)
        data.write_direct_chunk((0, 0), zlib.compress(long_stream()))

    return keras(folder, sequential(*dense(4)), store(fill))


@case
def a_chunk_for_every_value(folder):
    def fill(file):
        file.create_dataset(KERNEL, (2**20, 16), "f4", chunks=(1, 1))

    return keras(folder, sequential(*dense(16), shape=(None, 2**20)), store(fill))


@case
def values_that_were_never_written(folder):
    return keras(
        folder,
        sequential(*dense(2**15), shape=(None, 2**15)),
        store(lambda file: file.create_dataset(KERNEL, (2**15, 2**15), "f4", fillvalue=1)),
    )


@case
def groups_in_circles(folder):
    def fill(file):
        groups = [file.create_group(f"a{number}") for number in range(12)]
        for group, other in itertools.product(groups, groups):
            group[f"x{other.name[1:]}"] = other

    return keras(folder, sequential(*dense(4)), store(fill))


@case
def names_without_end(folder):
    def fill(file):
        layers = file.create_group("layers")
        for number in range(100_001):
            layers[f"x{number}"] = h5py.SoftLink("/")

    return keras(folder, sequential(*dense(4)), store(fill, libver="latest"))


def legacy(folder, model, fill, libver="latest"):
    with h5py.File(folder / "m.h5", "w", libver=libver) as file:
        file.attrs["keras_version"] = "2.4.0"
        file.attrs["model_config"] = json.dumps(model)
        fill(file.create_group("model_weights"))
    return folder / "m.h5"


@case
def one_name_many_times(folder):
    def fill(group):
        group.create_group("d0").attrs["weight_names"] = np.array([b"k"])
        group["d0"]["k"] = np.zeros((3, 4), "f4")
        group.attrs.create("layer_names", np.full(50_000, b"d0"))

    return legacy(folder, sequential(*dense(4)), fill)


@case
def more_names_than_layers(folder):
    return legacy(
        folder,
        sequential(*dense(4)),
        lambda group: group.attrs.create("layer_names", np.array([b"%d" % number for number in range(200_000)])),
    )


@case
def names_that_are_one_long_text(folder):
    def fill(group):
        # The references of variable-length strings, all to the first one's place.
        group.attrs.create("layer_names", ["x" * 60_000] + ["y"] * 3000, dtype=h5py.string_dtype())

    path = legacy(folder, sequential(*dense(4)), fill, "earliest")
    content = bytearray(path.read_bytes())
    first = content.index(struct.pack("<I", 60_000), content.index(b"layer_names"))
    for number in range(3001):
        content[first + 16 * number : first + 16 * number + 16] = content[first : first + 16]
    path.write_bytes(content)
    return path


@case
def linked_shards(folder):
    shard = store(lambda file: file.create_dataset(KERNEL, data=np.zeros((3, 4), "f4")))
    (folder / "m_0.weights.h5").write_bytes(shard)
    names = [f"m_{number}.weights.h5" for number in range(3000)]
    for name in names[1:]:
        os.link(folder / names[0], folder / name)
    (folder / "m.weights.json").write_text(json.dumps({"weight_map": {f"/{name}": name for name in names}}))
    return folder / "m.weights.json"


@case
def few_linked_shards(folder):
    shard = store(lambda file: file.create_dataset(KERNEL, data=np.zeros((3, 4), "f4")))
    (folder / "m_0.weights.h5").write_bytes(shard)
    (folder / "m_1.weights.h5").symlink_to("m_0.weights.h5")
    names = {"/layers": ["m_0.weights.h5", "m_1.weights.h5"]}
    (folder / "m.weights.json").write_text(json.dumps({"weight_map": names}))
    return folder / "m.weights.json"


# The zip


def _declare(path, name, size):
    """Write another size of a member into the zip's directory."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(name.encode()) - 46
    struct.pack_into("<I", content, entry + 24, size)
    path.write_bytes(content)
    return path


@case
def a_member_larger_than_it_declares(folder):
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", json.dumps(sequential(*dense(4))))
        with file.open("model.weights.h5", "w") as member:
            for _ in range(32):
                member.write(bytes(2**24))
    return _declare(path, "model.weights.h5", 1000)


@case
def a_member_that_declares_four_gigabytes(folder):
    return _declare(keras(folder, sequential(*dense(4))), "model.weights.h5", 2**32 - 2)


# JSON


def _bomb(unit, count):
    return '{"class_name": "Sequential", "config": {"name": "s", "layers": [' + unit * count + unit[:-1] + "]}}"


@case
def json_lists(folder):
    return keras(folder, _bomb("[],", 21 * 2**20))


@case
def json_objects(folder):
    return keras(folder, _bomb("{},", 21 * 2**20))


@case
def json_that_is_just_short_enough(folder):
    return keras(folder, _bomb("[],", 7 * 2**20))


@case
def json_that_nobody_uses(folder):
    text = json.dumps(sequential(layer("Activation", "a", activation="tanh")))
    return keras(folder, text[:-1] + ', "zz": [' + '{"a":{}},' * 2**20 + "0]}")


@case
def json_in_the_metadata(folder):
    model = sequential(layer("Activation", "a", activation="tanh"))
    return keras(folder, model, metadata='{"a": [' + "[]," * 2**22 + "0]}")


@case
def json_in_a_string(folder):
    operation = layer("TensorFlowOpLayer", "o", node_def="[" + "[]," * 2**21 + "[]]", constants={})
    graph = {"name": "f", "layers": [operation], "input_layers": [], "output_layers": []}
    return keras(folder, {"class_name": "Functional", "config": graph}, metadata='{"keras_version": "2.3.0"}')


@case
def json_that_is_deep(folder):
    return keras(folder, '{"class_name":"Sequential","config":' * 100 + "0" + "}" * 100)


@case
def layers_without_end(folder):
    return keras(folder, sequential(*(layer("Dropout", f"d{number}", rate=0.1) for number in range(30_000))))


@case
def wrappers_around_wrappers(folder):
    inner = layer("Dense", "d", units=3)
    for number in range(60):
        inner = layer("TimeDistributed", f"t{number}", layer=inner)
    return keras(folder, sequential(inner, shape=(None, *[2] * 61, 3)))


@case
def nested_models_of_many_inputs(folder):
    first = {"class_name": "InputLayer", "name": "a", "inbound_nodes": []}
    first["config"] = {"name": "a", "batch_input_shape": [None, 3]}
    layers = [first]
    for number in range(2000):
        nested = {"class_name": "Sequential", "name": f"s{number}", "config": {"name": f"s{number}", "layers": []}}
        layers.append(nested | {"inbound_nodes": [[["a", 0, 0, {}]] * 20]})
    graph = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["s0", 0, 0]]}
    return keras(folder, {"class_name": "Functional", "config": graph}, metadata='{"keras_version": "2.13.1"}')


def tensor(name, call=0, shape=(None, 3)):
    config = {"shape": list(shape), "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def functional(name, layers, output):
    """A graph of `(layer, [names or calls of the layers it is called on])` after one input."""
    first = layer("InputLayer", "input", batch_shape=[None, 3], dtype="float32")
    entries = [first | {"name": "input", "inbound_nodes": []}]
    for entry, calls in layers:
        nodes = [{"args": [tensor(*place)], "kwargs": {}} for place in calls]
        entries.append(entry | {"name": entry["config"]["name"], "inbound_nodes": nodes})
    config = {"name": name, "layers": entries, "input_layers": [["input", 0, 0]], "output_layers": [output]}
    return {"class_name": "Functional", "module": "keras", "registered_name": None, "config": config}


@case
def models_that_call_each_other(folder):
    model = functional("m", [(layer("Activation", "a", activation="tanh"), [("input",)])], ["a", 0, 0])
    for depth in range(9):  # four calls each: 4⁹ in all
        name = model["config"]["name"]
        calls = [("input",), (name,), (name, 1), (name, 2)]
        model = functional(f"m{depth}", [(model, calls)], [name, 4, 0])
    return keras(folder, model)


@case
def a_name_without_end(folder):
    return keras(folder, sequential(layer("Activation", "a" * 2**20, activation="tanh")))


@case
def states_of_a_large_batch(folder):
    model = sequential(layer("LSTM", "l", units=2, stateful=True), shape=(10**8, None, 3))
    return keras(folder, model)


@case
def states_of_a_large_batch_that_the_layer_was_built_for(folder):
    built = layer("LSTM", "l", units=2, stateful=True) | {"build_config": {"input_shape": [10**8, None, 3]}}
    return keras(folder, {"class_name": "Sequential", "config": {"name": "s", "layers": [built]}})


# Sizes in the config that nothing in the file backs up


def _without_weights(name, shape, *layers):
    def build(folder):
        return keras(folder, sequential(*layers, shape=shape))

    build.__name__ = name
    case(build)


_without_weights("units_of_an_lstm", (None, 5, 3), layer("LSTM", "l", units=10**9))
_without_weights("units_of_a_gru", (None, 5, 3), layer("GRU", "l", units=2**63))
_without_weights(
    "units_of_both_directions", (None, 5, 3), layer("Bidirectional", "b", layer=layer("LSTM", "l", units=10**9))
)
_without_weights("units_of_a_dense", (None, 3), layer("Dense", "d", units=10**12))
_without_weights("words_of_an_embedding", (None, 3), layer("Embedding", "e", input_dim=10**9, output_dim=10**9))
_without_weights("filters", (None, 5, 3), layer("Conv1D", "c", filters=10**9, kernel_size=10**9))
_without_weights("features_of_a_normalization", (None, 10**10), layer("LayerNormalization", "n"))
_without_weights("features_of_an_input", (None, 5, 10**10), layer("LSTM", "l", units=3))


@case
def states_of_many_positions(folder):
    cells = layer("ConvLSTM1D", "c", filters=2, kernel_size=1, stateful=True)
    return keras(folder, sequential(cells, shape=(2, None, 10**8, 3)))


@case
def a_vocabulary_of_nothing(folder):
    path = keras(folder, sequential(layer("StringLookup", "l")))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("assets/layers/string_lookup/vocabulary.txt", b"\n" * 2**26)
    return path


@case
def a_vocabulary_without_end(folder):
    path = keras(folder, sequential(layer("IntegerLookup", "l")))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("assets/layers/integer_lookup/vocabulary.txt", b"1\n" * 2**22)
    return path


# Files that are none


@case
def a_fifo(folder):
    os.mkfifo(folder / "m.keras")
    return folder / "m.keras"


@case
def a_device(folder):
    (folder / "m.h5").symlink_to("/dev/zero")
    return folder / "m.h5"


@case
def a_folder_of_fifos(folder):
    for name in ("config.json", "metadata.json"):
        os.mkfifo(folder / name)
    return folder


def load_all(folder):
    """Load every case within 300 MB; return what was raised and its text, by case."""
    import resource

    from fastlstm.layers import Dense, Input
    from fastlstm.models import Sequential, load_model

    results = {}
    model = Sequential([Input((3,)), Dense(4, use_bias=False, name="d0")])
    paths = {name: next((folder / name).glob("LOAD")).resolve() for name in sorted(CASES)}
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 300 * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name, path in paths.items():
        try:
            if path.suffix == ".json":
                model.load_weights(path)
            else:
                load_model(path)
        except Exception as error:
            results[name] = type(error).__name__, isinstance(error, ValueError), str(error)
        else:
            results[name] = "nothing", False, ""
    return results


if __name__ == "__main__":
    print(json.dumps(load_all(Path(sys.argv[1]))))
