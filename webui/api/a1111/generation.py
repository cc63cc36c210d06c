"""``/sdapi/v1/txt2img`` and ``img2img``: A1111's requests, drawn as jobs of the one queue.

The answer comes when the job has ended, as there; but the job belongs to its caller. The header
``X-Easel-Job`` names it from the start of the answer, a client that leaves does not end it, and
``/api/v1/jobs/{id}`` has what became of it. An interrupted job answers 200 with the pictures that
are finished, as A1111 does; one that failed the status that fits, and one sentence.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.a1111 import translate
from webui.api.a1111.body import read_body
from webui.api.a1111.errors import error_answer
from webui.api.a1111.fields import IMG2IMG, TXT2IMG, json_body
from webui.api.a1111.ignored import ignored
from webui.api.a1111.info import Shown, info_view
from webui.api.a1111.models import request_defaults
from webui.api.a1111.options import Options
from webui.api.a1111.tasks import Tasks
from webui.api.a1111.translate import Asked, World
from webui.api.a1111.unkept import Unkept
from webui.api.assist_files import StyleFile
from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import answer
from webui.core.errors import EaselError, Unavailable
from webui.core.results import Caller, SavedImage
from webui.library import grids
from webui.metadata import encode, fitting

if TYPE_CHECKING:
    from webui.jobs import Job
    from webui.services import Services
    from webui.settings import SettingsStore

PREFIX = "/sdapi/v1"
JOB_HEADER = "x-easel-job"
CHANGED_HEADER = "x-easel-changed"

Translate = Callable[[Mapping[str, Any], World], Asked]


class Generation:
    """The routes' functions; ``tasks`` is told of every job, ``options`` of overrides that stay."""

    def __init__(self, services: Services, hub: Hub, tasks: Tasks, options: Options) -> None:
        self._services = services
        self._hub = hub
        self._tasks = tasks
        self._options = options
        self._styles = StyleFile(services.settings.paths.data / "styles.csv")
        self._unkept = Unkept(services.library)
        self._sweeping = False

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for path, function, known in (
            ("/txt2img", self.txt2img, TXT2IMG),
            ("/img2img", self.img2img, IMG2IMG),
        ):
            body = json_body(known)
            router.add_api_route(path, function, methods=["POST"], openapi_extra=body)
        return router

    async def txt2img(self, request: Request) -> Response:
        """Draw pictures as A1111's API does; answers when they are finished.

        Fields that Easel does not know or that change nothing are named in X-Easel-Ignored, values
        that became others in X-Easel-Changed.
        """
        return await self._drawn(request, translate.txt2img)

    async def img2img(self, request: Request) -> Response:
        """Draw over pictures (base64) as A1111's API does, or over the part that a mask says.

        404 without init_images, as there; otherwise as txt2img.
        """
        return await self._drawn(request, translate.img2img)

    # ---- steps

    async def _drawn(self, request: Request, translated: Translate) -> Response:
        caller = caller_of(request)
        values = await read_body(request)
        asked = await run_in_threadpool(lambda: translated(values, self._world()))
        store: SettingsStore = request.app.state.store
        job = await run_in_threadpool(self._submitted, asked, caller, store)
        self._tasks.add(job.id, caller.user, asked.task)
        ended, is_gone = await self._awaited(request, job.id, caller)
        headers = _headers(job, asked)
        if is_gone:
            return Response(None, 204, headers=headers)  # nobody reads it
        if not ended.ended:
            return error_answer(Unavailable(_CLOSING.format(job.id)), headers)
        if ended.state == "failed":
            return error_answer(_failure(ended), headers)
        # Base64 of packed pictures is not worth packing again, which would hold up everybody.
        headers["content-encoding"] = "identity"
        found = await run_in_threadpool(lambda: answer(self._answer(ended, asked), headers=headers))
        self._sweep_later()
        return found

    def _world(self) -> World:
        return World(
            self._styles.styles(),
            request_defaults(self._services),
            self._services.catalog,
            self._services.inputs,
        )

    def _submitted(self, asked: Asked, caller: Caller, store: SettingsStore) -> Job:
        """The job; before it, overrides that are not to be taken back become options, where the
        caller may change those."""
        try:
            if asked.kept and caller.is_admin:
                self._options.apply(store, asked.kept)
            elif asked.kept:
                asked.notes.ignored.append("override_settings_restore_afterwards")
            return self._services.queue.submit(asked.request, caller=caller)
        except EaselError as error:
            raise translate.renamed(error) from None

    async def _awaited(self, request: Request, job_id: str, caller: Caller) -> tuple[Job, bool]:
        """The job once it has ended, and whether the client has left meanwhile."""
        ended = asyncio.ensure_future(self._hub.ended(job_id, caller))
        gone = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
            is_gone = gone.done()
            return (self._services.queue.get(job_id) if is_gone else ended.result()), is_gone
        finally:
            for waiting in (ended, gone):
                waiting.cancel()
                with suppress(asyncio.CancelledError, EaselError):
                    await waiting

    async def put_away(self, ids: Sequence[str]) -> None:
        """Have pictures that were answered, and are not to be kept, deleted in a while."""
        await run_in_threadpool(self._unkept.put, ids)
        self._sweep_later()

    def _sweep_later(self) -> None:
        """Have the pictures that are not kept deleted when that is due, also if nobody calls."""
        seconds = None if self._sweeping else self._unkept.due_in()
        if seconds is not None:
            self._sweeping = True
            asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        done = asyncio.get_running_loop().run_in_executor(None, self._unkept.sweep)
        done.add_done_callback(self._swept)

    def _swept(self, done: asyncio.Future[int]) -> None:
        self._sweeping = False
        if not done.cancelled() and done.exception() is None:
            self._sweep_later()

    # ---- the answer

    def _answer(self, job: Job, asked: Asked) -> dict[str, Any]:
        """A1111's answer; pictures that were not to be saved are put away."""
        count = job.request.count
        pictures = [image for image in job.images if image.index < count]
        made = [image for image in job.images if image.index >= count]
        grids_made = [(self._file(image), image.infotext) for image in made]
        if asked.script is None:
            grids_made = self._grid(pictures, asked)
        elif not asked.script.grids:
            grids_made = []
        singles = pictures
        if asked.script is not None and not asked.script.pictures and grids_made:
            singles = []
        files = [data for data, _ in grids_made if data]
        files += [data for image in singles if (data := self._file(image))]
        shown = Shown(pictures, [text for _, text in grids_made])
        info = info_view(
            job,
            shown,
            styles=asked.styles,
            denoising_strength=asked.parameters["denoising_strength"],
            model_hash=self._services.catalog.model_hash(job.model),
        )
        images = [base64.b64encode(data).decode("ascii") for data in files]
        if asked.send_images and not asked.save_images:
            self._unkept.put([image.id for image in job.images])
        return {
            "images": images if asked.send_images else [],
            "parameters": asked.parameters,
            "info": json.dumps(info, ensure_ascii=False),
        }

    def _grid(self, pictures: Sequence[SavedImage], asked: Asked) -> list[tuple[bytes, str]]:
        """The grid of several pictures that are saved, as A1111 puts one before them."""
        if len(pictures) < 2 or not (asked.save_images and asked.return_grid):
            return []
        saving = self._services.library.saving
        files = [path for image in pictures if (path := self._path(image))]
        rows, columns = grids.layout(
            len(files),
            rows=saving.grid_rows,
            batch_size=asked.request.batch_size,
            full=saving.grid_full,
        )
        text = pictures[0].infotext
        try:
            pixels = grids.compose(files, rows, columns)
        except EaselError:  # too large: the pictures themselves are worth the answer
            return []
        kind, _ = fitting(saving.format, pixels.width, pixels.height)
        shown = text if saving.embed_metadata else None
        return [(encode(pixels, kind, saving.quality, shown, lossless=saving.webp_lossless), text)]

    def _path(self, image: SavedImage) -> Path | None:
        with suppress(EaselError):
            return self._services.library.file(image.id)
        return None

    def _file(self, image: SavedImage) -> bytes:
        """A picture's file as it was saved; empty where somebody has deleted it meanwhile."""
        path = self._path(image)
        with suppress(OSError):
            return path.read_bytes() if path else b""
        return b""


async def _left(request: Request) -> None:
    """Wait until the client has left; its request has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _failure(job: Job) -> EaselError:
    """Why a job failed, by the request's names."""
    assert job.error is not None, "a failed job says why"
    return translate.renamed(job.error.to_exception())


def _headers(job: Job, asked: Asked) -> dict[str, str]:
    """What the answer's headers say: the job, what was passed over, and what became another."""
    changed = {CHANGED_HEADER: ", ".join(asked.notes.changed)} if asked.notes.changed else {}
    return {JOB_HEADER: job.id, **ignored(asked.notes.ignored), **changed}


_CLOSING = "Easel is closing; job {} goes on when it is started again."
