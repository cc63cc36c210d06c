"""Pictures that requests start from: sent once, named by their ids in any number of requests."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from webui.api.few import Few
from webui.api.native import PREFIX, answer, read_bytes
from webui.library.inputs import MAX_BYTES

if TYPE_CHECKING:
    from webui.services import Services


class InputRoutes:
    """The routes' functions."""

    def __init__(self, services: Services) -> None:
        self._inputs = services.inputs
        self._few = Few()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/inputs", self.put, methods=["POST"], status_code=201)
        router.add_api_route("/inputs/{input_id}", self.get, methods=["GET"])
        return router

    async def put(self, request: Request) -> Response:
        """Send a picture's file as the body (at most 64 MiB); the answer says its id and size.

        A request names it by the id (init_image, mask). Nobody guesses an id, and the same file has
        the same one. It is kept for a day at least after it was used last, and as long as
        a job that starts from it has not ended.
        """
        data = await read_bytes(request, MAX_BYTES)
        kept = await self._few.run(lambda: self._inputs.put(data))
        return answer({"input": asdict(kept)}, 201, {"location": f"{PREFIX}/inputs/{kept.id}"})

    def get(self, input_id: str) -> Response:
        """A picture that was sent, as PNG."""
        path = self._inputs.path(input_id)
        headers = {
            "cache-control": "private, max-age=31536000, immutable",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        return FileResponse(path, headers=headers, media_type="image/png")
