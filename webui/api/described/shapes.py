"""The components of the document: what jobs, pictures, events and errors look like."""

from __future__ import annotations

from webui.api.described.operation import (
    ANYTHING,
    FLAG,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    Schema,
    either,
    listed,
    mapping,
    one_of,
    record,
    ref,
)
from webui.api.schema import request_schema
from webui.core.requests import Img2Img, Txt2Img, Upscale
from webui.core.upscale import MAX_PICTURES

STATES = ("queued", "running", "done", "failed", "cancelled")
KINDS = ("queued", "started", "progress", "preview", "image", "scores", *STATES[2:])

# What examples call the things they are about; the suite puts real ids in their places.
JOB = "5b1f0c8e9a7d4263"
WAITING = "c04d2e6f8a1b3957"
IMAGE = "8f3a5c7e9b1d2f4a6c8e0b1d"
INPUT = "3f0b7a5d" * 8
BOARD = "2d4f6a8c0e1b3d5f"
STYLE = "watercolour"
PRESET = "quick"
FOLDER = "/srv/stable-diffusion-webui"

_ERROR = {
    **record(
        {
            "code": {**TEXT, "description": "What kind of error it is, one word."},
            "message": {**TEXT, "description": "One sentence for a person."},
            "field": either({**TEXT, "description": "The field at fault, if there is one."}),
        }
    ),
    "description": "Why a request was refused, or why a job failed.",
}
_PROGRESS = {
    **record(
        {
            "fraction": {**NUMBER, "minimum": 0, "maximum": 1},
            "phase": {**TEXT, "description": "What is done at the moment, for a person."},
            "step": WHOLE,
            "steps": WHOLE,
            "image": {**WHOLE, "description": "The first picture of the batch, from 0."},
            "images": WHOLE,
            "seconds_per_step": either(NUMBER),
            "seconds_left": either(NUMBER),
        }
    ),
    "description": "How far a job is.",
}
_IMAGE = {
    **record(
        {
            "id": TEXT,
            "name": {**TEXT, "description": "The file's name."},
            "path": {**TEXT, "description": "On the server; the name only for other people."},
            "url": {**TEXT, "description": "Where the file is."},
            "thumbnail": {**TEXT, "description": "Where it is made small."},
            "index": {**WHOLE, "description": "Its place in its job."},
            "seed": WHOLE,
            "width": WHOLE,
            "height": WHOLE,
            "infotext": {**TEXT, "description": "How it was made, as A1111 writes it."},
            "created": TIME,
            "seconds": NUMBER,
            "owner": TEXT,
            "favourite": FLAG,
            "tags": listed(TEXT),
            "boards": {**listed(TEXT), "description": "Ids."},
            "missing": {**FLAG, "description": "Its file was not there when last looked for."},
            "deleted": either({**TIME, "description": "When it was moved to the trash."}),
            "imported": FLAG,
        }
    ),
    "description": "A picture of the library.",
}
_SCORE = record(
    {
        "name": TEXT,
        "index": WHOLE,
        "clip_score": {**NUMBER, "description": "100 × the cosine."},
        "clipscore": {**NUMBER, "description": "2.5 × max(cosine, 0), Hessel et al. 2021."},
        "probability": {**NUMBER, "minimum": 0, "maximum": 1},
    }
)
_LISTED = {
    "id": TEXT,
    "state": one_of(*STATES),
    "position": either({**WHOLE, "description": "How many waiting jobs go before it."}),
    "priority": WHOLE,
    "parent": either(TEXT),
    "owner": TEXT,
    "attempts": {**WHOLE, "description": "How often it was started."},
    "stopping": {**FLAG, "description": "Somebody asked for its end."},
    "created": TIME,
    "started": either(TIME),
    "finished": either(TIME),
    "progress": ref("Progress"),
    "error": either(ref("Error")),
    "images": listed(ref("Image")),
    "prompt": {**TEXT, "description": "How its prompt begins."},
    "summary": {
        **TEXT,
        "description": "What lists show: that, or what is done where there is none.",
    },
    "scores": listed(ref("Score")),
}
_WHOLE = {
    **_LISTED,
    "request": {"type": "object", "description": "What was asked, complete."},
    "cells": {
        **listed({"type": "object"}),
        "description": "Of a series: what each picture has otherwise than the request.",
    },
    "sweep": either({"type": "object", "description": "Of a sweep: its options."}),
}
_EVENT = {
    **record(
        {
            "seq": {**WHOLE, "description": "Its number; numbers grow."},
            "job_id": TEXT,
            "kind": one_of(*KINDS),
            "time": TIME,
            "position": WHOLE,
            "progress": ref("Progress"),
            "preview_seq": WHOLE,
            "image": ref("Image"),
            "scores": listed(ref("Score")),
            "error": ref("Error"),
        },
        optional=("position", "progress", "preview_seq", "image", "scores", "error"),
    ),
    "description": "Something that happened to a job; which fields it has depends on its kind.",
}
_BOARD = record({"id": TEXT, "name": TEXT, "count": WHOLE, "cover": either(TEXT)})
_STYLE = record({"name": TEXT, "prompt": TEXT, "negative_prompt": TEXT})
_SETTING = record(
    {
        "name": TEXT,
        "group": TEXT,
        "label": TEXT,
        "help": TEXT,
        "type": one_of("boolean", "integer", "number", "string", "choice", "path", "list"),
        "options": listed(TEXT),
        "minimum": either(NUMBER),
        "maximum": either(NUMBER),
        "step": either(NUMBER),
        "max_chars": either(WHOLE),
        "a1111": either(TEXT),
        "variable": TEXT,
        "value": ANYTHING,
        "default": ANYTHING,
        "changed": FLAG,
        "source": one_of("default", "file", "environment", "flag"),
        "restart": FLAG,
        "waits": FLAG,
        "fixed": either(TEXT),
        "secret": FLAG,
        "is_set": FLAG,
    }
)
_PRESET = record({"name": TEXT, "values": mapping()})
_IMPORT = record(
    {
        "state": one_of("idle", "running", "done", "stopped", "failed"),
        "folder": TEXT,
        "done": WHOLE,
        "total": either(WHOLE),
        "added": WHOLE,
        "skipped": WHOLE,
        "problems": listed(TEXT),
        "error": either(TEXT),
    }
)

_UPSCALE = request_schema(Upscale)
_UPSCALE["properties"]["images"] = {
    **listed(TEXT, minItems=1, maxItems=MAX_PICTURES),
    "description": "Ids of POST /inputs.",
}

SCHEMAS: dict[str, Schema] = {
    "Txt2Img": request_schema(Txt2Img),
    "Img2Img": request_schema(Img2Img),
    "Upscale": {**_UPSCALE, "required": ["images"]},
    "Error": _ERROR,
    "Refusal": record({"error": ref("Error")}),
    "Progress": _PROGRESS,
    "Image": _IMAGE,
    "Score": _SCORE,
    "Job": {**record(_WHOLE, optional=("scores", "cells", "sweep")), "description": "A job."},
    "ListedJob": {
        **record(_LISTED, optional=("scores",)),
        "description": "A job in a list, without its whole request.",
    },
    "Event": _EVENT,
    "Board": _BOARD,
    "Style": _STYLE,
    "Setting": _SETTING,
    "Preset": _PRESET,
    "Import": _IMPORT,
}

ERRORS: dict[int, str] = {
    400: "The address or the body cannot be read: it is no JSON, for example.",
    401: "Log in first: by the login page or HTTP Basic.",
    403: "This caller, or a page of this site, may not do this.",
    404: "There is no such thing, or it is somebody else's.",
    409: "It does not go together with what is going on.",
    413: "The body is larger than what is accepted.",
    414: "The address is too long.",
    422: "A value is not accepted; field names it.",
    429: "Too many; Retry-After says in how many seconds to try again.",
    431: "The headers are too long.",
    503: "The drawing process is away; the job in Location is kept. Retry-After says when to look.",
    507: "The disk or the memory did not take it.",
}
