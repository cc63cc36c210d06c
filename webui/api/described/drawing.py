"""What makes jobs: drawing, batches, sweeps, ranking and labels."""

from __future__ import annotations

from typing import Any

from webui.api.described.operation import (
    FLAG,
    TEXT,
    WHOLE,
    Answer,
    Operation,
    Schema,
    either,
    listed,
    ok,
    one_of,
    record,
    ref,
    text,
)
from webui.api.described.operation import body as request
from webui.api.described.shapes import IMAGE, INPUT, PRESET
from webui.api.submit import MAX_BATCH
from webui.core.measure import MAX_LABELS, MAX_PICTURES, MAX_TEXT_CHARS, TEMPLATE
from webui.core.sweep import SCRIPTS

_SUBMITTED = (404, 409, 429, 503, 507)
_JOB = record({"job": ref("Job")})
_WHERE = {
    "Location": "Where the job is.",
    "Preference-Applied": "wait=30, when that was asked for.",
    "Idempotent-Replayed": "true, when an earlier request with this key made the job.",
}
_DRAWN = {
    200: Answer(says="The job has ended.", schema=_JOB, headers=_WHERE),
    202: Answer(says="The job waits or runs.", schema=_JOB, headers=_WHERE),
}
_SCORED_SCHEMA = record({"job": ref("Job"), "scores": listed(ref("Score"))})
_SCORED = {
    200: Answer(says="The scores, best first.", schema=_SCORED_SCHEMA),
    202: Answer(says="The job waits or runs; its scores come later.", schema=_SCORED_SCHEMA),
}
_PICTURE = text(
    90_000_000, "A library picture's id, or a PNG, JPEG or WebP file as base64 or data URL."
)
_MODEL = text(MAX_TEXT_CHARS, "A CLIP model of models/clip; empty for the default.", default="")
_AXIS: Schema = {
    "type": ["object", "null"],
    "properties": {
        "axis": {**TEXT, "description": "A name of GET /sweeps/axes."},
        "values": {**TEXT, "description": "As in A1111: 10, 20 or 5-20 (+5) or names."},
    },
}
_NO: Schema = {"type": "boolean", "default": False}
_DRAWING: Schema = {"anyOf": [ref("Txt2Img"), ref("Img2Img")]}
_SWEEP = request(
    {
        "request": _DRAWING,
        "script": one_of(*SCRIPTS),
        "x": _AXIS,
        "y": _AXIS,
        "z": _AXIS,
        "different_seeds": _NO,
        "legend": {**FLAG, "default": True},
        "target": one_of("prompt", "negative_prompt", default="prompt"),
        "joiner": one_of("comma", "space", default="comma"),
        "start": _NO,
        "text": {**TEXT, "description": "Prompts, one on each line."},
        "place": one_of("end", "start", "none", default="end"),
        "iterate_seed": _NO,
    },
    required=("script",),
)
_SMALL: dict[str, Any] = {"prompt": "a red circle", "seed": 1, "steps": 4}
_SWEEPS: dict[str, Any] = {
    "two samplers, three step counts": {
        "request": {**_SMALL, "width": 64, "height": 64},
        "script": "xyz",
        "x": {"axis": "steps", "values": "4, 8, 12"},
        "y": {"axis": "sampler", "values": "Euler, DPM++ 2M"},
    },
    "prompts of a list": {"request": _SMALL, "script": "lines", "text": "a red circle\na dog"},
    "prompt matrix": {
        "request": {**_SMALL, "prompt": "a circle|red|large"},
        "script": "matrix",
    },
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/txt2img"): Operation(
        tag="drawing",
        answers=_DRAWN,
        errors=_SUBMITTED,
        body=ref("Txt2Img"),
        optional=True,
        examples={
            "a picture": {"prompt": "a red circle on a white background", "seed": 1},
            "several, smaller": {
                "prompt": "a watercolour of a lighthouse",
                "negative_prompt": "text",
                "sampler": "DPM++ 2M",
                "scheduler": "Karras",
                "steps": 8,
                "width": 128,
                "height": 64,
                "batch_size": 2,
                "cfg_scale": 6.5,
            },
        },
        parameters={"preset": PRESET, "Prefer": "wait=0", "Idempotency-Key": "order-4711"},
    ),
    ("post", "/img2img"): Operation(
        tag="drawing",
        answers=_DRAWN,
        errors=_SUBMITTED,
        body=ref("Img2Img"),
        examples={
            "over a picture": {
                "prompt": "a blue circle",
                "init_image": INPUT,
                "denoising_strength": 0.5,
                "steps": 8,
            },
            "where it is masked": {
                "prompt": "a star",
                "init_image": INPUT,
                "mask": INPUT,
                "mask_blur": 0,
                "inpaint_area": "Only masked",
                "width": 64,
                "height": 64,
                "steps": 8,
            },
        },
        parameters={"Prefer": "wait=0", "Idempotency-Key": "order-4713"},
    ),
    ("post", "/upscale"): Operation(
        tag="drawing",
        answers=_DRAWN,
        errors=_SUBMITTED,
        body=ref("Upscale"),
        examples={
            "four times": {"images": [INPUT], "upscaler": "Lanczos", "scale": 4},
            "to a size": {"images": [INPUT], "upscaler": "Nearest", "width": 128, "height": 96},
        },
        parameters={"Prefer": "wait=0", "Idempotency-Key": "order-4712"},
    ),
    ("get", "/upscalers"): Operation(
        tag="server",
        answers=ok(
            record(
                {
                    "upscalers": listed(
                        record({"name": TEXT, "model": FLAG, "scale": either(WHOLE)})
                    ),
                    "problems": listed(record({"name": TEXT, "message": TEXT})),
                }
            ),
            "The methods, then the models.",
        ),
    ),
    ("post", "/batch"): Operation(
        tag="drawing",
        answers={
            status: Answer(
                says=says,
                schema=record({"jobs": listed(ref("Job"))}),
                headers={"Idempotent-Replayed": _WHERE["Idempotent-Replayed"]},
            )
            for status, says in ((200, "All jobs have ended."), (202, "The jobs, in order."))
        },
        errors=(404, 409, 429, 507),
        body=request(
            {"requests": listed(_DRAWING, minItems=1, maxItems=MAX_BATCH)},
            required=("requests",),
        ),
        examples={"two": {"requests": [_SMALL, {**_SMALL, "prompt": "a blue square"}]}},
        parameters={"Idempotency-Key": "order-4712"},
    ),
    ("post", "/sweeps"): Operation(
        tag="drawing",
        answers=_DRAWN,
        errors=_SUBMITTED,
        body=_SWEEP,
        examples=_SWEEPS,
        parameters={"Prefer": "wait=0"},
    ),
    ("post", "/sweeps/plan"): Operation(
        tag="drawing",
        answers=ok(record({"pictures": WHOLE, "switches": WHOLE})),
        errors=(404,),
        body=_SWEEP,
        examples=_SWEEPS,
    ),
    ("get", "/sweeps/axes"): Operation(
        tag="drawing",
        answers=ok(
            record(
                {
                    "axes": listed(
                        record(
                            {"name": TEXT, "label": TEXT, "values": listed(TEXT)},
                            optional=("values",),
                        )
                    )
                }
            )
        ),
    ),
    ("post", "/rank"): Operation(
        tag="drawing",
        answers=_SCORED,
        errors=_SUBMITTED,
        body=request(
            {
                "prompt": text(MAX_TEXT_CHARS, minLength=1),
                "images": listed(_PICTURE, minItems=1, maxItems=MAX_PICTURES),
                "model": _MODEL,
            },
            required=("prompt", "images"),
        ),
        examples={"one of the library": {"prompt": "a red circle", "images": [IMAGE]}},
        parameters={"wait": False},
    ),
    ("post", "/labels"): Operation(
        tag="drawing",
        answers=_SCORED,
        errors=_SUBMITTED,
        body=request(
            {
                "image": _PICTURE,
                "labels": listed(
                    text(MAX_TEXT_CHARS, minLength=1), minItems=1, maxItems=MAX_LABELS
                ),
                "template": text(
                    MAX_TEXT_CHARS, "The label is put in place of {}.", default=TEMPLATE
                ),
                "model": _MODEL,
            },
            required=("image", "labels"),
        ),
        examples={"circle or square": {"image": IMAGE, "labels": ["a circle", "a square"]}},
        parameters={"wait": False},
    ),
}
