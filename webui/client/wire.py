"""What is sent, what came back, and what the two mean: pure values and functions, no network."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from webui.client.errors import ApiError, LoginRequired, Refused, ServerBusy
from webui.core.errors import InvalidRequest

API = "/api/v1"
IDEMPOTENCY = "Idempotency-Key"
POLL_SECONDS = 20.0
LONGEST_PAUSE = 60.0
"""A server that says to come back later than this many seconds is not waited for."""
_FIRST_PAUSE = 0.5
_LONGEST_BACKOFF = 8.0
_LATER = (429, 503)
_PASSING = (502, 503, 504)  # a proxy before the server, or the server while it starts


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ``path`` below the server's address; ``waits`` is how long it may be held."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    waits: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer came: ``why`` in a few words."""

    why: str


# ---- addresses


def address(url: str) -> str:
    """The server's address as it is used: a scheme, a host, no slash at the end.

    ``InvalidRequest`` for what is no address, and for one that holds a password: addresses end up
    in process lists and logs.
    """
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise _no_address(url) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_address(url)
    if parts.username or parts.password:
        raise InvalidRequest("Give user and password apart from the address.", field="url")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _no_address(url: str) -> InvalidRequest:
    return InvalidRequest(
        f"{url[:80]!r} is no address of a server; write it like http://127.0.0.1:7860.", field="url"
    )


# ---- calls


def submit(fields: Mapping[str, Any], key: str | None = None) -> Call:
    """Submit a request; the key makes sending it again harmless.

    Its fields say what it is: ``images`` are enlarged, an ``init_image`` is drawn over.
    """
    try:
        body = json.dumps(dict(fields), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest("The fields are not texts, finite numbers and the like.") from None
    headers = {IDEMPOTENCY: key or secrets.token_urlsafe(18), "content-type": "application/json"}
    path = "upscale" if "images" in fields else "img2img" if "init_image" in fields else "txt2img"
    return Call("POST", f"{API}/{path}", body=body, headers=headers)


def upload(data: bytes) -> Call:
    """Send a picture's file for requests to start from; the same file has the same id."""
    headers = {"content-type": "application/octet-stream"}
    return Call("POST", f"{API}/inputs", body=data, headers=headers)


def job(job_id: str) -> Call:
    """Ask for a job."""
    return Call("GET", f"{API}/jobs/{_part(job_id)}")


def jobs(state: str, limit: int) -> Call:
    """Ask for the newest jobs."""
    query = {"limit": limit, **({"state": state} if state else {})}
    return Call("GET", f"{API}/jobs", query)


def tell(job_id: str, action: str) -> Call:
    """Tell a job to cancel, interrupt or skip."""
    return Call("POST", f"{API}/jobs/{_part(job_id)}/{action}")


def events(job_id: str, after: int, seconds: float) -> Call:
    """Wait for what happens to a job after an event."""
    query = {"after": after, "timeout": round(seconds, 3), "job_id": job_id}
    return Call("GET", f"{API}/events", query, waits=seconds)


def file(image_id: str) -> Call:
    """Ask for a picture's file."""
    return Call("GET", f"{API}/images/{_part(image_id)}")


def search(
    q: str = "",
    *,
    board: str = "",
    tag: str = "",
    favourite: bool = False,
    deleted: bool = False,
    sort: str = "newest",
    offset: int = 0,
    limit: int = 100,
) -> Call:
    """Ask for a window of the library."""
    wanted = {"q": q, "board": board, "tag": tag, "sort": sort, "offset": offset, "limit": limit}
    marks = {"favourite": favourite, "deleted": deleted}
    query = {**wanted, **{name: "true" for name, set_ in marks.items() if set_}}
    return Call("GET", f"{API}/library", query)


def plain(name: str) -> Call:
    """Ask for ``status`` or ``options``."""
    return Call("GET", f"{API}/{name}")


def _part(text: str) -> str:
    """One part of a path: an id cannot lead elsewhere."""
    return quote(text, safe="") if text.strip(".") else "-"


# ---- answers


def value_of(reply: Reply) -> Any:
    """A successful answer's JSON; ``ApiError`` for an error or for something else."""
    check(reply)
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise _foreign(reply) from None


def check(reply: Reply) -> None:
    """Raise the error that an answer is, if it is one."""
    if not 200 <= reply.status < 300:
        raise error_of(reply)


def error_of(reply: Reply) -> ApiError:
    """The error in an answer: the server's own words where it has some."""
    told = _told(reply)
    kind = _class_of(reply.status)
    later = retry_after(reply.headers)
    if told is None:
        said = f"The server answered {reply.status} and no word of what is wrong."
        return kind(said, status=reply.status, retry_after=later)
    code, message, name = told
    return kind(message, field=name, code=code, status=reply.status, retry_after=later)


def _told(reply: Reply) -> tuple[str, str, str | None] | None:
    try:
        error = json.loads(reply.body)["error"]
        code, message, name = error["code"], error["message"], error.get("field")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return str(code), str(message), None if name is None else str(name)


def _class_of(status: int) -> type[ApiError]:
    if status == 401:
        return LoginRequired
    if status in _LATER:
        return ServerBusy
    return Refused if 300 <= status < 500 else ApiError


def _foreign(reply: Reply) -> ApiError:
    said = "This address does not answer as Easel does; is it another program's?"
    return ApiError(said, code="not_easel", status=reply.status)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds of a Retry-After header, as a number or a date (RFC 9110 § 10.2.3); None if absent.

    ``now`` is seconds since the epoch, for dates.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
    return max(0.0, then - (time.time() if now is None else now))


# ---- trying again


def pause(attempt: int, outcome: Reply | Broken, chance: float) -> float | None:
    """Seconds until a call is tried again after its ``attempt``-th failure (from 1).

    None when the outcome is to be taken as it is. ``chance`` is within 0..1 and spreads clients
    that failed together. A Retry-After is kept to; one longer than ``LONGEST_PAUSE`` is not waited
    for.
    """
    backoff = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_BACKOFF)
    spread = backoff * (0.5 + 0.5 * chance)
    if isinstance(outcome, Broken):
        return spread
    if outcome.status not in (*_LATER, *_PASSING):
        return None
    told = retry_after(outcome.headers)
    if told is None:
        return spread
    return None if told > LONGEST_PAUSE else max(told, 0.1) + 0.25 * chance
