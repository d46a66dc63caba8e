"""Writes corpus/: small files of every kind, made of random weights and of the files in tests/data."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
from structure import REQUEST

from fastlstm import onnx
from fastlstm.layers import (
    GRU,
    LSTM,
    Add,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GlobalMaxPooling1D,
    Input,
    LayerNormalization,
    Masking,
    MultiHeadAttention,
    RepeatVector,
    SimpleRNN,
    TimeDistributed,
)
from fastlstm.models import Functional, Model, Sequential, save_packed

CORPUS = Path(__file__).parent / "corpus"
DATA = Path(__file__).parent.parent / "tests" / "data"


def models() -> dict[str, Model]:
    x = Input((None, 3), name="x")
    y = LSTM(2, return_sequences=True, name="l")(x)
    graph = Functional(x, [Dense(2, name="out")(Concatenate(name="c")([y, Add(name="a")([y, y])])), y], name="graph")
    query = Input((4, 3), name="query")
    attention = Functional(query, LayerNormalization()(MultiHeadAttention(2, 2)(query, query)), name="attention")
    trained = Sequential([Input((3, 2)), LSTM(2), Dense(1)], name="trained")
    trained.compile("adam", "mse")
    trained.fit(np.ones((2, 3, 2), np.float32), np.ones((2, 1), np.float32), verbose=0)
    return {
        "lstm": Sequential([Input((None, 3)), LSTM(4, return_sequences=True), LSTM(2), Dense(2)], name="s"),
        "text": Sequential([Input((None,)), Embedding(5, 3, mask_zero=True), GRU(2), Dense(5, "softmax")], name="t"),
        "both": Sequential([Input((5, 3)), Masking(), Bidirectional(LSTM(2)), RepeatVector(2), SimpleRNN(2)], name="b"),
        "conv": Sequential([Input((8, 2)), Conv1D(3, 2), BatchNormalization(), GlobalMaxPooling1D(), Dense(1)]),
        "time": Sequential([Input((4, 2)), TimeDistributed(Dense(3, "relu")), Dropout(0.1), GRU(2, reset_after=False)]),
        "graph": graph,
        "attention": attention,
        "trained": trained,
    }


def members(archive: str, prefix: str) -> bytes:
    """The files of a folder in a zip of tests/data, as a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(DATA / archive) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name in source.namelist():
            if name.startswith(prefix + "/"):
                file.writestr(name.removeprefix(prefix + "/"), source.read(name))
    return stream.getvalue()


def main() -> None:
    for target in ("load", "packed", "folder", "weights", "onnx", "request"):
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
    for name, model in models().items():
        model.save(CORPUS / "load" / f"{name}.keras")
        if name in ("lstm", "graph", "text"):
            model.save(CORPUS / "load" / f"{name}.h5")
        save_packed(model, CORPUS / "packed" / f"{name}.packed")
    for archive, names in (("formats.zip", ("bidirectional", "batch_normalization")), ("tfjs.zip", ("bidirectional",))):
        for name in names:
            (CORPUS / "folder" / f"{archive[:-4]}-{name}.zip").write_bytes(members(archive, name))
    from targets import receiver

    receiver().save_weights(CORPUS / "weights" / "keras3.weights.h5")
    receiver().save(CORPUS / "weights" / "keras3.keras")
    receiver().save(CORPUS / "weights" / "legacy.h5")
    for name in ("lstm", "conv"):
        onnx.save(models()[name], CORPUS / "onnx" / f"{name}.onnx")
    with zipfile.ZipFile(DATA / "onnx_torch.zip") as source:
        for name in ("gru_dynamic", "lstm2_static", "lstm_both_ways_time_first_dynamic", "rnn_static"):
            (CORPUS / "onnx" / f"torch_{name}.onnx").write_bytes(source.read(f"{name}.onnx"))
    write_requests(CORPUS / "request")


def write_requests(folder: Path) -> None:
    """Requests to infer: in JSON, with a sequence, and with a tensor behind the JSON."""
    ids = {"name": "x", "shape": [2, 3], "datatype": "FP32"}
    whole = {"id": "a", "inputs": [ids | {"data": [[0, 1, 2], [4, 3, 2]]}]}
    sequence = {"parameters": {"sequence_id": 7, "sequence_start": True, "sequence_end": True}}
    step = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "INT32", "data": [3]}]}
    for name, content in ("json", whole), ("sequence", sequence | step):
        (folder / name).write_bytes(REQUEST + struct.pack("<I", 0) + json.dumps(content).encode())
    text = json.dumps({"inputs": [ids | {"parameters": {"binary_data_size": 24}}]}).encode()
    tensor = np.float32([0, 1, 2, 4, 3, 2]).tobytes()
    (folder / "binary").write_bytes(REQUEST + struct.pack("<I", len(text)) + text + tensor)


if __name__ == "__main__":
    main()
