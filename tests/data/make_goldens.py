"""Writes the goldens of the tests: what real Keras answers for the layers and files that fastlstm must reproduce.

Run by hand, never by the tests, in an environment of its own (the results are kept in the repository):

    pip install keras tensorflow-cpu && python tests/data/make_goldens.py
    pip install tf_keras             && python tests/data/make_goldens.py --tf-keras   (a second environment: Keras 2)
    python tests/data/make_goldens.py --check DIR      (opens in Keras 3 what make_written.py let fastlstm write to DIR)

What lies in `goldens/` afterwards:

* `manifest.json`: `layers` and `models`, one entry per case, with the version that answered.
* `layers.npz`: the arrays of every layer case, as `<case>/<array>`: `x`, `w0`, `w1` … (the layer's `set_weights` list;
  `use_bias=False` takes all but the last), `h`, `c` (initial state), `mask_<kind>`, and the outputs `y0`, `y1` ….
  A case is a grid: `fixed` arguments, and `axes`, a list of [argument, values]; the outputs have one leading axis for
  each of them. `mask` and `initial_state` are arguments of the call, every other one of the constructor.
* `<model>.keras`, `.h5`, `.weights.h5`, `.legacy_weights.h5` and `<model>.npz` with `x` and `y0`, `y1` ….

In all of them `x` and `y` have an axis of consecutive calls on one object (after the grid's axes), so that stateful
layers are covered; the mask goes into every call, the initial state into the first. Inputs and weights are random
multiples of a power of two, exact in float16 and therefore small in the file. Every case has a seed of its own: adding
one changes no other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from pathlib import Path

import numpy as np
from golden_cases import (
    LAYER_CASES,
    MODEL_CASES,
    TF_KERAS_MODEL_CASES,
    LayerCase,
    ModelCase,
    as_list,
    generator,
    make_model,
    random_values,
    random_weights,
    reset_states,
    run_model,
    stacked,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GOLDENS = Path(__file__).parent / "goldens"
TOLERANCE = 1e-5

# --- layers ---

CALL_ARGUMENTS = ("mask", "initial_state")


def make_mask(kind: str, batch: int, timesteps: int) -> np.ndarray:
    steps, lengths = np.arange(timesteps), timesteps - np.arange(batch) * 2 % timesteps
    right = steps < lengths[:, None]
    if kind == "right":
        return right
    if kind == "left":
        return right[:, ::-1]
    inner = (steps + np.arange(batch)[:, None]) % 3 != 1
    if kind == "inner":
        return inner
    return inner & (np.arange(batch)[:, None] != 1)  # "rows": nothing valid in the second row


def make_layer(keras, case: LayerCase, values: dict):
    arguments = {k: v for k, v in values.items() if k not in CALL_ARGUMENTS}
    return getattr(keras.layers, case.layer)(**case.fixed, **arguments)


def layer_inputs(keras, case: LayerCase) -> dict[str, np.ndarray]:
    rng = generator(case.name)
    arrays = {"x": random_values(rng, case.shape, case.x_limit)}
    layer = make_layer(keras, case, {k: v[-1] for k, v in case.axes.items()})  # the last of BOTH has a bias
    layer.build(case.shape[1:])
    shapes = [tuple(w.shape) for w in layer.weights]
    arrays |= {f"w{i}": w for i, w in enumerate(random_weights(rng, shapes))}
    if "initial_state" in case.axes:
        arrays |= {s: random_values(rng, (case.shape[1], case.fixed["units"]), 1.0) for s in "hc"}
    kinds = [kind for kind in case.axes.get("mask", ()) if kind]
    return arrays | {f"mask_{kind}": make_mask(kind, *case.shape[1:3]) for kind in kinds}


def layer_outputs(keras, case: LayerCase, arrays: dict[str, np.ndarray], values: dict) -> list[np.ndarray]:
    layer = make_layer(keras, case, values)
    layer.build(case.shape[1:])
    layer.set_weights([arrays[f"w{i}"] for i in range(len(layer.weights))])
    arguments = {"mask": arrays[f"mask_{values['mask']}"]} if values.get("mask") else {}
    state = {"initial_state": [arrays["h"], arrays["c"]]} if values.get("initial_state") else {}
    return stacked([as_list(layer(x, **arguments, **(state if i == 0 else {}))) for i, x in enumerate(arrays["x"])])


def write_layers(keras) -> list[dict]:
    entries, members = [], {}
    for case in LAYER_CASES:
        arrays = layer_inputs(keras, case)
        combinations = [dict(zip(case.axes, values, strict=True)) for values in itertools.product(*case.axes.values())]
        results = [layer_outputs(keras, case, arrays, values) for values in combinations]
        grid = tuple(len(values) for values in case.axes.values())
        outputs = {f"y{i}": y.reshape(grid + y.shape[1:]) for i, y in enumerate(stacked(results))}
        require_usable(case.name, outputs)
        exact = {k: v if v.dtype == bool else v.astype("float16") for k, v in arrays.items()}
        members |= {f"{case.name}/{k}": v for k, v in (exact | outputs).items()}
        entry = {"name": case.name, "layer": case.layer, "fixed": case.fixed, "axes": list(case.axes.items())}
        entries.append(entry | written_by(keras))
    np.savez_compressed(GOLDENS / "layers.npz", **members)
    return entries


def require_usable(name: str, outputs: dict[str, np.ndarray]) -> None:
    for key, y in outputs.items():
        if not 1e-3 < np.ptp(y) < 200:
            raise ValueError(f"Case {name!r} gives no usable golden: the values of {key} spread over {np.ptp(y)}.")


# --- models ---------------------------------------------------------------------------------------------------------


def fit_one_step(model, x: np.ndarray) -> None:
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.fit(x, 1.0 + model.predict(x, batch_size=len(x), verbose=0), batch_size=len(x), epochs=1, verbose=0)


def save_kind(model, path: Path, kind: str) -> None:
    if kind.endswith("weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)


def write_models(keras, cases: list[ModelCase]) -> list[dict]:
    entries = []
    for case in cases:
        model = make_model(keras, case)
        x = random_values(generator(case.name + "/x"), case.shape, 2.0)
        if case.trained:
            fit_one_step(model, x[0])
            reset_states(model)
        outputs = run_model(model, x)
        require_usable(case.name, outputs)
        for kind in case.kinds:
            save_kind(model, GOLDENS / f"{case.name}.{kind}", kind)
        np.savez_compressed(GOLDENS / f"{case.name}.npz", x=x.astype("float16"), **outputs)
        entries.append({"name": case.name, "kinds": case.kinds} | written_by(keras))
    return entries


# --- the other direction: files that fastlstm wrote -----------------------------------------------------------------


def open_written(keras, path: Path):
    if not path.name.endswith(".weights.h5"):
        return keras.models.load_model(path)
    whole = path.with_name(path.name.removesuffix(".weights.h5") + ".keras")
    model = keras.models.clone_model(keras.models.load_model(whole))
    model.load_weights(path)
    return model


def check(keras, directory: Path) -> int:
    """Compares what Keras gets from each file with the outputs beside it; the number of files that disagree."""
    paths = sorted(p for p in directory.iterdir() if p.suffix in (".keras", ".h5"))
    if not paths:
        raise SystemExit(f"{directory} holds no .keras or .h5 file")
    wrong = 0
    for path in paths:
        with np.load(path.with_name(path.name.split(".")[0] + ".npz")) as arrays:
            expected = dict(arrays)
        got = run_model(open_written(keras, path), expected.pop("x").astype("float32"))
        same = got.keys() == expected.keys() and all(got[k].shape == expected[k].shape for k in got)
        difference = max(float(np.abs(got[k] - expected[k]).max()) for k in got) if same else np.inf
        wrong += not difference <= TOLERANCE
        print(f"{'ok   ' if difference <= TOLERANCE else 'WRONG'} {difference:.1e}  {path.name}")
    print(f"{len(paths) - wrong} of {len(paths)} files agree with keras {keras.__version__} within {TOLERANCE}")
    return wrong


# --- the command ----------------------------------------------------------------------------------------------------


def written_by(keras) -> dict[str, str]:
    return {"writer": f"{keras.__name__} {keras.__version__}"}


def write_manifest(changes: dict[str, list[dict]], writer: str) -> None:
    """Replaces the entries of this writer's package; those of the other Keras stay."""
    path = GOLDENS / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"layers": [], "models": []}
    package = writer.split()[0]
    kept = {key: [e for e in entries if e["writer"].split()[0] != package] for key, entries in manifest.items()}
    merged = {key: sorted(kept[key] + changes.get(key, []), key=lambda e: e["name"]) for key in kept}
    lines = (f' "{key}": [\n' + ",\n".join(f"  {json.dumps(e)}" for e in merged[key]) + "\n ]" for key in merged)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tf-keras", action="store_true", help="write the files of Keras 2 (needs tf_keras)")
    parser.add_argument(
        "--check", type=Path, metavar="DIR", help="compare the outputs beside the files in DIR with Keras"
    )
    options = parser.parse_args()
    if options.tf_keras:
        import tf_keras as keras
    else:
        import keras
    if options.check:
        return int(check(keras, options.check) > 0)
    GOLDENS.mkdir(exist_ok=True)
    changes = {"models": write_models(keras, TF_KERAS_MODEL_CASES if options.tf_keras else MODEL_CASES)}
    if not options.tf_keras:
        changes["layers"] = write_layers(keras)
    write_manifest(changes, written_by(keras)["writer"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
