"""Finding, marking, deleting, exporting and importing pictures."""

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
    text,
)
from webui.api.described.operation import body as request
from webui.api.described.shapes import BOARD, FOLDER, IMAGE
from webui.library.boards import MAX_NAME_CHARS
from webui.library.marks import ACTIONS, MAX_IDS, MAX_TAG_CHARS, MAX_TAGS

_DISK = (507,)
_THERE = (404, 507)
_IMAGE = {"image_id": IMAGE}
_IDS = listed({"type": "string"}, minItems=1, maxItems=MAX_IDS)
_TAG = text(MAX_TAG_CHARS, minLength=1)
_COUNTS = listed(record({"value": {}, "count": WHOLE}))
_NAMED = request({"name": text(MAX_NAME_CHARS, minLength=1)}, required=("name",), closed=False)
_FILE = {"type": "string", "format": "binary"}
_FOUND = {"q": "circle", "favourite": False, "sort": "newest"}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/library"): Operation(
        tag="library",
        answers=ok(
            record(
                {
                    "images": listed(ref("Image")),
                    "total": WHOLE,
                    "offset": WHOLE,
                    "revision": {**WHOLE, "description": "Grows with every change."},
                }
            )
        ),
        errors=_THERE,
        parameters={**_FOUND, "limit": 20},
    ),
    ("get", "/library/ids"): Operation(
        tag="library",
        answers=ok(record({"ids": listed(TEXT), "revision": WHOLE})),
        errors=_THERE,
        parameters=_FOUND,
    ),
    ("get", "/library/facets"): Operation(
        tag="library",
        answers=ok(
            record(
                {
                    **dict.fromkeys(
                        ("models", "samplers", "loras", "tags", "sizes", "boards"), _COUNTS
                    ),
                    "dates": either(record({"first": NUMBER, "last": NUMBER})),
                    "revision": WHOLE,
                }
            )
        ),
        errors=_DISK,
    ),
    ("post", "/library/bulk"): Operation(
        tag="library",
        answers=ok(
            record(
                {
                    "changed": WHOLE,
                    "missing": listed(TEXT),
                    "revision": WHOLE,
                    "files_kept": WHOLE,
                    "message": TEXT,
                },
                optional=("files_kept", "message"),
            )
        ),
        errors=_THERE,
        body=request(
            {
                "ids": _IDS,
                "action": one_of(*ACTIONS),
                "board": either({**TEXT, "description": "An id, for the two board actions."}),
                "tag": either({**TEXT, "description": "For tag and untag."}),
            },
            required=("ids", "action"),
            closed=False,
        ),
        examples={
            "favourites": {"ids": [IMAGE], "action": "favourite"},
            "onto a board": {"ids": [IMAGE], "action": "add_to_board", "board": BOARD},
            "a tag": {"ids": [IMAGE], "action": "tag", "tag": "circles"},
        },
    ),
    ("post", "/library/empty-trash"): Operation(
        tag="library", answers=ok(record({"removed": WHOLE, "revision": WHOLE})), errors=_DISK
    ),
    ("post", "/library/export"): Operation(
        tag="library",
        answers={200: Answer(says="The zip file.", schema=_FILE, media="application/zip")},
        errors=_THERE,
        body=request({"ids": _IDS}, required=("ids",), closed=False),
        examples={"one": {"ids": [IMAGE]}},
    ),
    ("get", "/library/import"): Operation(tag="library", answers=ok(ref("Import"))),
    ("post", "/library/import"): Operation(
        tag="library",
        answers={202: Answer(says="It has begun.", schema=ref("Import"))},
        errors=(404, 409, 507),
        body=request(
            {"folder": text(4096, "The whole path of a folder on the server.", minLength=1)},
            required=("folder",),
            closed=False,
        ),
        examples={"a folder": {"folder": FOLDER}},
    ),
    ("delete", "/library/import"): Operation(tag="library", answers=ok(ref("Import"))),
    ("patch", "/images/{image_id}"): Operation(
        tag="library",
        answers=ok(ref("Image"), "The picture."),
        errors=_DISK,
        body=request(
            {
                "favourite": either(FLAG),
                "tags": {
                    **either(listed(_TAG, maxItems=MAX_TAGS)),
                    "description": "All of the picture's tags.",
                },
            }
        ),
        examples={"both": {"favourite": True, "tags": ["circles", "red"]}},
        parameters=_IMAGE,
    ),
    ("delete", "/images/{image_id}"): Operation(
        tag="library",
        answers=ok(
            record(
                {
                    "id": TEXT,
                    "deleted": FLAG,
                    "file_kept": FLAG,
                    "message": TEXT,
                    "revision": WHOLE,
                }
            )
        ),
        errors=_DISK,
        parameters=_IMAGE,
    ),
    ("post", "/images/{image_id}/restore"): Operation(
        tag="library", answers=ok(ref("Image"), "The picture."), errors=_DISK, parameters=_IMAGE
    ),
    ("get", "/images/{image_id}/thumbnail"): Operation(
        tag="library",
        answers={
            200: Answer(says="The small picture.", schema=_FILE, media="image/webp"),
            304: Answer(says="It is what If-None-Match names."),
        },
        errors=(413, 507),
        parameters={**_IMAGE, "size": 128},
    ),
    ("get", "/boards"): Operation(
        tag="library", answers=ok(record({"boards": listed(ref("Board"))})), errors=_DISK
    ),
    ("post", "/boards"): Operation(
        tag="library",
        answers={201: Answer(says="The new board.", schema=ref("Board"))},
        errors=(409, 507),
        body=_NAMED,
        examples={"a board": {"name": "Circles"}},
    ),
    ("patch", "/boards/{board_id}"): Operation(
        tag="library",
        answers=ok(ref("Board")),
        errors=(409, 507),
        body=_NAMED,
        examples={"another name": {"name": "Round things"}},
        parameters={"board_id": BOARD},
    ),
    ("delete", "/boards/{board_id}"): Operation(
        tag="library",
        answers=ok(record({"id": TEXT, "deleted": FLAG})),
        errors=_DISK,
        parameters={"board_id": BOARD},
    ),
}
