"""The client for programs with an event loop: the same calls as ``Easel``, awaited."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from webui.client import results, steps, transport, wire
from webui.client.results import Event, Found, Image, Input, Job, Options, Status
from webui.client.sending import Picture
from webui.client.steps import Patience, Pause, Steps, Tell
from webui.client.wire import Broken, Call, Reply

T = TypeVar("T")
OnEvent = Callable[[Event], Awaitable[object] | object]


class AsyncEasel:
    """A running Easel. Every method raises ``EaselError`` (mostly ``ApiError``) with one sentence.

    ``url`` is the server's address, ``user`` and ``password`` what it asks for, ``timeout`` the
    seconds that one call may take, ``patience`` how much is tried again. ``http`` is an
    ``httpx.AsyncClient`` to use instead of one of its own (it is not closed then). Use one for many
    calls, in one event loop; leave it, or ``close`` it. ``on_event`` may be a coroutine function.
    """

    def __init__(
        self,
        url: str = transport.HERE,
        *,
        user: str | None = None,
        password: str | None = None,
        timeout: float = transport.TIMEOUT,
        patience: Patience = Patience(),  # noqa: B008  frozen
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._place = transport.Place.of(url, user, password, timeout)
        self._patience = patience
        self._own = http is None
        self._http = http or httpx.AsyncClient(follow_redirects=False)

    async def __aenter__(self) -> AsyncEasel:
        """Itself; leaving closes it."""
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    # ---- drawing

    async def txt2img(
        self,
        *,
        on_event: OnEvent | None = None,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Draw, and wait for it; the job with its pictures. The fields are the request's.

        A failed job raises its error; a cancelled one is returned. ``on_event`` is told what
        happens, ``wait_seconds`` bounds the wait (``TimedOut``: the job goes on).
        """
        wanted = steps.draw(fields, idempotency_key, self._patience, wait_seconds)
        return await self._run(wanted, on_event)

    async def img2img(
        self,
        init_image: Picture,
        mask: Picture | None = None,
        *,
        on_event: OnEvent | None = None,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Draw over a picture, or over what is light in ``mask``; otherwise as :meth:`txt2img`.

        A ``Path`` or a file's bytes are sent first; what :meth:`upload` gave, or its id, was.
        """
        masked = {} if mask is None else {"mask": mask}
        whole = {**fields, **masked, "init_image": init_image}
        wanted = steps.draw(whole, idempotency_key, self._patience, wait_seconds)
        return await self._run(wanted, on_event)

    async def upscale(
        self,
        images: Iterable[Picture],
        *,
        on_event: OnEvent | None = None,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Enlarge pictures, given as to :meth:`img2img`; otherwise as :meth:`txt2img`."""
        whole = {**fields, "images": list(images)}
        wanted = steps.draw(whole, idempotency_key, self._patience, wait_seconds)
        return await self._run(wanted, on_event)

    async def upload(self, picture: Path | bytes) -> Input:
        """Send a picture's file, for any number of requests to start from it."""
        return await self._run(steps.upload(picture, self._patience))

    async def submit(self, *, idempotency_key: str | None = None, **fields: Any) -> Job:
        """Submit a request and return at once.

        With an ``init_image`` (and ``mask``) it is drawn over, as by :meth:`img2img`; ``images``
        are enlarged, as by :meth:`upscale`.
        Each submission has a key of its own that the server knows it by, so that one sent again
        after a broken connection is never drawn twice; ``idempotency_key`` sets it.
        """
        return await self._run(steps.submit(fields, idempotency_key, self._patience))

    async def wait(
        self,
        job: Job | str,
        *,
        on_event: OnEvent | None = None,
        wait_seconds: float | None = None,
    ) -> Job:
        """The job once it has ended, whatever its end; connections that break are made again."""
        return await self._run(steps.wait(_id(job), self._patience, wait_seconds), on_event)

    async def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._run(steps.ask(wire.job(job_id), results.job, self._patience))

    async def jobs(self, state: str = "", limit: int = 50) -> tuple[Job, ...]:
        """The newest jobs, oldest first; ``state`` names states, comma between."""
        return await self._run(steps.ask(wire.jobs(state, limit), results.jobs, self._patience))

    async def cancel(self, job: Job | str) -> Job:
        """End a job; finished pictures stay."""
        return await self._tell(job, "cancel")

    async def interrupt(self, job: Job | str) -> Job:
        """The same as :meth:`cancel`, under the name that a page's button has."""
        return await self._tell(job, "interrupt")

    async def skip(self, job: Job | str) -> Job:
        """Give up the batch being drawn and go on with the next."""
        return await self._tell(job, "skip")

    # ---- pictures

    async def image(self, image: Image | str) -> bytes:
        """A picture's file, as it lies at the server."""
        return await self._run(steps.data(_id(image), self._patience))

    async def save(self, job: Job, folder: str | Path) -> tuple[Path, ...]:
        """Bring a job's pictures into a folder; where they lie. Nothing there is replaced."""
        return await self._run(steps.save(job.images, Path(folder), self._patience))

    async def images(self, q: str = "", **filters: Any) -> Found:
        """Search the library: words, and filters such as ``model:`` and ``seed:``, in ``q``.

        Further: ``board``, ``tag``, ``favourite``, ``deleted``, ``sort`` ("newest", "oldest"),
        ``offset`` and ``limit``.
        """
        return await self._run(steps.ask(wire.search(q, **filters), results.found, self._patience))

    # ---- what there is

    async def options(self) -> Options:
        """What can be chosen: checkpoints, samplers, schedules, every field's declaration."""
        return await self._run(steps.ask(wire.plain("options"), results.options, self._patience))

    async def status(self) -> Status:
        """How the server is."""
        return await self._run(steps.ask(wire.plain("status"), results.status, self._patience))

    # ---- the driver

    async def _tell(self, job: Job | str, action: str) -> Job:
        return await self._run(steps.ask(wire.tell(_id(job), action), results.job, self._patience))

    async def _run(self, wanted: Steps[T], on_event: OnEvent | None = None) -> T:
        outcome: Any = None
        while True:
            try:
                step = wanted.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(step, Call):
                outcome = await self._send(step)
            elif isinstance(step, Pause):
                import asyncio  # not needed by programs that only import the package

                await asyncio.sleep(step.seconds)
            elif isinstance(step, Tell) and on_event is not None:
                told = on_event(step.event)
                if inspect.isawaitable(told):
                    await told

    async def _send(self, call: Call) -> Reply | Broken:
        try:
            return transport.reply_of(await self._http.request(**self._place.arguments(call)))
        except httpx.RequestError as error:
            return transport.broken(error)


def _id(thing: Job | Image | str) -> str:
    return thing if isinstance(thing, str) else thing.id
