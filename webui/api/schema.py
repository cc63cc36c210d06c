"""The OpenAPI description of a request, derived from its field declarations."""

from __future__ import annotations

from typing import Any

from webui.core.choices import CHOICES
from webui.core.params import Field, fields_of

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def request_schema(request: type) -> dict[str, Any]:
    """A request class as a JSON schema object; no field has to be given, no other may be."""
    doc = (request.__doc__ or "").strip().splitlines()
    return {
        "type": "object",
        "title": request.__name__,
        "description": doc[0] if doc else "",
        "properties": {f.name: field_schema(f) for f in fields_of(request)},
        "additionalProperties": False,
    }


def field_schema(field: Field) -> dict[str, Any]:
    """One field as a JSON schema, with its bounds, default and texts."""
    p = field.param
    kind = _TYPES[field.type]
    bounds = {
        "minimum": p.minimum,
        "maximum": p.maximum,
        "multipleOf": p.multiple_of,
        "maxLength": p.max_chars,
    }
    if field.type is int:
        whole = ("minimum", "maximum")
        bounds |= {n: int(b) for n in whole if (b := bounds[n]) is not None}
    schema: dict[str, Any] = {
        "type": [kind, "null"] if field.optional else kind,
        "title": p.label,
        "description": p.help,
        "default": field.default,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }
    if p.choices is not None and p.choices in CHOICES:
        schema["examples"] = list(CHOICES[p.choices].names())
    return schema


def json_body(request: type) -> dict[str, Any]:
    """What to give a route as ``openapi_extra`` when its JSON body is this request."""
    content = {"application/json": {"schema": request_schema(request)}}
    return {"requestBody": {"required": True, "content": content}}
