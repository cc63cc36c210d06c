"""The declaration of one operation, and small words to write JSON schemas with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]

JSON = "application/json"
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
TIME: Schema = {"type": "number", "description": "Seconds since 1970."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer; ``schema`` of None has no body, ``media`` is its type."""

    says: str
    schema: Schema | None = None
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the document adds to a route's own declaration.

    ``answers`` by status; ``errors`` are the statuses beside those that every operation of its kind
    has. ``body`` is the request's schema, ``examples`` bodies by name, ``optional`` whether it may
    be left out. ``parameters`` are examples by name, ``media`` the body's type.
    """

    tag: str
    answers: Mapping[int, Answer]
    errors: tuple[int, ...] = ()
    body: Schema | None = None
    optional: bool = False
    media: str = JSON
    examples: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def ok(schema: Schema, says: str = "Done.") -> dict[int, Answer]:
    """200 with a body."""
    return {200: Answer(says=says, schema=schema)}


def record(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object that has all of these properties, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def body(
    properties: Mapping[str, Schema], *, required: tuple[str, ...] = (), closed: bool = True
) -> Schema:
    """The object a request brings; ``closed``: other names are refused."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def listed(items: Schema, **bounds: int) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **bounds}


def either(schema: Schema) -> Schema:
    """This or null."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """A component."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(most: int, says: str = "", **more: Any) -> Schema:
    """A text of at most so many characters."""
    return {"type": "string", "maxLength": most, **({"description": says} if says else {}), **more}


def one_of(*names: str, **more: Any) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(names), **more}


def mapping(values: Schema | None = None) -> Schema:
    """An object with names of its own."""
    return {"type": "object", "additionalProperties": values if values is not None else True}
