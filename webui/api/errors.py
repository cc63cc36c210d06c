"""Errors as HTTP: one shape for all, ``{"error": {"code", "message", "field"}}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from webui.core.errors import EaselError, ErrorInfo, TooMany, Unavailable

STATUS: Mapping[str, int] = {
    "bad_request": 400,
    "invalid_request": 422,
    "not_found": 404,
    "conflict": 409,
    "forbidden": 403,
    "too_large": 413,
    "too_many": 429,
    "unavailable": 503,
    "model": 422,
    "unsafe_file": 422,
    "not_supported": 501,
    "out_of_memory": 507,
    "storage": 507,
}
GENERIC = "Something went wrong inside Easel; its log says what."
_CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class BadRequest(EaselError):
    """The message could not be read."""

    code = "bad_request"


class NotSupported(EaselError):
    """Easel cannot do this yet."""

    code = "not_supported"


class JobKept(Unavailable):
    """The drawing process is away; the job is kept. ``location`` is the job's address."""

    location = ""


class Json(JSONResponse):
    """JSON; halves of characters, which JSON lets in and UTF-8 does not let out, become "?"."""

    def render(self, content: Any) -> bytes:
        """The body."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def error_response(
    status: int, info: ErrorInfo, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error as the answer to a request."""
    return Json(
        {"error": asdict(info)}, status, headers={"cache-control": "no-store", **(headers or {})}
    )


def status_of(error: EaselError) -> int:
    """The HTTP status of an error: 500 for what the caller cannot do anything about."""
    return STATUS.get(error.code, 500)


def headers_of(error: EaselError) -> dict[str, str]:
    """What an error says in its answer's headers: when to ask again, for one that passes."""
    found: dict[str, str] = {}
    if isinstance(error, TooMany | Unavailable):
        found["retry-after"] = str(error.retry_after)
    if isinstance(error, JobKept):
        found["location"] = error.location
    return found


def install(app: FastAPI) -> None:
    """Let ``app`` answer every expected error in our shape."""

    @app.exception_handler(EaselError)
    async def _easel(_: Request, error: EaselError) -> JSONResponse:
        return error_response(status_of(error), error.info(), headers_of(error))

    @app.exception_handler(RequestValidationError)
    async def _values(_: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(422, _first_problem(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "error")
        return error_response(
            error.status_code, ErrorInfo(code, f"{error.detail}."), error.headers or {}
        )


def _first_problem(error: RequestValidationError) -> ErrorInfo:
    first = error.errors()[0] if error.errors() else {"loc": ("",), "msg": "is not valid"}
    name = str(first["loc"][-1])[:60]
    text = f"{name}: {first['msg'][:200]}."
    return ErrorInfo("invalid_request", text, name)
