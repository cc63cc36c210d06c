"""The outermost layer: every request and socket passes here, whoever would answer it.

Pure ASGI, so that it covers what is mounted later (the page, its files) and WebSockets, and so
that streams stay streams. It asks :class:`webui.api.gate.Gate`, bounds bodies, adds the security
headers, and is the border where an unexpected exception becomes an answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection

from webui.api import openai_errors
from webui.api.errors import GENERIC
from webui.api.gate import A1111_PATHS, Gate, Refusal, Scope, body_limit, too_large
from webui.api.hosts import split_host
from webui.core.results import Caller

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), payment=(), usb=()",
}
_EXPOSED = (
    "Idempotent-Replayed, Location, Preference-Applied, Retry-After, X-Easel-Changed, "
    "X-Easel-Ignored, X-Easel-Job, X-Preview-Seq, X-Process-Time"
)
"""What a page of another site may read of an answer's headers."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_DISCONNECT: Message = {"type": "http.disconnect"}
_CLOSING = Refusal(
    503, "unavailable", "Easel is closing.", {"retry-after": "10", "connection": "close"}
)


class Guard:
    """ASGI middleware that lets in what its gate lets in."""

    def __init__(self, app: App, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        reply = _Reply(send, headers, self._trusted_origin(headers))
        reply.path = scope["path"]
        reply.by_name = self._gate.names.names_origin(headers.get("origin", ""))
        verdict = self._gate.admit(scope, headers)
        if isinstance(verdict, Refusal):
            await reply.refuse(verdict)
        elif self._gate.is_preflight(scope, headers):
            await reply.preflight()
        else:
            _remember(scope, verdict)
            await self._answer(scope, _Body(receive, body_limit(scope), reply, self._gate), reply)

    async def _answer(self, scope: Scope, body: _Body, reply: _Reply) -> None:
        try:
            await self._app(scope, body.receive, reply.send)
        except ClientDisconnect:
            log.debug("The client left during %s %s.", scope["method"], scope["path"])
        except asyncio.CancelledError:
            if not self._gate.is_closing():
                raise
            # The server has given us the time that it gives anybody: say so, and end in good order.
            if not reply.started:
                await reply.refuse(_CLOSING)
        except Exception:
            if not body.overflowed:
                log.exception("Unexpected error in %s %s", scope["method"], scope["path"])
            if not (reply.started or body.overflowed):
                await reply.refuse(Refusal(500, "error", GENERIC))
        if body.cut:
            await reply.finish()
        if body.overflowed and not reply.started:
            reply.muted = False
            await reply.refuse(too_large(scope))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = self._gate.admit(scope, Headers(scope=scope))
        if isinstance(verdict, Refusal):
            await _refuse_socket(scope, receive, send, verdict)
            return
        _remember(scope, verdict)
        await self._app(scope, receive, send)

    def _trusted_origin(self, headers: Headers) -> str | None:
        origin = headers.get("origin")
        return origin if origin and self._gate.names.trusts(origin) else None


def _remember(scope: Scope, caller: Caller | None) -> None:
    """Leave the caller where routes, ours and mounted ones, find it: ``request.state.caller``."""
    scope.setdefault("state", {})["caller"] = caller


def caller_of(request: HTTPConnection) -> Caller:
    """Who asks; for routes, which the guard lets nobody else reach."""
    return request.state.caller


class _Reply:
    """What goes back: adds the security headers, and can hold back an answer (``muted``)."""

    def __init__(self, send: Send, request: Headers, origin: str | None) -> None:
        self._send = send
        self._host = request.get("host", "")
        self._asked = request.get("access-control-request-headers", "")
        self.origin = origin
        self.path = ""
        self.by_name = True
        self.started = False
        self.finished = False
        self.streaming = False
        self.muted = False

    async def send(self, message: Message) -> None:
        if self.muted and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": list(message.get("headers", []))}
            headers = MutableHeaders(raw=message["headers"])
            self.streaming = headers.get("content-type", "").startswith("text/event-stream")
            self._secure(headers)
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        """End a stream that was cut off."""
        if self.started and not self.finished:
            await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refusal) -> None:
        await self._whole(refusal.status, _body(refusal, self.path), refusal.headers)

    async def preflight(self) -> None:
        allowed = {
            "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
            "access-control-allow-headers": _askable(self._asked),
            "access-control-max-age": "600",
        }
        await self._whole(204, b"", allowed)

    async def _whole(self, status: int, body: bytes, extra: dict[str, str]) -> None:
        values = {"content-type": "application/json", "cache-control": "no-store", **extra}
        if status != 204:
            values["content-length"] = str(len(body))
        raw = [(k.encode("latin-1"), v.encode("latin-1", "replace")) for k, v in values.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    def _secure(self, headers: MutableHeaders) -> None:
        preflight = "access-control-max-age" in headers and self.origin
        for name in [n for n in headers if n.startswith("access-control-")]:
            if not preflight:
                del headers[name]
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", content_policy(self._host))
        if self.origin:
            headers["access-control-allow-origin"] = self.origin if self.by_name else "*"
            if self.by_name:
                headers["access-control-allow-credentials"] = "true"
            if not preflight:
                headers["access-control-expose-headers"] = _EXPOSED
            headers.add_vary_header("Origin")
        resource = "cross-origin" if self.origin else "same-origin"
        headers.setdefault("cross-origin-resource-policy", resource)


def _askable(asked: str) -> str:
    """The headers that a page may send: those it asks for, where they are plain names."""
    names = [name.strip() for name in asked[:1000].split(",") if _NAME.fullmatch(name.strip())]
    return ", ".join(dict.fromkeys(["Content-Type", "Authorization", *names]))


class _Body:
    """What comes in: counts its bytes, and ends streams when the server stops."""

    def __init__(self, receive: Receive, limit: int, reply: _Reply, gate: Gate) -> None:
        self._receive = receive
        self._left = limit
        self._reply = reply
        self._closing = gate.closing
        self._complete = False
        self.overflowed = False
        self.cut = False

    async def receive(self) -> Message:
        if self.overflowed:
            return _DISCONNECT
        if self._complete and self._closing is not None:
            return await self._until_closing(self._closing)
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._left < 0:
                self.overflowed = self._reply.muted = True
                return _DISCONNECT
        return message

    async def _until_closing(self, closing: asyncio.Event) -> Message:
        """Wait for the client to leave; the answer is in the making.

        An endless stream (the page's own) would keep a stopping server waiting, so to it the
        client seems to leave then.
        """
        incoming = asyncio.ensure_future(self._receive())
        ending = asyncio.ensure_future(closing.wait())
        try:
            await asyncio.wait({incoming, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not incoming.done() and self._reply.streaming:
                self.cut = True
                return _DISCONNECT
            return await incoming
        finally:
            incoming.cancel()
            ending.cancel()


async def _refuse_socket(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.message[:100]})
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send(
        {"type": "websocket.http.response.start", "status": refusal.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": _body(refusal)})


def _body(refusal: Refusal, path: str = "") -> bytes:
    if openai_errors.concerns(path):
        told = openai_errors.body(refusal.status, refusal.code, refusal.message)
        return json.dumps(told).encode()
    if path.startswith(A1111_PATHS):
        said = refusal.message
        view = {"error": "HTTPException", "detail": said, "body": "", "errors": said}
        return json.dumps(view).encode()
    error = {"code": refusal.code, "message": refusal.message, "field": None}
    return json.dumps({"error": error}).encode()


def content_policy(host: str) -> str:
    """The content security policy of a page under ``host``: nothing from or to other hosts.

    The page's framework needs inline and evaluated scripts; pictures and workers made by the page
    itself are ``blob:`` and ``data:``.
    """
    plain = split_host(host) is not None and not host.startswith("[")
    sockets = f" ws://{host} wss://{host}" if plain else ""
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            f"connect-src 'self' data: blob:{sockets}",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )
