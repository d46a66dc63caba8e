"""Write onnx_written.json: the graphs of `onnx_cases` that ONNX Runtime was seen to answer as fastlstm does.

By family and case: `[digest of the nodes, a number made of the constants, largest error]`, the error relative to the
largest output where that is above 1; or the text of the refusal. Run with fastlstm, onnx and onnxruntime. It fails
where an error is above 1e-5, so that what is in the file has been right. Families on the command line are made anew,
all of them by default.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parent.parent))

import onnx_cases

from fastlstm.onnx.writing.model import graph_of

BOUND = 1e-5


def answers(proto, xs):
    """What ONNX Runtime gives for the inputs of the model; states are left to their defaults."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(bool)": bool}
    pairs = zip(session.get_inputs(), xs, strict=False)
    return session.run(None, {one.name: np.ascontiguousarray(x, dtypes[one.type]) for one, x in pairs})


def error(model, xs, outputs):
    """The largest difference from what the model predicts, in the shapes that it predicts."""
    ours = model.predict(xs if len(xs) > 1 else xs[0], batch_size=len(xs[0]), verbose=0)
    ours = list(ours) if isinstance(ours, (list, tuple)) else [ours]
    worst = 0.0
    for y, theirs in zip(ours, outputs, strict=False):
        assert y.shape == theirs.shape and y.dtype == theirs.dtype, (y.shape, theirs.shape, y.dtype, theirs.dtype)
        finite = np.isfinite(y.astype(float))
        assert (finite == np.isfinite(theirs.astype(float))).all()
        if finite.any():
            difference = np.abs(y[finite].astype(float) - theirs[finite].astype(float)).max()
            worst = max(worst, difference / max(1.0, np.abs(y[finite].astype(float)).max()))
    return worst


def main():
    path = Path(__file__).parent / "onnx_written.json"
    families = sys.argv[1:] or list(onnx_cases.FAMILIES)
    made, wrong = json.loads(path.read_text()) if sys.argv[1:] else {}, []
    for family in families:
        made[family] = {}
        for name, model, xs, stateful in onnx_cases.cases(family):
            try:
                proto = graph_of(model, stateful)
            except NotImplementedError as refusal:
                made[family][name] = str(refusal)
                continue
            try:
                worst = error(model, xs, answers(proto, xs))
                assert worst <= BOUND, worst
            except Exception as problem:
                wrong.append((family, name))
                print(family, name, repr(problem)[:300])
                continue
            made[family][name] = [*onnx_cases.structure(proto), float(f"{worst:.1e}")]
        errors = [one[2] for one in made[family].values() if isinstance(one, list)]
        print(f"{family}: {len(errors)} written, largest error {max(errors):.1e}, {len(made[family])} in all")
    assert not wrong, wrong
    path.write_text(json.dumps(made, indent=0) + "\n")


if __name__ == "__main__":
    main()
