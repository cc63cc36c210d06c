"""Pictures enlarged: ``/api/v1/upscale`` and ``/api/v1/upscalers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import PREFIX, answer, read_json
from webui.api.submit import REPLAYED, Key, Prefer
from webui.api.views import job_view
from webui.api.waiting import Wait, ended
from webui.core.requests import Upscale
from webui.jobs import Once

if TYPE_CHECKING:
    from webui.services import Services


class UpscaleRoutes:
    """The routes' functions."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/upscale", self.upscale, methods=["POST"], status_code=202)
        router.add_api_route("/upscalers", self.upscalers, methods=["GET"])
        return router

    async def upscale(
        self,
        request: Request,
        wait: Annotated[bool, Query(description="Answer when the job has ended.")] = False,
        prefer: Prefer = None,  # noqa: ARG002  declared to be documented; read from the headers
        key: Key = None,
    ) -> Response:
        """Enlarge pictures, by a method or a model; answers at once with the job.

        images are ids of POST /inputs. With width or height they are enlarged until that is filled,
        else scale times; sides are rounded down to multiples of 8, as in A1111. Waiting and
        repeating are as with txt2img.
        """
        caller, queue = caller_of(request), self._services.queue
        values = await read_json(request)
        once = None if key is None else Once.of(key, ["upscale", values])
        wanted = Upscale.asked(values)
        replayed = bool(queue.submitted(once, caller))
        job = await run_in_threadpool(queue.submit, wanted, caller=caller, once=once)
        patience = Wait.of(request, wait)
        job = await ended(self._hub, job.id, caller, patience)
        headers = {"location": f"{PREFIX}/jobs/{job.id}", **patience.headers}
        if replayed:
            headers[REPLAYED] = "true"
        return answer({"job": job_view(job, caller)}, 200 if job.ended else 202, headers)

    def upscalers(self) -> Response:
        """What enlarges: the built-in methods, and the model files with their scale.

        problems are files that cannot be used, with one sentence each.
        """
        found = self._services.catalog.upscalers()
        scales = {file.ref.name: file.scale for file in found.files}
        listed = [
            {"name": name, "model": name in scales, "scale": scales.get(name)}
            for name in found.names
        ]
        problems = [{"name": name, "message": info.message} for name, info in found.problems]
        return answer({"upscalers": listed, "problems": problems})
