"""TensorFlow's bytes of TensorBoard's records, for `events.json`: `python make_event_goldens.py` (TensorFlow)."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    import tensorflow as tf
    from tensorflow.core.framework import summary_pb2, tensor_pb2
    from tensorflow.core.util import event_pb2

    def value(tag, plugin, content, data_class, tensor):
        metadata = summary_pb2.SummaryMetadata(data_class=data_class)
        metadata.plugin_data.plugin_name, metadata.plugin_data.content = plugin, content
        return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)

    def numbers(array):
        tensor = tensor_pb2.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum, tensor_content=array.tobytes())
        tensor.tensor_shape.SetInParent()
        for size in array.shape:
            tensor.tensor_shape.dim.add().size = size
        return tensor

    counts, edges = np.histogram(np.arange(7.0) ** 2, 30)
    table = np.stack([edges[:-1], edges[1:], counts], axis=1)
    values = {
        "scalar": value("epoch_loss", "scalars", b"", 1, numbers(np.array(0.25, "float32"))),
        "histogram": value("kernel/histogram", "histograms", b"", 2, numbers(table)),
        "document": value("keras", "graph_keras_model", b"1", 0, tf.make_tensor_proto('{"a": 1}')),
    }
    events = {"version": event_pb2.Event(wall_time=1.5, file_version="brain.Event:2")}
    for name, one in values.items():
        events[name] = event_pb2.Event(wall_time=2.5, step=300, summary=summary_pb2.Summary(value=[one]))
    records = {}
    for name, event in events.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records")
            with tf.io.TFRecordWriter(path) as writer:
                writer.write(event.SerializeToString(deterministic=True))
            records[name] = Path(path).read_bytes().hex()
    (HERE / "events.json").write_text(json.dumps(records, indent=0) + "\n")


if __name__ == "__main__":
    main()
