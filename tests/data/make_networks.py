"""Random networks answered by real Keras: writes them, and compares what fastlstm makes of the files.

    python make_networks.py DIR --count 300                (with Keras 3)
    python make_networks.py DIR --count 100 --tf-keras     (with tf_keras, which is Keras 2)
    python make_networks.py DIR --check                    (with fastlstm)
    python make_networks.py DIR --keep 40                  (writes the most diverse of them to networks/, for the tests)
    python make_networks.py DIR --reopen                   (with Keras 3: what --check saved again)

`network_cases.py` draws the networks. Every one is written to one kind of file, by turns, with an `.npz`: the inputs
`x0`, `x1` … with a leading axis of calls (two for stateful models), the outputs `y0`, `y1` … of each. Weights alone
have a `.json` beside them, the model that they belong to.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from network_cases import BATCH, flat, inputs_of, network

TOLERANCE = 1e-5
KINDS = {"keras": ("keras", "h5", "keras", "weights.h5"), "tf_keras": ("h5", "keras", "h5", "weights.h5", "legacy.h5")}
KINDS_OF_MORE = {"keras": KINDS["keras"], "tf_keras": ("h5", "keras", "saved_model", "h5", "weights.h5")}
NETWORKS = Path(__file__).parent / "networks"


# --- writing --------------------------------------------------------------------------------------------------------


def set_random_weights(keras, model, rng):
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name
        if "variance" in name:
            weight.assign(rng.uniform(0.3, 2.0, shape))
        elif "count" not in name:
            limit = min(1.0, 2 / np.sqrt(max(1, int(np.prod(shape[:-1]))))) if len(shape) > 1 else 0.7
            weight.assign(rng.uniform(-limit, limit, shape).astype("float32"))
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def layers_of(layer):
    """The layer and those inside it."""
    yield layer
    below = getattr(layer, "layers", None) or [getattr(layer, "layer", None)]
    for each in below:
        if each is not None:
            yield from layers_of(each)


def answers(model, xs):
    """Outputs with the axis of calls."""
    calls = [flat(model(list(x) if len(x) > 1 else x[0], training=False)) for x in zip(*xs, strict=True)]
    return [np.stack([np.asarray(y) for y in ys]) for ys in zip(*calls, strict=True)]


def usable(ys):
    """Whether the outputs say something: what explodes has no digits to compare."""
    moderate = all(np.isfinite(y).all() and np.abs(y).max(initial=0) < 50 for y in ys)
    return moderate and any(np.ptp(y) > 1e-3 for y in ys)


def write_one(keras, seed, folder):
    """Return the manifest's entry."""
    keras.backend.clear_session()
    d, model, kinds = network(keras, seed, keras.__name__ == "tf_keras")
    set_random_weights(keras, model, d.rng)
    xs = inputs_of(d, model, kinds)
    ys = answers(model, xs)
    if not usable(ys):
        raise ValueError("the outputs are not finite, or constant")
    choices = (KINDS_OF_MORE if d.more else KINDS)[keras.__name__]
    name, kind = f"{keras.__name__}_{seed:04d}", choices[seed % len(choices)]
    if kind in ("weights.h5", "legacy.h5"):
        model.save_weights(folder / f"{name}.{kind}")
        (folder / f"{name}.json").write_text(model.to_json())
    else:
        model.save(folder / f"{name}.{kind}", **({"save_format": "tf"} if kind == "saved_model" else {}))
    np.savez_compressed(
        folder / f"{name}.npz", **{f"x{i}": x for i, x in enumerate(xs)}, **{f"y{i}": y for i, y in enumerate(ys)}
    )
    return {"name": name, "kind": kind, "seed": seed, "writer": f"{keras.__name__} {keras.__version__}"}


def write(package, folder, first, count):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "TF_USE_LEGACY_KERAS": "1"}
    keras = importlib.import_module(package)
    folder.mkdir(parents=True, exist_ok=True)
    refused, entries, seed = Counter(), [], first
    while len(entries) < count:
        try:
            entries.append(write_one(keras, seed, folder))
        except Exception as error:  # whatever the package thinks of the draw
            where = traceback.extract_tb(error.__traceback__)
            ours = [frame.name for frame in where if "network" in frame.filename]
            refused[f"{type(error).__name__} in {ours[-1]}: {' '.join(str(error).split())[:110]}"] += 1
        seed += 1
        if seed % 25 == 0:
            print(seed, len(entries), flush=True)
    (folder / f"manifest_{package}.json").write_text("\n".join(json.dumps(entry) for entry in entries))
    print(f"{len(entries)} networks from seeds {first} to {seed - 1}. Draws that {package} refused:")
    for reason, number in refused.most_common():
        print(f"{number:4d}  {reason}")


# --- checking -------------------------------------------------------------------------------------------------------


def entries_of(folder):
    lines = [path.read_text().splitlines() for path in sorted(folder.glob("manifest_*.json"))]
    return [json.loads(line) for several in lines for line in several]


def arrays_of(folder, name):
    with np.load(folder / f"{name}.npz") as archive:
        arrays = dict(archive)
    return [[arrays[key] for key in arrays if key.startswith(letter)] for letter in "xy"]


def open_model(fastlstm, folder, entry):
    path = folder / f"{entry['name']}.{entry['kind']}"
    if entry["kind"] not in ("weights.h5", "legacy.h5"):
        return fastlstm.load_model(path)
    model = fastlstm.model_from_json((folder / f"{entry['name']}.json").read_text())
    model.load_weights(path)
    return model


def predictions(model, xs):
    calls = [
        flat(model.predict(list(x) if len(x) > 1 else x[0], batch_size=BATCH, verbose=0)) for x in zip(*xs, strict=True)
    ]
    return [np.stack(ys) for ys in zip(*calls, strict=True)]


def difference(outputs, expected):
    """The largest one, relative to each output's largest value if that is over 1."""
    if [np.shape(y) for y in outputs] != [y.shape for y in expected]:
        return np.inf
    pairs = zip(outputs, expected, strict=True)
    return max(float(np.abs(np.asarray(a, "f8") - b).max() / max(1, np.abs(b).max())) for a, b in pairs)


def check_one(fastlstm, folder, entry, again):
    """Return the outcome, and what there is to say of it."""
    xs, expected = arrays_of(folder, entry["name"])
    try:
        model = open_model(fastlstm, folder, entry)
    except Exception as error:
        return "not opened", f"{type(error).__name__}: {error}"
    try:
        error = difference(predictions(model, xs), expected)
    except Exception as problem:
        return "no prediction", f"{type(problem).__name__}: {problem}"
    if not error < TOLERANCE:
        return "WRONG", f"{error:.1e}"
    if entry["kind"] == "weights.h5" and entry["writer"].startswith("keras "):
        try:
            _, rebuilt, _ = network(fastlstm, entry["seed"], False)
            rebuilt.load_weights(folder / f"{entry['name']}.{entry['kind']}")
            error = difference(predictions(rebuilt, xs), expected)
        except Exception as problem:
            return "not made in code", f"{type(problem).__name__}: {problem}"
        if not error < TOLERANCE:
            return "WRONG made in code", f"{error:.1e}"
    for ending in ("keras", "h5"):
        try:
            path = again / f"{entry['name']}.{ending}"
            model.save(path)
            error = difference(predictions(fastlstm.load_model(path), xs), expected)
        except Exception as problem:
            if "the saved model would give other outputs" in str(problem):
                return "ok, but Keras 3 has no name for it", str(problem)
            return f"not saved as {ending}", f"{type(problem).__name__}: {problem}"
        if not error < TOLERANCE:
            return f"WRONG saved as {ending}", f"{error:.1e}"
    return "ok", f"{error:.1e}"


def check(folder, part):
    fastlstm = importlib.import_module("fastlstm")
    again = folder / "again"
    again.mkdir(exist_ok=True)
    outcomes = Counter()
    for entry in entries_of(folder):
        if part not in entry["name"]:
            continue
        outcome, why = check_one(fastlstm, folder, entry, again)
        outcomes[outcome] += 1
        if not outcome.startswith("ok"):
            print(f"{outcome:20s} {entry['name']}.{entry['kind']}  {' '.join(why.split())[:400]}", flush=True)
    print(dict(outcomes))
    return int(any(not outcome.startswith("ok") for outcome in outcomes))


def reopen(folder):
    """Keras 3 on the files that `check` saved again."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    keras = importlib.import_module("keras")
    outcomes = Counter()
    for entry in entries_of(folder):
        for ending in ("keras", "h5"):
            path = folder / "again" / f"{entry['name']}.{ending}"
            if not path.exists():
                outcomes[f"{ending}: not written"] += 1
                continue
            xs, expected = arrays_of(folder, entry["name"])
            keras.backend.clear_session()
            try:
                error = difference(answers(keras.models.load_model(path, compile=False), xs), expected)
                outcome, why = "ok" if error < TOLERANCE else "WRONG", f"{error:.1e}"
            except Exception as problem:
                outcome, why = "refused", f"{type(problem).__name__}: {problem}"
            outcomes[f"{ending}: {outcome}"] += 1
            if outcome != "ok":
                print(f"{outcome:10s} {path.name}  {' '.join(why.split())[:300]}", flush=True)
    print(dict(outcomes))


# --- goldens --------------------------------------------------------------------------------------------------------


def features_of(folder, entry):
    """The layers and arguments in a model, as strings, and the kind of its file."""
    path = folder / f"{entry['name']}.{entry['kind']}"
    if entry["kind"] == "keras":
        config = json.loads(zipfile.ZipFile(path).read("config.json"))
    elif entry["kind"] == "h5":
        import h5py

        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
    else:
        config = json.loads((folder / f"{entry['name']}.json").read_text())
    writer = entry["writer"].split()[0]
    found = {f"{writer} {entry['kind']}"}
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.values()
            if isinstance(item.get("class_name"), str) and isinstance(item.get("config"), dict):
                found.add(f"{writer} {item['class_name']}")
                settings = {k: v for k, v in item["config"].items() if isinstance(v, (str, bool, type(None)))}
                found |= {f"{item['class_name']}.{k}={v}" for k, v in settings.items() if k not in ("name", "dtype")}
        elif isinstance(item, list):
            pending += item
    return found


def files_of(folder, entry):
    names = [f"{entry['name']}.{entry['kind']}", f"{entry['name']}.npz", f"{entry['name']}.json"]
    return [folder / name for name in names if (folder / name).exists()]


def keep(folder, count, archive_name):
    """Take, one after the other, the network that shows most that is new."""
    left = {entry["name"]: entry for entry in entries_of(folder) if entry["kind"] != "saved_model"}
    features = {name: features_of(folder, entry) for name, entry in left.items()}
    seen, kept = set(), []
    while left and len(kept) < count:
        best = max(left, key=lambda name: len(features[name] - seen))
        seen |= features[best]
        kept.append(left.pop(best))
    NETWORKS.mkdir(exist_ok=True)
    kept.sort(key=lambda entry: entry["name"])
    (NETWORKS / f"{archive_name}.json").write_text(
        "[\n" + ",\n".join(f" {json.dumps(entry)}" for entry in kept) + "\n]\n"
    )
    with zipfile.ZipFile(NETWORKS / f"{archive_name}.zip", "w") as archive:
        for path in (path for entry in kept for path in files_of(folder, entry)):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=300, help="how many networks to write")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--tf-keras", action="store_true", help="write them with tf_keras")
    parser.add_argument("--check", nargs="?", const="", metavar="PART", help="compare those with PART in their name")
    parser.add_argument("--reopen", action="store_true", help="open in Keras 3 what --check saved")
    parser.add_argument("--keep", type=int, metavar="N", help="write the N most diverse ones to networks/")
    parser.add_argument("--archive", default="files", help="what --keep calls what it writes; seeds from 10000: more")
    options = parser.parse_args()
    if options.check is not None:
        return check(options.folder, options.check)
    if options.reopen:
        return reopen(options.folder)
    if options.keep:
        return keep(options.folder, options.keep, options.archive)
    return write("tf_keras" if options.tf_keras else "keras", options.folder, options.first, options.count)


if __name__ == "__main__":
    sys.exit(main())
