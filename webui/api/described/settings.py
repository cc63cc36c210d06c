"""Settings, what a form begins with, and presets."""

from __future__ import annotations

from webui.api.described.operation import (
    FLAG,
    TEXT,
    Operation,
    listed,
    mapping,
    ok,
    record,
    ref,
    text,
)
from webui.api.described.operation import body as request
from webui.api.described.shapes import FOLDER, PRESET
from webui.settings.store import MAX_AT_ONCE

_SETTINGS = ok(record({"settings": listed(ref("Setting"))}), "The settings that were changed.")
_DEFAULTS = {"type": "object", "properties": {"txt2img": mapping()}}
_PROBLEMS = listed(record({"name": TEXT, "message": TEXT}))
_IMPORTED = record(
    {
        "program": TEXT,
        "folder": TEXT,
        "checkpoints": listed(TEXT),
        "settings": mapping(),
        "defaults": mapping(),
        "styles": record({"added": listed(TEXT), "kept": listed(TEXT)}),
        "taken": listed(TEXT),
        "refused": _PROBLEMS,
        "unknown": listed(TEXT),
    }
)
_NAME = {"name": PRESET}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/settings"): Operation(
        tag="settings",
        answers=ok(record({"settings": listed(ref("Setting")), "may_change": FLAG})),
    ),
    ("patch", "/settings"): Operation(
        tag="settings",
        answers=_SETTINGS,
        errors=(404, 409, 507),
        body={**mapping(), "maxProperties": MAX_AT_ONCE, "description": "New values by name."},
        optional=True,
        examples={"two": {"saving.format": "webp", "saving.quality": None}},
    ),
    ("delete", "/settings/{name}"): Operation(
        tag="settings",
        answers=_SETTINGS,
        errors=(409, 507),
        parameters={"name": "saving.format"},
    ),
    ("post", "/settings/import"): Operation(
        tag="settings",
        answers=ok(_IMPORTED, "What was taken over."),
        errors=(404, 409, 507),
        body=request(
            {"folder": text(4000, "Its whole path on the server.", minLength=1)},
            required=("folder",),
            closed=False,
        ),
        examples={"an installation": {"folder": FOLDER}},
    ),
    ("get", "/defaults"): Operation(tag="settings", answers=ok(_DEFAULTS)),
    ("put", "/defaults"): Operation(
        tag="settings",
        answers=ok(_DEFAULTS),
        errors=(507,),
        body={
            "type": "object",
            "properties": {"txt2img": {**mapping(), "description": "Fields of a request."}},
            "additionalProperties": False,
        },
        optional=True,
        examples={"more steps": {"txt2img": {"steps": 30}}},
    ),
    ("delete", "/defaults"): Operation(
        tag="settings", answers=ok({"type": "object"}), errors=(507,)
    ),
    ("get", "/presets"): Operation(
        tag="settings", answers=ok(record({"presets": listed(ref("Preset"))})), errors=(507,)
    ),
    ("get", "/presets/{name}"): Operation(
        tag="settings", answers=ok(ref("Preset")), errors=(507,), parameters=_NAME
    ),
    ("put", "/presets/{name}"): Operation(
        tag="settings",
        answers=ok(ref("Preset")),
        errors=(409, 507),
        body=ref("Txt2Img"),
        optional=True,
        examples={"a fast one": {"sampler": "LCM", "steps": 8, "cfg_scale": 1.5}},
        parameters={"name": "fast"},
    ),
    ("delete", "/presets/{name}"): Operation(
        tag="settings",
        answers=ok(record({"name": TEXT, "deleted": FLAG})),
        errors=(507,),
        parameters=_NAME,
    ),
}
