"""A1111's routes that act on the program: models out of memory and back, training, stopping.

``unload-checkpoint`` and ``reload-checkpoint`` act on the worker's memory and answer when it is
done. Training is not there (501). The server's end exists with ``--api-server-stop`` only, as in
A1111, and for administrators.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from webui.api.a1111.models import current_checkpoint
from webui.api.errors import NotSupported
from webui.api.guard import caller_of
from webui.api.native import answer
from webui.core.errors import Conflict, Forbidden, NotFound, Unavailable
from webui.jobs import ExecutorStatus

if TYPE_CHECKING:
    from webui.services import Services
    from webui.settings import Settings

PREFIX = "/sdapi/v1"
PATIENCE = 180.0
"""So many seconds the worker may take to load or drop a checkpoint."""
_GLANCE = 0.03
_TRAINING = (
    "/create/embedding", "/create/hypernetwork", "/train/embedding", "/train/hypernetwork",
)  # fmt: skip
_STOPPING = ("/server-stop", "/server-kill")


def router(services: Services, settings: Settings) -> APIRouter:
    """The routes."""
    return Control(services, settings).router()


class Control:
    """The routes' functions."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._services = services
        self._may_stop = settings.server.api_server_stop

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/unload-checkpoint", self.unload, methods=["POST"])
        router.add_api_route("/reload-checkpoint", self.reload, methods=["POST"])
        for path in _TRAINING:
            router.add_api_route(path, self.train, methods=["POST"])
        if self._may_stop:
            for path in _STOPPING:
                router.add_api_route(path, self.stop, methods=["POST"])
            router.add_api_route("/server-restart", self.restart, methods=["POST"])
        return router

    async def unload(self, request: Request) -> Response:
        """Drop the models from memory, but for what is being drawn with; for administrators."""
        _check_admin(request, "unload the checkpoint")
        queue = self._services.queue
        if queue.status.state == "ready":
            await self._told(queue.unload)
        return answer({})

    async def reload(self, request: Request) -> Response:
        """Bring the chosen checkpoint into memory before a job needs it; for administrators."""
        _check_admin(request, "load the checkpoint")
        chosen = current_checkpoint(self._services)
        if chosen is None:
            raise NotFound("There is no checkpoint.")
        status = await self._told(lambda: self._services.queue.load(chosen))
        if status.stats is None or chosen.name not in status.stats.loaded:
            raise Conflict(f"The checkpoint {chosen.name!r} could not be loaded; the log says why.")
        return answer({})

    async def train(self) -> Response:
        """Easel trains nothing."""
        raise NotSupported("Easel cannot train embeddings or hypernetworks.")

    async def stop(self, request: Request) -> Response:
        """End the server once this is answered; for administrators."""
        _check_admin(request, "stop the server")
        server = request.app.state.server
        if server is None:
            raise Conflict("The server was not started by Easel; stop it where it was started.")
        server.should_exit = True
        return PlainTextResponse("Stopping.", headers={"cache-control": "no-store"})

    async def restart(self, request: Request) -> Response:
        """Easel cannot start itself again."""
        _check_admin(request, "restart the server")
        raise NotSupported("Easel cannot start itself again; stop it and start it anew.")

    async def _told(self, tell: Callable[[], None]) -> ExecutorStatus:
        """The worker's status once it has answered with new stats, ``Unavailable`` if it does not
        or ends meanwhile."""
        queue = self._services.queue
        before = queue.status
        await asyncio.to_thread(tell)
        clock = asyncio.get_running_loop().time
        end = clock() + PATIENCE
        while (now := queue.status).stats is None or now.stats is before.stats:
            if now.restarts > before.restarts or now.state == "closed" or clock() > end:
                raise Unavailable("The drawing process did not answer.", retry_after=10)
            await asyncio.sleep(_GLANCE)
        return now


def _check_admin(request: Request, what: str) -> None:
    if not caller_of(request).is_admin:
        raise Forbidden(f"Only an administrator may {what}.")
