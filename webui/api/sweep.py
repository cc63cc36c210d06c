"""Scripts over HTTP, ``/api/v1/sweeps``: X/Y/Z plot, prompt matrix, prompts from file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import PREFIX, answer, read_json
from webui.api.submit import Prefer
from webui.api.views import job_view
from webui.api.waiting import Wait, ended
from webui.core.axes import AxisKind, axis_kinds
from webui.core.choices import CHOICES
from webui.core.errors import InvalidRequest
from webui.core.requests import DrawRequest, Series, drawn_from
from webui.core.sweep import SCRIPTS, plan, switches

if TYPE_CHECKING:
    from webui.catalog import Catalog
    from webui.services import Services

MAX_RECIPE_CHARS = 2_500_000
"""The longest options that are kept with a job."""
_OPTIONS = {
    "script", "x", "y", "z", "different_seeds", "legend", "target", "joiner", "start", "text",
    "place", "iterate_seed",
}  # fmt: skip


class SweepRoutes:
    """The routes' functions. A sweep is a job like any other: its owner follows and ends it."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._catalog = services.catalog
        self._queue = services.queue
        self._hub = hub

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route(
            "/sweeps", self.sweep, methods=["POST"], status_code=202, openapi_extra=_BODY
        )
        router.add_api_route("/sweeps/plan", self.plan, methods=["POST"], openapi_extra=_BODY)
        router.add_api_route("/sweeps/axes", self.axes, methods=["GET"])
        return router

    async def sweep(
        self,
        request: Request,
        wait: bool = False,
        prefer: Prefer = None,  # noqa: ARG002  declared to be documented; read from the headers
    ) -> Response:
        """Draw all that a script makes of a request; answers at once with the one job.

        The body holds the request's fields under request, and the script's options: script is
        xyz (with x, y, z as {"axis": name, "values": text}), matrix or lines. With wait=true, or
        the header Prefer: wait=30, it answers when the job has ended.
        """
        caller = caller_of(request)
        series = await run_in_threadpool(_series, await read_json(request))
        job = await run_in_threadpool(self._queue.submit, series, caller=caller)
        patience = Wait.of(request, wait)
        job = await ended(self._hub, job.id, caller, patience)
        headers = {"location": f"{PREFIX}/jobs/{job.id}", **patience.headers}
        return answer({"job": job_view(job, caller)}, 200 if job.ended else 202, headers)

    async def plan(self, request: Request) -> Response:
        """How many pictures a sweep would draw, and how often the checkpoint would be switched."""
        caller_of(request)
        body = await read_json(request)
        return answer(await run_in_threadpool(self._counted, body))

    def axes(self, request: Request) -> Response:
        """What an axis can vary, with the names to choose from where it is a choice."""
        caller_of(request)
        names = {kind: list(known.names()) for kind, known in CHOICES.items()}
        names |= {kind: list(known) for kind, known in self._catalog.choices().items()}
        return answer({"axes": [_axis_view(kind, names) for kind in axis_kinds()]})

    def _counted(self, body: Mapping[str, Any]) -> dict[str, int]:
        series = _series(body)
        cells = [replace(series.base, **dict(cell)) for cell in series.cells]
        known: dict[str, str] = {}
        named = [_with_name(cell, self._catalog, known) for cell in cells]
        return {"pictures": sum(cell.count for cell in cells), "switches": switches(named)}


def _with_name(request: DrawRequest, catalog: Catalog, known: dict[str, str]) -> DrawRequest:
    """The request with its checkpoint's whole name; ``known`` remembers those looked up."""
    name = request.checkpoint
    if name not in known:
        known[name] = catalog.resolve(name).name
    return request if known[name] == name else replace(request, checkpoint=known[name])


def _series(body: Mapping[str, Any]) -> Series:
    """The series that a body asks for; what it was asked with is kept with it."""
    fields, options = _taken_apart(body)
    series = plan(drawn_from(fields), options)
    recipe = json.dumps(options, ensure_ascii=False)
    if len(recipe) > MAX_RECIPE_CHARS:
        raise InvalidRequest("The sweep's options are too long.")
    return replace(series, recipe=recipe)


def _taken_apart(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    fields = body.get("request", {})
    if not isinstance(fields, dict):
        raise InvalidRequest("request is an object with fields.", field="request")
    options = {name: value for name, value in body.items() if name != "request"}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise InvalidRequest(
                f"A sweep has no option {name[:60]!r}; they are {', '.join(sorted(_OPTIONS))}.",
                field=name[:60],
            )
        _check_option(name, value)
    return cast("Mapping[str, Any]", fields), options


def _check_option(name: str, value: Any) -> None:
    """Options are kept, those too that a script does not look at: texts, switches, axes only."""
    if value is None or isinstance(value, bool):
        return
    axis = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    for text in [value] if axis is None else [*axis, *axis.values()]:
        if not isinstance(text, str):
            raise InvalidRequest(f"{name} cannot be read.", field=name)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidRequest(
                f"{name} holds half a character, which is no text.", field=name
            ) from None


def _axis_view(kind: AxisKind, names: Mapping[str, list[str]]) -> dict[str, Any]:
    view: dict[str, Any] = {"name": kind.name, "label": kind.label}
    if kind.choices is not None:
        view["values"] = names.get(kind.choices, [])
    elif kind.field is not None and kind.field.type is bool:
        view["values"] = ["True", "False"]
    return view


_AXIS = {
    "type": "object",
    "properties": {"axis": {"type": "string"}, "values": {"type": "string"}},
}
_SCHEMA = {
    "type": "object",
    "properties": {
        "request": {"type": "object", "description": "The fields of a txt2img request."},
        "script": {"type": "string", "enum": list(SCRIPTS)},
        "x": _AXIS,
        "y": _AXIS,
        "z": _AXIS,
        "different_seeds": {"type": "boolean", "default": False},
        "legend": {"type": "boolean", "default": True},
        "target": {"type": "string", "enum": ["prompt", "negative_prompt"]},
        "joiner": {"type": "string", "enum": ["comma", "space"]},
        "start": {"type": "boolean", "default": False},
        "text": {"type": "string", "description": "Prompts, one on each line."},
        "place": {"type": "string", "enum": ["end", "start", "none"]},
        "iterate_seed": {"type": "boolean", "default": False},
    },
    "required": ["script"],
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
