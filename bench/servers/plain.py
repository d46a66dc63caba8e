"""What one writes oneself: Starlette, orjson and ONNX Runtime, a thread of its own for each of two calls.

python plain.py MODEL.onnx PORT
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
threads = ThreadPoolExecutor(2)


def run(x):
    return session.run(None, {"x": x})[0]


async def infer(request):
    (entry,) = orjson.loads(await request.body())["inputs"]
    x = np.array(entry["data"], np.float32).reshape(entry["shape"])
    y = await asyncio.get_running_loop().run_in_executor(threads, run, x)
    output = {"name": "y", "datatype": "FP32", "shape": y.shape, "data": y.ravel()}
    answer = {"model_name": "m", "model_version": "1", "outputs": [output]}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


async def ready(request):
    return Response(b"{}")


app = Starlette(
    routes=[Route("/v2/models/m/infer", infer, methods=["POST"]), Route("/v2/models/m/ready", ready, methods=["GET"])]
)
uvicorn.run(app, port=int(sys.argv[2]), access_log=False, log_level="warning")
