"""Pictures that requests start from."""

from __future__ import annotations

from webui.api.described.operation import TEXT, WHOLE, Answer, Operation, record
from webui.api.described.shapes import INPUT

_INPUT = record(
    {
        "id": {**TEXT, "description": "What requests name it by."},
        "width": {**WHOLE, "description": "In pixels, as its EXIF turns it."},
        "height": WHOLE,
    }
)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/inputs"): Operation(
        tag="drawing",
        answers={
            201: Answer(
                says="It is kept.",
                schema=record({"input": _INPUT}),
                headers={"Location": "Where it is."},
            )
        },
        errors=(507,),
        body={"type": "string", "format": "binary"},
        media="application/octet-stream",
    ),
    ("get", "/inputs/{input_id}"): Operation(
        tag="drawing",
        answers={200: Answer(says="The file.", schema={"type": "string", "format": "binary"},
                             media="image/png")},
        errors=(404,),
        parameters={"input_id": INPUT},
    ),
}  # fmt: skip
