"""Write onnx_torch.zip: networks that PyTorch 2.13.0 exports, and what ONNX Runtime answers for them.

`<name>.onnx` is the file, `<name>.npz` has inputs `x0` … and outputs `y0` …, the batch of each moved to the front.
Names end in `dynamic` where batch and time are open, `static` where they are not. Run with torch, onnx and onnxruntime.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

BATCH, STEPS, FEATURES, UNITS = 3, 7, 4, 5
# A fixed date, so that the same files give the same archive.
DATE = (2026, 1, 1, 0, 0, 0)


class Everything(nn.Module):
    """A recurrent module with all of its outputs."""

    def __init__(self, kind, **arguments):
        super().__init__()
        self.rnn = kind(FEATURES, UNITS, **arguments)

    def forward(self, x):
        y, states = self.rnn(x)
        return (y, *states) if isinstance(states, tuple) else (y, states)


class Classifier(nn.Module):
    """The last step's output, classified."""

    def __init__(self, kind=nn.LSTM, bidirectional=True, **arguments):
        super().__init__()
        self.first = arguments.get("batch_first", False)
        self.rnn = kind(FEATURES, UNITS, bidirectional=bidirectional, **arguments)
        self.linear = nn.Linear(UNITS * (1 + bidirectional), 3)

    def forward(self, x):
        y, _ = self.rnn(x)
        return torch.softmax(self.linear(y[:, -1] if self.first else y[-1]), -1)


class Words(nn.Module):
    """Ids, and the last states of both directions."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, FEATURES)
        self.rnn = nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True)
        self.dropout, self.norm, self.linear = nn.Dropout(0.3), nn.LayerNorm(2 * UNITS), nn.Linear(2 * UNITS, 2)

    def forward(self, ids):
        _, (h, _) = self.rnn(self.embedding(ids))
        return self.linear(self.dropout(self.norm(torch.relu(torch.cat((h[-2], h[-1]), 1)))))


class Convolved(nn.Module):
    """Convolution, normalisation and pooling before a GRU."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv1d(FEATURES, 6, 3, padding=1), nn.BatchNorm1d(6)
        self.norm.running_mean += 0.1 * torch.randn(6)
        self.pool, self.rnn, self.linear = nn.MaxPool1d(2), nn.GRU(6, UNITS, batch_first=True), nn.Linear(UNITS, 2)

    def forward(self, x):
        z = self.pool(torch.relu(self.norm(self.convolution(x.transpose(1, 2))))).transpose(1, 2)
        return torch.sigmoid(self.linear(self.rnn(z)[1].squeeze(0)))


class Packed(nn.Module):
    """Sequences of several lengths."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        y, (h, _) = self.rnn(packed)
        return nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0], h


class Translator(nn.Module):
    """An encoder whose states a decoder begins with."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = (nn.LSTM(size, UNITS, batch_first=True) for size in (FEATURES, 3))
        self.linear = nn.Linear(UNITS, 3)

    def forward(self, source, target):
        return self.linear(self.decoder(target, self.encoder(source)[1])[0])


class States(nn.Module):
    """States that come and go."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(FEATURES, UNITS, 2)

    def forward(self, x, h, c):
        y, (h, c) = self.rnn(x, (h, c))
        return y, h, c


class Normed(nn.Module):
    """A normalisation, and a sum of two ways."""

    def __init__(self):
        super().__init__()
        self.rnn, self.norm = nn.LSTM(FEATURES, UNITS, batch_first=True), nn.LayerNorm(UNITS)
        self.linear = nn.Linear(UNITS, UNITS)

    def forward(self, x):
        y, _ = self.rnn(x)
        return (self.norm(y) + torch.tanh(self.linear(y))).mean(1)


def cases():
    """Yield `(name, module, inputs, axes of the batch in them, axes of time or None, those of the outputs)`."""
    first, second = torch.randn(BATCH, STEPS, FEATURES), torch.randn(STEPS, BATCH, FEATURES)
    batch, time = (first,), (second,)
    for layers in (1, 2, 3, 4):
        yield f"lstm{layers}", Everything(nn.LSTM, num_layers=layers, batch_first=True), batch, [0], [1], [0, 1, 1]
    yield "lstm_time_first", Everything(nn.LSTM, num_layers=2), time, [1], [0], [1, 1, 1]
    both = {"bidirectional": True}
    yield "lstm_both_ways", Everything(nn.LSTM, num_layers=2, batch_first=True, **both), batch, [0], [1], [0, 1, 1]
    yield "lstm_both_ways_time_first", Everything(nn.LSTM, **both), time, [1], [0], [1, 1, 1]
    yield "gru", Everything(nn.GRU, num_layers=2, batch_first=True), batch, [0], [1], [0, 1]
    yield "gru_both_ways_time_first", Everything(nn.GRU, **both), time, [1], [0], [1, 1]
    yield "rnn", Everything(nn.RNN, batch_first=True), batch, [0], [1], [0, 1]
    yield "rnn_relu", Everything(nn.RNN, nonlinearity="relu", bias=False), time, [1], [0], [1, 1]
    yield "classifier", Classifier(num_layers=2, batch_first=True), batch, [0], [1], [0]
    yield "classifier_time_first", Classifier(bidirectional=False), time, [1], [0], [0]
    yield "words", Words(), (torch.randint(0, 11, (BATCH, STEPS)),), [0], [1], [0]
    yield "convolved", Convolved(), (torch.randn(BATCH, 8, FEATURES),), [0], [None], [0]
    yield "packed", Packed(), (first, torch.tensor([7, 5, 3])), [0, 0], [1, None], [0, 1]
    yield "translator", Translator(), (first, torch.randn(BATCH, 5, 3)), [0, 0], [1, 1], [0]
    states = (torch.randn(2, BATCH, UNITS), torch.randn(2, BATCH, UNITS))
    yield "states", States(), (second, *states), [1, 1, 1], [0, None, None], [1, 1, 1]
    yield "normed", Normed(), batch, [0], [1], [0]


def exported(module, inputs, axes):
    """The file that PyTorch writes; `axes` are the open ones of each input, or None."""
    names = [f"x{number}" for number in range(len(inputs))]
    file = io.BytesIO()
    dynamic = None if axes is None else dict(zip(names, axes, strict=True))
    torch.onnx.export(
        module, inputs, file, input_names=names, dynamo=False, opset_version=14, dynamic_axes=dynamic, verbose=False
    )
    return file.getvalue()


def main():
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    with zipfile.ZipFile(Path(__file__).parent / "onnx_torch.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, module, inputs, batches, times, of_outputs in cases():
            module.eval()
            open_axes = [
                {axis: what for axis, what in ((batch, "batch"), (time, f"time{number}")) if axis is not None}
                for number, (batch, time) in enumerate(zip(batches, times, strict=True))
            ]
            for kind, axes in (("dynamic", open_axes), ("static", None)):
                if (kind, name) == ("static", "packed"):
                    continue
                data = exported(module, inputs, axes)
                session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
                feed = {one.name: x.numpy() for one, x in zip(session.get_inputs(), inputs, strict=True)}
                arrays = {
                    f"x{number}": np.moveaxis(x, axis, 0)
                    for number, (x, axis) in enumerate(zip(feed.values(), batches, strict=True))
                } | {
                    f"y{number}": np.moveaxis(y, axis, 0)
                    for number, (y, axis) in enumerate(zip(session.run(None, feed), of_outputs, strict=True))
                }
                answers = io.BytesIO()
                np.savez(answers, **arrays)
                for ending, content in (("onnx", data), ("npz", answers.getvalue())):
                    entry = zipfile.ZipInfo(f"{name}_{kind}.{ending}", DATE)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, content)


if __name__ == "__main__":
    main()
