"""Errors and timing as A1111 answers them, for its addresses only; others keep Easel's shape."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from webui.api.errors import Json, headers_of, status_of
from webui.api.gate import A1111_PATHS, Scope
from webui.api.guard import App, Message, Receive, Send
from webui.core.errors import EaselError

TIME_HEADER = "x-process-time"

_Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def is_a1111(path: str) -> bool:
    """Whether an address is one of A1111's API."""
    return path.startswith(A1111_PATHS)


def error_view(error: EaselError) -> dict[str, str]:
    """An error as A1111's middleware writes one: ``error``, ``detail``, ``body``, ``errors``.

    ``detail`` and ``errors`` are the one sentence, the field's name before it where there is one;
    ``error`` is the kind of error; ``body`` is empty, as there for everything but its own checks.
    """
    named = f"{error.field}: {error.message}" if error.field else error.message
    return {"error": type(error).__name__, "detail": named, "body": "", "errors": named}


def error_answer(error: EaselError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as the answer to a request, with the status that fits it."""
    return _answer(status_of(error), error_view(error), {**headers_of(error), **(headers or {})})


def install(app: FastAPI) -> None:
    """Let ``app`` answer errors under A1111's addresses in A1111's shape.

    For all other addresses the handlers stay that were there before.
    """
    for kind, ours in _HANDLERS.items():
        app.exception_handlers[kind] = _either(ours, app.exception_handlers[kind])


class ProcessTime:
    """ASGI middleware that adds ``X-Process-Time`` (seconds), as A1111's does."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_a1111(scope["path"]):
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(message.get("headers", []))}
                headers = MutableHeaders(raw=message["headers"])
                headers[TIME_HEADER] = str(round(time.perf_counter() - begun, 4))
            await send(message)

        await self._app(scope, receive, timed)


def _either(ours: Callable[[Any], JSONResponse], others: _Handler) -> _Handler:
    """A handler that answers A1111's addresses by ``ours`` and leaves the rest to ``others``."""

    async def handle(request: Request, error: Exception) -> Response:
        if is_a1111(request.url.path):
            return ours(error)
        answer = others(request, error)
        return answer if isinstance(answer, Response) else await answer

    return handle


def _http(error: HTTPException) -> JSONResponse:
    view = {"error": "HTTPException", "detail": str(error.detail), "body": ""}
    return _answer(error.status_code, {**view, "errors": str(error.detail)}, error.headers)


def _values(error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0] if error.errors() else {"loc": ("",), "msg": "is not valid"}
    text = f"{str(first['loc'][-1])[:60]}: {first['msg'][:200]}."
    view = {"error": "RequestValidationError", "detail": text, "body": "", "errors": text}
    return _answer(422, view)


def _answer(
    status: int, view: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return Json(view, status, headers={"cache-control": "no-store", **(headers or {})})


_HANDLERS: Mapping[type[Exception], Callable[[Any], JSONResponse]] = {
    EaselError: error_answer,
    RequestValidationError: _values,
    HTTPException: _http,
}
