"""Errors in the shape that OpenAI's clients read: ``{"error": {message, type, param, code}}``.

Source: OpenAI's API reference, "Error codes" and the error object of its client libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from webui.api.errors import Json, headers_of, status_of
from webui.core.errors import EaselError

PREFIX = "/v1"
NO_LOGIN = "invalid_api_key"
_CODES = {
    "unauthorized": NO_LOGIN,
    "too_many": "rate_limit_exceeded",
    "unavailable": "server_overloaded",
}


class NotDone(EaselError):
    """Easel does not do this yet."""

    code = "not_implemented"


class NoSuchModel(EaselError):
    """There is no such model."""

    code = "model_not_found"


def concerns(path: str) -> bool:
    """Whether a path is answered as OpenAI answers."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """The error object; ``type`` follows from the HTTP status, as at OpenAI."""
    told = {
        "message": message,
        "type": _type(status),
        "param": param,
        "code": _CODES.get(code, code),
    }
    return {"error": told}


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def status(error: EaselError) -> int:
    """The HTTP status of an error; a bad value is 400 there, not 422."""
    found = _OWN.get(error.code) or status_of(error)
    return 400 if found == 422 else found


def response(error: EaselError) -> Response:
    """An error as the answer."""
    number = status(error)
    told = body(number, error.code, error.message, error.field)
    return Json(told, number, headers={"cache-control": "no-store", **headers_of(error)})


class Cancelled(EaselError):
    """The job was cancelled.

    Its status is 400: OpenAI's clients ask again after a 409, and would draw what somebody stopped.
    """

    code = "cancelled"


_OWN = {NotDone.code: 501, NoSuchModel.code: 404, Cancelled.code: 400}


class Route(APIRoute):
    """A route whose errors have OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors turned into answers."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except EaselError as error:
                return response(error)
            except RequestValidationError as error:
                first = error.errors()[0]
                name = str(first["loc"][-1])[:60]
                return Json(body(400, "invalid_request", f"{name}: {first['msg']}.", name), 400)

        return answered
