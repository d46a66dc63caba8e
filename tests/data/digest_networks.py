"""Print a digest of the bits that random networks give: two commits with the same digests compute the same.

    python tests/data/digest_networks.py [--networks 200] [--each]

The networks are those of `network_cases.py`, made of fastlstm's own layers with random weights. Each is asked by
`predict`, `predict_on_batch` and a call; one that runs step by step also by a stream and a pool of streams.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from typing import Any

import numpy as np
from network_cases import flat, inputs_of, network

import fastlstm


def answers(seed: int) -> list[np.ndarray] | None:
    """All that the network of a seed gives, or None where the draw is not one that can be made."""
    try:
        draw, model, kinds = network(fastlstm, seed, keras2=False)
        if not model.built or not model.layers:
            return None
    except (ValueError, TypeError, NotImplementedError):
        return None
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    found = []
    for inputs in zip(*inputs_of(draw, model, kinds), strict=True):
        x: Any = list(inputs) if len(inputs) > 1 else inputs[0]
        for ask in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model):
            try:
                found += [np.asarray(output) for output in flat(ask(x))]
            except ValueError as refusal:
                found.append(np.array(str(refusal)))
        if len(inputs) == 1:
            found += in_steps(model, inputs[0])
    return found


def in_steps(model: fastlstm.Model, x: np.ndarray) -> list[np.ndarray]:
    """What a stream and a pool of streams give, nothing where the model does not run step by step."""
    try:
        stream, pool = model.stream(len(x)), model.stream_pool()
    except ValueError:
        return []
    ids = [pool.open() for _ in x]
    steps = [stream.step(np.ascontiguousarray(x[:, t])) for t in range(x.shape[1])]
    pooled = [pool.step(ids, np.ascontiguousarray(x[:, t])) for t in range(x.shape[1])]
    states = [array for of_layer in stream.state for array in of_layer]
    return [*steps, *pooled, *states]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--each", action="store_true", help="a line per network")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    whole, made, arrays, seed = hashlib.sha256(), 0, 0, 0
    while made < arguments.networks:
        found = answers(seed)
        seed += 1
        if found is None:
            continue
        made, arrays = made + 1, arrays + len(found)
        one = hashlib.sha256()
        for array in found:
            one.update(repr((array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes())
        whole.update(one.digest())
        if arguments.each:
            print(seed - 1, len(found), one.hexdigest()[:16])
    print(f"{made} networks, {arrays} arrays: {whole.hexdigest()}")


if __name__ == "__main__":
    main()
