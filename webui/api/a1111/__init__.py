"""A1111's HTTP API, ``/sdapi/v1`` and ``/internal``, as version 1.10 answers it.

Nothing is drawn here: requests become the one frozen request and are jobs of the one queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from webui.api.a1111 import control, errors, internal, lists
from webui.api.a1111.errors import ProcessTime
from webui.api.a1111.extras import Extras
from webui.api.a1111.generation import Generation
from webui.api.a1111.options import Options
from webui.api.a1111.progress import Progress
from webui.api.a1111.tasks import Tasks
from webui.api.live import Hub
from webui.core.errors import NotFound

if TYPE_CHECKING:
    from webui.services import Services
    from webui.settings import Settings

__all__ = ["ProcessTime", "install", "routers"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def install(app: FastAPI, services: Services, hub: Hub, settings: Settings) -> None:
    """Add the routes to ``app``, and answer their errors in A1111's shape.

    Called behind ``webui.api.errors.install``, whose handlers stay for all other addresses.
    """
    errors.install(app)
    for router in routers(services, hub, settings):
        app.include_router(router)


def routers(services: Services, hub: Hub, settings: Settings) -> list[APIRouter]:
    """Every route of A1111's API; the last one answers for addresses that there are none of."""
    tasks, options = Tasks(), Options(services, settings)
    generation = Generation(services, hub, tasks, options)
    found = [
        generation.router(),
        Progress(services, tasks).router(),
        lists.router(services),
        options.router(),
        Extras(services, hub, tasks, generation.put_away).router(),
        control.router(services, settings),
        internal.router(services),
    ]
    return [*found, _rest(found)]


def _rest(routers: Iterable[APIRouter]) -> APIRouter:
    """What is no route of these must not reach the page behind them: one answer for all of it."""
    allowed: dict[str, set[str]] = {}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute):
            allowed.setdefault(route.path, set()).update(route.methods or ())

    async def missing(request: Request) -> None:
        """Say what is not there: the address (404), or its method (405, as A1111 answers)."""
        path = request.url.path
        if path in allowed:
            headers = {"allow": ", ".join(sorted(allowed[path]))}
            raise HTTPException(405, "Method Not Allowed", headers)
        raise NotFound(f"There is no {request.method} {path[:200]}; see /docs.")

    rest = APIRouter()
    for path in ("/sdapi/{path:path}", "/internal/{path:path}"):
        rest.add_api_route(path, missing, methods=_METHODS, include_in_schema=False)
    return rest
