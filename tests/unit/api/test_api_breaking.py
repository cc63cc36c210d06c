"""Which changes of the API's description break a client, and which do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from webui.api.breaking import breaking

OLD: dict[str, Any] = {
    "paths": {
        "/things": {
            "get": {
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 9}},
                    {"in": "header", "name": "Prefer", "schema": {"type": "string"}},
                ],
                "responses": {"200": {"$ref": "#/components/responses/Things"}, "404": {}},
            },
            "post": {
                "requestBody": {
                    "required": False,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/In"}}
                    },
                },
                "responses": {"202": {"description": "Taken."}},
            },
        }
    },
    "components": {
        "responses": {
            "Things": {
                "content": {
                    "application/json": {
                        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Out"}}
                    }
                }
            }
        },
        "schemas": {
            "In": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "maxLength": 20},
                    "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                },
            },
            "Out": {
                "type": "object",
                "required": ["id", "state"],
                "properties": {
                    "id": {"type": "string"},
                    "state": {"type": "string", "enum": ["on", "off"]},
                    "more": {"anyOf": [{"$ref": "#/components/schemas/More"}, {"type": "null"}]},
                    "next": {"$ref": "#/components/schemas/Out"},
                },
            },
            "More": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    },
}
Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    """The document after a change of (paths' operations, what is sent, what comes back)."""
    new = copy.deepcopy(OLD)
    schemas = new["components"]["schemas"]
    change(new["paths"]["/things"], schemas["In"], schemas["Out"])
    return new


def size(**bounds: Any) -> Change:
    return lambda ops, sent, got: sent["properties"]["size"].update(bounds)


BREAKING: list[tuple[str, Change]] = [
    ("GET /things is gone", lambda ops, sent, got: ops.pop("get")),
    ("parameter limit is gone", lambda ops, sent, got: ops["get"]["parameters"].pop(0)),
    (
        "parameter limit has to be given",
        lambda ops, sent, got: ops["get"]["parameters"][0].update(required=True),
    ),
    (
        "maximum 5",
        lambda ops, sent, got: ops["get"]["parameters"][0]["schema"].update(maximum=5),
    ),
    (
        "parameter page is new and has to be given",
        lambda ops, sent, got: ops["get"]["parameters"].append(
            {"in": "query", "name": "page", "required": True, "schema": {}}
        ),
    ),
    ("answer 202 is gone", lambda ops, sent, got: ops["post"]["responses"].pop("202")),
    ("body has to be given", lambda ops, sent, got: ops["post"]["requestBody"].update(required=1)),
    (
        "body may no longer be application/json",
        lambda ops, sent, got: ops["post"]["requestBody"].update(content={"text/plain": {}}),
    ),
    ("body.name is gone", lambda ops, sent, got: sent["properties"].pop("name")),
    ("body.name has to be given", lambda ops, sent, got: sent.update(required=["name"])),
    ("body.size no longer takes null", size(type="integer")),
    ("body.size has minimum 2", size(minimum=2)),
    ("body.size has maximum 99", size(maximum=99)),
    ("body.size has multipleOf 8", size(multipleOf=8)),
    (
        "body.kind no longer takes 'b'",
        lambda ops, sent, got: sent["properties"]["kind"].update(enum=["a"]),
    ),
    (
        "body.name no longer takes anything but 'x'",
        lambda ops, sent, got: sent["properties"]["name"].update(enum=["x"]),
    ),
    (
        "body.tags[] no longer takes string",
        lambda ops, sent, got: sent["properties"]["tags"].update(items={"type": "integer"}),
    ),
    ("[].id is gone", lambda ops, sent, got: got["properties"].pop("id")),
    ("[].id may be missing", lambda ops, sent, got: got.update(required=["state"])),
    (
        "[].id may now be null",
        lambda ops, sent, got: got["properties"]["id"].update(type=["string", "null"]),
    ),
    (
        "[].state may now be 'broken'",
        lambda ops, sent, got: got["properties"]["state"]["enum"].append("broken"),
    ),
    ("[].more may now be string", lambda ops, sent, got: got["properties"].update(more={
        "type": ["object", "null", "string"]})),
]  # fmt: skip
HARMLESS: list[Change] = [
    lambda ops, sent, got: None,
    lambda ops, sent, got: ops.update(put={"responses": {}}),
    lambda ops, sent, got: ops["get"]["parameters"].append(
        {"in": "query", "name": "page", "schema": {}}
    ),
    lambda ops, sent, got: ops["get"]["parameters"][1].update(name="prefer"),
    lambda ops, sent, got: ops["get"]["parameters"][0]["schema"].pop("maximum"),
    lambda ops, sent, got: ops["get"]["responses"].pop("404"),
    lambda ops, sent, got: sent["properties"].update(new={"type": "string"}),
    lambda ops, sent, got: sent.pop("additionalProperties"),
    size(minimum=0, maximum=1000),
    size(type=["integer", "null", "string"]),
    lambda ops, sent, got: sent["properties"]["kind"]["enum"].append("c"),
    lambda ops, sent, got: got["properties"].update(new={"type": "string"}),
    lambda ops, sent, got: got["required"].append("more"),
    lambda ops, sent, got: got["properties"]["state"].update(enum=["on"]),
    lambda ops, sent, got: got.update(description="What comes back."),
]


@pytest.mark.parametrize(("said", "change"), BREAKING, ids=[said for said, _ in BREAKING])
def test_what_breaks_a_client_is_said(said: str, change: Change) -> None:
    found = breaking(OLD, changed(change))
    assert any(said in sentence for sentence in found), found


@pytest.mark.parametrize("change", HARMLESS)
def test_what_only_adds_is_let_through(change: Change) -> None:
    assert breaking(OLD, changed(change)) == []
