"""The WebSocket ``/api/v1/ws``: first the state of the caller's jobs, then what happens to them.

Text messages are JSON: ``{"type": "snapshot", …}``, ``{"type": "event", …}`` and, when nothing else
is said for a while, ``{"type": "heartbeat"}``; ``{"type": "library", "revision": n}`` says that
somebody changed marks, boards or trash of the library. Binary ones are previews. A client may send
``{"follow": [ids] | null | "all"}`` (these jobs, all of its own, or everybody's for an
administrator), which is answered with a snapshot, and ``{"ping": …}``, which comes back as a pong.
``/api/v1/ws?job=id`` follows one job from the beginning.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from webui.api.guard import caller_of
from webui.api.live import MAX_FOLLOWED, Follower, Hub

HEARTBEAT_SECONDS = 15.0
MAX_MESSAGE_CHARS = 16 * 1024
_TOO_BIG, _UNSUPPORTED, _RESTART = 1009, 1003, 1012


class _Misuse(Exception):
    """The client said what no client of ours says; ``code`` is the WebSocket's close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def socket_router(hub: Hub) -> APIRouter:
    """The route of the socket."""
    router = APIRouter()

    @router.websocket("/api/v1/ws")
    async def live(socket: WebSocket) -> None:
        caller = caller_of(socket)
        await socket.accept()
        with hub.follow(caller) as follower:
            job = socket.query_params.get("job")
            follower.only = None if job is None else frozenset({job})
            follower.renew()
            await _serve(socket, hub, follower)

    return router


async def _serve(socket: WebSocket, hub: Hub, follower: Follower) -> None:
    """Talk until either side is through; the reason decides the close code."""
    pongs: list[Any] = []
    listen = asyncio.ensure_future(_listen(socket, follower, pongs))
    speak = asyncio.ensure_future(_speak(socket, hub, follower, pongs))
    leave = asyncio.ensure_future(hub.closing.wait())
    tasks = {listen, speak, leave}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await _part(socket, hub, [t.exception() for t in (listen, speak) if not t.cancelled()])


async def _part(socket: WebSocket, hub: Hub, results: Sequence[BaseException | None]) -> None:
    unexpected = None
    for result in results:
        if isinstance(result, WebSocketDisconnect):
            return
        if isinstance(result, _Misuse):
            await socket.close(result.code)
            return
        if isinstance(result, Exception):
            unexpected = result
    if unexpected is not None:
        raise unexpected
    if hub.closing.is_set():
        await socket.close(_RESTART)


async def _listen(socket: WebSocket, follower: Follower, pongs: list[Any]) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1000)
        text = message.get("text")
        if text is None:
            raise _Misuse(_UNSUPPORTED)
        if len(text) > MAX_MESSAGE_CHARS:
            raise _Misuse(_TOO_BIG)
        _take_in(_parse(text), follower, pongs)


def _parse(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _Misuse(_UNSUPPORTED) from None
    if not isinstance(value, dict):
        raise _Misuse(_UNSUPPORTED)
    return value


def _take_in(message: dict[str, Any], follower: Follower, pongs: list[Any]) -> None:
    if "follow" in message:
        wanted = message["follow"]
        ids = wanted if isinstance(wanted, list) else []
        if len(ids) > MAX_FOLLOWED or not all(isinstance(i, str) for i in ids):
            raise _Misuse(_TOO_BIG)
        if wanted not in (None, "all") and not isinstance(wanted, list):
            raise _Misuse(_UNSUPPORTED)
        follower.only = frozenset(ids) if isinstance(wanted, list) else None
        follower.everyone = wanted == "all"
        follower.renew()
    elif "ping" in message:
        pongs[:] = [message["ping"]]
        follower.wake()
    else:
        raise _Misuse(_UNSUPPORTED)


async def _speak(socket: WebSocket, hub: Hub, follower: Follower, pongs: list[Any]) -> None:
    """Send what the mailbox holds; waiting for a slow client happens here and nowhere else."""
    while True:
        if not await follower.wait(HEARTBEAT_SECONDS):
            await socket.send_text('{"type": "heartbeat"}')
            continue
        if pongs:
            await socket.send_text(json.dumps({"type": "pong", "ping": pongs.pop()}))
        if follower.library is not None:
            revision, follower.library = follower.library, None
            await socket.send_text(json.dumps({"type": "library", "revision": revision}))
        if follower.stale:
            await socket.send_text(json.dumps(hub.snapshot(follower)))
            for job in hub.current(follower):
                frame = hub.frame(job.id) if job.state == "running" else None
                if frame is not None:
                    await socket.send_bytes(frame)
        for message in hub.messages(follower, follower.take()):
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(json.dumps(message))
