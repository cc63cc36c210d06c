"""Jobs, their events and pictures, and what the server says of itself."""

from __future__ import annotations

from webui.api.described.operation import (
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Answer,
    Operation,
    either,
    listed,
    ok,
    one_of,
    record,
    ref,
)
from webui.api.described.operation import body as request
from webui.api.described.shapes import IMAGE, JOB, KINDS, STATES, WAITING
from webui.core.choices import CHOICES

_ID = {"job_id": JOB}
_FILE = {"type": "string", "format": "binary"}
_TOLD = Operation(
    tag="jobs", answers=ok(ref("Job"), "The job as it is now."), errors=(507,), parameters=_ID
)
_WORKER = record(
    {
        "state": TEXT,
        "device": either(TEXT),
        "dtype": either(TEXT),
        "torch": either(TEXT),
        "restarts": WHOLE,
        "problem": either(TEXT),
        "forwards": either(WHOLE),
        "memory_bytes": either(WHOLE),
        "loaded": listed(TEXT),
    }
)
_FIELD = record(
    {
        "name": TEXT,
        "type": TEXT,
        "optional": FLAG,
        "default": {},
        "label": TEXT,
        "help": TEXT,
        "control": TEXT,
        "minimum": either(NUMBER),
        "maximum": either(NUMBER),
        "step": either(NUMBER),
        "multiple_of": either(WHOLE),
        "max_chars": either(WHOLE),
        "choices": either(TEXT),
    }
)
_MESSAGE = record(
    {
        "event": one_of("job", *KINDS),
        "id": {**TEXT, "description": "The event's number."},
        "data": {
            **TEXT,
            "contentMediaType": "application/json",
            "description": (
                "A Job where event is job; else an Event: with job, the whole job, at its end, and "
                "with url, or jpeg as base64, of a preview."
            ),
        },
    }
)
_PROBLEMS = listed(record({"name": TEXT, "message": TEXT}))
_NAMES = listed(TEXT)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/jobs"): Operation(
        tag="jobs",
        answers=ok(
            record(
                {
                    "jobs": listed(ref("ListedJob")),
                    "total": WHOLE,
                    "next": either({**TEXT, "description": "What to give as before."}),
                }
            ),
            "The jobs.",
        ),
        errors=(404,),
        parameters={"state": ",".join(STATES[:3]), "limit": 10},
    ),
    ("get", "/jobs/{job_id}"): Operation(
        tag="jobs", answers=ok(ref("Job"), "The job."), parameters=_ID
    ),
    ("get", "/jobs/{job_id}/images"): Operation(
        tag="jobs",
        answers=ok(
            record(
                {
                    "state": either({**TEXT, "enum": list(STATES)}),
                    "images": listed(ref("Image")),
                }
            ),
            "Its pictures.",
        ),
        errors=(507,),
        parameters=_ID,
    ),
    ("get", "/jobs/{job_id}/events"): Operation(
        tag="jobs",
        answers={
            200: Answer(
                says="Events until the job has ended; the data of each is JSON.",
                schema=_MESSAGE,
                media="text/event-stream",
            ),
            204: Answer(says="There is nothing more to tell."),
        },
        parameters={**_ID, "preview": "url"},
    ),
    ("get", "/jobs/{job_id}/preview"): Operation(
        tag="jobs",
        answers={
            200: Answer(
                says="The picture as it looks now.",
                schema=_FILE,
                media="image/jpeg",
                headers={"X-Preview-Seq": "The preview's number in its job."},
            ),
            204: Answer(says="There is no preview."),
        },
        parameters=_ID,
    ),
    ("post", "/jobs/{job_id}/cancel"): _TOLD,
    ("post", "/jobs/{job_id}/interrupt"): _TOLD,
    ("post", "/jobs/{job_id}/skip"): _TOLD,
    ("post", "/jobs/{job_id}/move"): Operation(
        tag="jobs",
        answers=ok(ref("Job"), "The job in its new place."),
        errors=(409, 507),
        body=request(
            {"position": {**WHOLE, "minimum": 0, "description": "The new place; 0 is next."}},
            required=("position",),
            closed=False,
        ),
        examples={"to the front": {"position": 0}},
        parameters={"job_id": WAITING},
    ),
    ("get", "/events"): Operation(
        tag="jobs",
        answers=ok(
            record({"events": listed(ref("Event")), "last": WHOLE, "missed": FLAG}), "The events."
        ),
        errors=(404,),
        parameters={"after": 0, "timeout": 0},
    ),
    ("get", "/images"): Operation(
        tag="library",
        answers=ok(record({"images": listed(ref("Image"))}), "The pictures."),
        errors=(404, 507),
        parameters={"limit": 10},
    ),
    ("get", "/images/{image_id}"): Operation(
        tag="library",
        answers={
            200: Answer(says="The file.", schema=_FILE, media="image/*"),
            304: Answer(says="It is what If-None-Match names."),
        },
        errors=(507,),
        parameters={"image_id": IMAGE},
    ),
    ("get", "/status"): Operation(
        tag="server",
        answers=ok(
            record(
                {
                    "version": TEXT,
                    "worker": _WORKER,
                    "queue": record({"running": WHOLE, "queued": WHOLE}),
                    "caller": record({"user": TEXT, "is_admin": FLAG}),
                }
            )
        ),
    ),
    ("get", "/options"): Operation(
        tag="server",
        answers=ok(
            record(
                {
                    "checkpoints": listed(
                        record({"name": TEXT, "family": TEXT, "native_size": WHOLE})
                    ),
                    "default": either(TEXT),
                    "problems": _PROBLEMS,
                    **dict.fromkeys(CHOICES, _NAMES),
                    "fields": listed(_FIELD),
                }
            )
        ),
    ),
    ("get", "/models"): Operation(
        tag="server",
        answers=ok(
            record(
                {
                    "models": listed(
                        record(
                            {
                                "name": TEXT,
                                "family": TEXT,
                                "prediction": TEXT,
                                "layout": TEXT,
                                "native_size": WHOLE,
                                "hash": either(TEXT),
                                "default": FLAG,
                            }
                        )
                    ),
                    "problems": _PROBLEMS,
                }
            )
        ),
    ),
    ("get", "/samplers"): Operation(
        tag="server",
        answers=ok(
            record(
                {
                    "samplers": listed(
                        record(
                            {
                                "name": TEXT,
                                "aliases": _NAMES,
                                "schedule": TEXT,
                                "evaluations": WHOLE,
                                "stochastic": FLAG,
                            }
                        )
                    )
                }
            )
        ),
    ),
    ("get", "/schedulers"): Operation(
        tag="server",
        answers=ok(record({"schedulers": listed(record({"name": TEXT, "aliases": _NAMES}))})),
    ),
}
