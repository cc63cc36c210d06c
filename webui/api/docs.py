"""The page ``/docs``: the API's description as plain HTML, with nothing from other hosts."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .2rem; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0;
 border-bottom: 1px solid #8884; }
"""


def docs_router() -> APIRouter:
    """The route ``/docs``; its data is at ``/openapi.json``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(render(request.app.openapi()))

    return router


def render(spec: dict[str, Any]) -> str:
    """An OpenAPI description as an HTML page."""
    title = html.escape(spec["info"]["title"])
    body = "\n".join(_routes(spec))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{html.escape(spec['info'].get('description', ''))}</p>"
        f'<p>As data: <a href="/openapi.json">/openapi.json</a></p>\n{body}</body></html>'
    )


def _routes(spec: dict[str, Any]) -> Iterator[str]:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            name = html.escape(f"{method.upper()} {path}")
            yield f"<h2><code>{name}</code></h2>"
            said = operation.get("description") or operation.get("summary", "")
            yield f"<p>{html.escape(said)}</p>"
            query = [
                {"name": p["name"], **p.get("schema", {}), **p}
                for p in operation.get("parameters", [])
                if p["in"] == "query"
            ]
            yield _table(query)
            yield _table(_body_fields(spec, operation))


def _body_fields(spec: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    properties = (spec["components"]["schemas"][name] if name else schema).get("properties", {})
    return [{"name": name, **schema} for name, schema in properties.items()]


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{html.escape(row['name'])}</code></td><td>{_kind(row)}</td>"
        f"<td>{html.escape(str(row.get('default', '')))}</td>"
        f"<td>{html.escape(str(row.get('description', '')))}</td></tr>"
        for row in rows
    )
    return f"<table><tr><th>name</th><th>type</th><th>default</th><th></th></tr>{cells}</table>"


def _kind(row: dict[str, Any]) -> str:
    kind = row.get("type", "")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "minimum" in row and "maximum" in row:
        text += f", {row['minimum']} to {row['maximum']}"
    return html.escape(text)
