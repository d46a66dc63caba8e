"""An application of one's own with models in it: mounted as a whole, and called from an endpoint.

    pip install fastapi "fastlstm[serve]"
    uvicorn app:app
    curl localhost:8000/models/v2/models/passengers

Requests that come at about the same time are run as one batch, those of the mounted service and those of the endpoint.
"""

import numpy as np
from fastapi import FastAPI

from fastlstm import demo
from fastlstm.serving import Batcher, make_app

service = make_app({"passengers": demo.MODEL}, max_batch=64, idle=600)
batcher = Batcher(service.state.service.models["passengers"].current.model)

app = FastAPI()
app.mount("/models", service)


@app.post("/growth")
async def growth(window: list[list[float]]) -> list[float]:
    """By how much the next month surpasses that of the year before, for a window of twelve months."""
    y = await batcher.predict(np.array([window], np.float32))
    return y[0].tolist()
