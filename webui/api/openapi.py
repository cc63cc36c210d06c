"""The OpenAPI document: the routes' own declarations, and what ``described`` adds to them.

What is promised to clients is ``/api/v1`` alone; :mod:`webui.api.document` writes the stored copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI

from webui.api.described import OPERATIONS, Operation
from webui.api.described.operation import JSON, Answer, ref
from webui.api.described.shapes import ERRORS, SCHEMAS
from webui.api.native import PREFIX

API_VERSION = "1.0.0"
"""Of ``/api/v1``: the second number grows when something is added; a change that breaks a client
gets a prefix of its own."""

_ALWAYS = (400, 401, 403, 414, 429, 431)
_HEADERS = {
    429: {"Retry-After": "In how many seconds to try again."},
    503: {
        "Retry-After": "In how many seconds to look again.",
        "Location": "Where the kept job is.",
    },
}
_METHODS = ("get", "put", "post", "delete", "patch")
_PARAMETERS = {
    "job_id": "A job's id.",
    "image_id": "A picture's id.",
    "board_id": "A board's id.",
    "input_id": "The id of a picture that was sent.",
    "name": "Its name.",
    "wait": "Answer when the job has ended.",
    "q": "Words, quoted phrases and filters.",
    "board": "Only on the board of this id.",
    "tag": "Only with exactly this tag.",
    "favourite": "Only favourites.",
    "deleted": "What is in the trash.",
    "sort": "newest or oldest first.",
    "offset": "How many to leave out.",
    "limit": "The most to list.",
}
_ID = {"job_id", "image_id", "board_id", "input_id"}
_SORT = {"enum": ["newest", "oldest"]}
_SIZE = {"enum": [128, 256, 512]}

_TAGS = {
    "drawing": "What makes jobs: requests, batches, sweeps, ranking.",
    "jobs": "What becomes of them: state, events, pictures.",
    "library": "The finished pictures, with marks and boards.",
    "prompts": "Help with writing prompts and reading old ones.",
    "settings": "Settings, the form's defaults, presets.",
    "server": "What there is to choose from, and how the server is.",
    "stable-diffusion-webui": "For programs that were written for A1111; as loose as there.",
    "openai": "For programs that were written for OpenAI's pictures.",
}
_OTHERS = {
    "/sdapi/": "stable-diffusion-webui",
    "/internal/": "stable-diffusion-webui",
    "/sd_extra_networks/": "stable-diffusion-webui",
    "/v1/": "openai",
}

Document = dict[str, Any]


def describe(app: FastAPI) -> None:
    """Let ``app`` describe itself whole, at ``/openapi.json`` and ``/docs``."""
    plain: Callable[[], Document] = app.openapi
    made: list[tuple[Document, Document]] = []

    def openapi() -> Document:
        found = plain()  # the same object as long as no route is added
        if not made or made[0][0] is not found:
            made[:] = [(found, _completed(json.loads(json.dumps(found))))]
        return made[0][1]

    app.openapi = openapi  # type: ignore[method-assign]


def allowed(app: FastAPI, path: str) -> list[str]:
    """The methods of the operations at a path, for ``Allow``; empty if there is no such path."""
    for template, operations in app.openapi()["paths"].items():
        pattern = "/".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/")
        )
        if re.fullmatch(pattern, path):
            return [method.upper() for method in operations if method in _METHODS]
    return []


def promised(document: Document) -> Document:
    """What of a document is promised to clients: ``/api/v1`` and the components it needs."""
    paths = {path: each for path, each in document["paths"].items() if path.startswith(PREFIX)}
    found: dict[str, Any] = {}
    left = [paths, document["components"]["responses"]]
    while left:
        for kind, name in _references(left.pop()):
            if kind == "schemas" and name not in found:
                found[name] = document["components"]["schemas"][name]
                left.append(found[name])
    kept = {name: found[name] for name in sorted(found)}
    components = {"schemas": kept, "responses": document["components"]["responses"]}
    tags = [tag for tag in document["tags"] if tag["name"] not in _OTHERS.values()]
    return {**document, "paths": paths, "components": components, "tags": tags}


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and declaration of each operation of ``/api/v1``."""
    for path, each in document["paths"].items():
        if path.startswith(PREFIX):
            for method in _METHODS:
                if method in each:
                    yield method, path, each[method]


def text(document: Document) -> str:
    """A document as the stored copy has it."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _completed(document: Document) -> Document:
    document["info"] |= {"version": API_VERSION}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= SCHEMAS
    document["components"]["responses"] = _errors()
    document["tags"] = [{"name": name, "description": says} for name, says in _TAGS.items()]
    for path, each in document["paths"].items():
        tag = next((tag for prefix, tag in _OTHERS.items() if path.startswith(prefix)), None)
        for operation in each.values() if tag else ():
            operation.setdefault("tags", [tag])
    for method, path, operation in operations(document):
        described = OPERATIONS.get((method, path.removeprefix(PREFIX)))
        if described is not None:
            _complete(operation, described, method, path)
    return document


def _complete(operation: dict[str, Any], told: Operation, method: str, path: str) -> None:
    doc = " ".join(operation.get("description", "").split())
    operation |= {
        "tags": [told.tag],
        "summary": re.split(r"(?<=[^.])\.(?: |$)|;", doc)[0],
        "description": doc,
        "operationId": _name(method, path),
    }
    for parameter in operation.get("parameters", []):
        _explain(parameter, told)
    if told.body is not None:
        content: dict[str, Any] = {"schema": told.body}
        if told.examples:
            content["examples"] = {name: {"value": v} for name, v in told.examples.items()}
        operation["requestBody"] = {"required": not told.optional, "content": {told.media: content}}
    else:
        operation.pop("requestBody", None)
    operation["responses"] = _responses(operation, told)
    operation["x-codeSamples"] = [{"lang": "Shell", "source": _curl(method, path, told)}]


def _explain(parameter: dict[str, Any], told: Operation) -> None:
    name, schema = parameter["name"], parameter["schema"]
    parameter.setdefault("description", _PARAMETERS.get(name, ""))
    for name_of in ("title", "description"):
        schema.pop(name_of, None)
    kinds = schema.pop("anyOf", None)
    if kinds is not None:  # a parameter that is left out is no null
        schema |= next(kind for kind in kinds if kind.get("type") != "null")
        schema.pop("default", None)
    if name in _ID:
        schema["pattern"] = "^[A-Za-z0-9_-]{1,100}$"
    if name == "sort":
        schema |= _SORT
    if name == "size":
        schema |= _SIZE
    if name in told.parameters:
        parameter["example"] = told.parameters[name]


def _responses(operation: dict[str, Any], told: Operation) -> dict[str, Any]:
    found = {str(status): _answer(answer) for status, answer in told.answers.items()}
    errors = {*_ALWAYS, *told.errors}
    if operation.get("parameters"):
        errors.add(422)
    if any(p["in"] == "path" for p in operation.get("parameters", [])):
        errors.add(404)
    if told.body is not None:
        errors |= {413, 422}
    for status in sorted(errors):
        found[str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    return found


def _errors() -> dict[str, Any]:
    """The answers that are errors; their statuses as :data:`ERRORS` explains them."""
    found: dict[str, Any] = {}
    for status, says in ERRORS.items():
        answer = Answer(says=says, schema=ref("Refusal"), headers=_HEADERS.get(status, {}))
        found[f"Error{status}"] = _answer(answer)
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.says}
    if answer.schema is not None:
        found["content"] = {answer.media: {"schema": answer.schema}}
    if answer.headers:
        found["headers"] = _headers(answer.headers)
    return found


def _headers(texts: Any) -> dict[str, Any]:
    return {
        name: {"description": says, "schema": {"type": "string"}} for name, says in texts.items()
    }


def _name(method: str, path: str) -> str:
    """``get_jobs_by_id_events``: the same as long as the path is."""
    parts = path.removeprefix(PREFIX + "/").replace("-", "_").split("/")
    return "_".join([method, *("by_" + p[1:-1] if p.startswith("{") else p for p in parts)])


def _curl(method: str, path: str, told: Operation) -> str:
    """The operation's first example as a command."""
    values = dict(told.parameters)
    for name in re.findall(r"\{(\w+)\}", path):
        path = path.replace(f"{{{name}}}", str(values.pop(name, name)))
    headers = {n: values.pop(n) for n in ("Prefer", "Idempotency-Key") if n in values}
    query = "&".join(
        f"{n}={str(v).lower() if v in (True, False) else v}" for n, v in values.items()
    )
    words = [f"curl -s -X {method.upper()} 'http://127.0.0.1:7860{path}{'?' * bool(query)}{query}'"]
    words += [f"-H '{name}: {value}'" for name, value in headers.items()]
    if told.media != JSON:
        words.append("--data-binary @picture.png")
    elif told.examples:
        body = json.dumps(next(iter(told.examples.values())), ensure_ascii=False)
        quoted = body.replace("'", "'\\''")
        words += ["-H 'Content-Type: application/json'", f"-d '{quoted}'"]
    return " \\\n  ".join(words)


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of the components that a part of the document names."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                _, kind, name = each.rsplit("/", 2)
                yield kind, name
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
