"""KServe's Python server with ONNX Runtime.

python kserve_server.py MODEL.onnx PORT
"""

import sys

path, port = sys.argv[1:3]
# Read when kserve is imported.
sys.argv[1:] = ["--http_port", port, "--enable_grpc", "false", "--enable_latency_logging", "false"]

import kserve  # noqa: E402
import onnxruntime  # noqa: E402
from kserve import InferOutput, InferResponse  # noqa: E402


class OnnxRuntime(kserve.Model):
    """The network as an ONNX model."""

    def __init__(self):
        super().__init__("m")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        y = self.session.run(None, {"x": payload.inputs[0].as_numpy()})[0]
        output = InferOutput("y", list(y.shape), "FP32")
        output.set_data_from_numpy(y, binary_data=False)
        return InferResponse(payload.id or "none", "m", [output])


kserve.ModelServer().start([OnnxRuntime()])
