"""Help with filling in a form: styles, tags, tokens, the parameters of old pictures."""

from __future__ import annotations

from typing import Any

from webui.api.assist import MAX_COUNTED_CHARS, MAX_INFOTEXT_CHARS, MAX_NAME_CHARS
from webui.api.described.operation import (
    FLAG,
    TEXT,
    WHOLE,
    Operation,
    either,
    listed,
    mapping,
    ok,
    record,
    ref,
    text,
)
from webui.api.described.operation import body as request
from webui.api.described.shapes import IMAGE, STYLE
from webui.api.schema import field_schema
from webui.core.params import fields_of
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.core.requests import Txt2Img

_FIELDS = {field.name: field_schema(field) for field in fields_of(Txt2Img)}
_STYLES = ok(record({"styles": listed(ref("Style"))}), "All styles, in their order.")
_TOLD = ok(
    record(
        {
            "values": {**mapping(), "description": "Fields of a request."},
            "problems": {**listed(TEXT), "description": "What cannot be used, in sentences."},
            "has_parameters": FLAG,
            "text": TEXT,
            "exact": {**FLAG, "description": "The values are the whole request's."},
            "program": TEXT,
            "place": TEXT,
            "prompt": TEXT,
            "negative_prompt": TEXT,
            "pairs": listed(record({"key": TEXT, "value": TEXT, "known": FLAG})),
            "texts": listed(record({"name": TEXT, "text": TEXT})),
            "width": WHOLE,
            "height": WHOLE,
            "format": TEXT,
            "styles": either(listed(TEXT)),
        }
    ),
    "What it says.",
)
_INFOTEXT = (
    "a red circle\nNegative prompt: text\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
)
_TOKENS: dict[str, Any] = {
    "text": text(MAX_COUNTED_CHARS, default=""),
    "checkpoint": text(500, "Empty for the default one.", default=""),
    "steps": _FIELDS["steps"],
    "emphasis": _FIELDS["emphasis"],
    "negative": {**FLAG, "default": False},
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/names"): Operation(
        tag="prompts",
        answers=ok(record({"names": listed(record({"kind": TEXT, "name": TEXT})), "tags": WHOLE})),
        errors=(507,),
    ),
    ("get", "/tags"): Operation(
        tag="prompts",
        answers=ok(
            record(
                {
                    "tags": listed(
                        record(
                            {
                                "name": TEXT,
                                "text": TEXT,
                                "category": WHOLE,
                                "count": WHOLE,
                                "alias": either(TEXT),
                            }
                        )
                    )
                }
            )
        ),
        parameters={"q": "blue", "limit": 5},
    ),
    ("get", "/styles"): Operation(tag="prompts", answers=_STYLES, errors=(507,)),
    ("put", "/styles"): Operation(
        tag="prompts",
        answers=_STYLES,
        errors=(507,),
        body=request(
            {
                "name": text(MAX_NAME_CHARS, minLength=1),
                "prompt": text(MAX_PROMPT_CHARS, default=""),
                "negative_prompt": text(MAX_PROMPT_CHARS, default=""),
                "replaces": text(
                    MAX_NAME_CHARS, "The style that it takes the place of.", default=""
                ),
            },
            required=("name",),
        ),
        examples={
            "a style": {
                "name": "ink",
                "prompt": "ink drawing of {prompt}",
                "negative_prompt": "colours",
            }
        },
    ),
    ("delete", "/styles"): Operation(
        tag="prompts", answers=_STYLES, errors=(404, 507), parameters={"name": STYLE}
    ),
    ("post", "/tokens"): Operation(
        tag="prompts",
        answers=ok(
            record(
                {
                    "tokens": WHOLE,
                    "room": {**WHOLE, "description": "How many its chunks hold."},
                    "chunks": listed(WHOLE),
                    "problems": listed(TEXT),
                }
            )
        ),
        errors=(404,),
        body=request(_TOKENS, closed=False),
        optional=True,
        examples={"a prompt": {"text": "a (red:1.2) circle"}},
    ),
    ("post", "/infotext/parse"): Operation(
        tag="prompts",
        answers=_TOLD,
        errors=(507,),
        body=request({"text": text(MAX_INFOTEXT_CHARS, default="")}, closed=False),
        optional=True,
        examples={"A1111's text": {"text": _INFOTEXT}},
    ),
    ("post", "/infotext/picture"): Operation(
        tag="prompts",
        answers=_TOLD,
        errors=(507,),
        body={"type": "string", "format": "binary"},
        media="application/octet-stream",
        parameters={"whole": True},
    ),
    ("get", "/infotext/images/{image_id}"): Operation(
        tag="prompts", answers=_TOLD, errors=(404, 507), parameters={"image_id": IMAGE}
    ),
}
