"""A small client for a running Easel, sync and async: jobs, their events, pictures.

    with Easel("http://127.0.0.1:7860") as easel:
        job = easel.txt2img(prompt="a red circle", seed=1)
        easel.save(job, "pictures")

It needs httpx and nothing of the server: programs can use it where no model is installed.
"""

from webui.client.asynchronous import AsyncEasel
from webui.client.errors import (
    ApiError,
    LoginRequired,
    Refused,
    ServerBusy,
    TimedOut,
    Unreachable,
)
from webui.client.results import (
    Checkpoint,
    Event,
    Failure,
    Found,
    Image,
    Input,
    Job,
    Options,
    Progress,
    Status,
)
from webui.client.synchronous import Easel

__all__ = [
    "ApiError",
    "AsyncEasel",
    "Checkpoint",
    "Easel",
    "Event",
    "Failure",
    "Found",
    "Image",
    "Input",
    "Job",
    "LoginRequired",
    "Options",
    "Progress",
    "Refused",
    "ServerBusy",
    "Status",
    "TimedOut",
    "Unreachable",
]
