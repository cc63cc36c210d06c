"""Whether a request may come in, and as whom: decisions on values, taken in one place.

``webui.api.guard`` asks for every HTTP request and every WebSocket, whichever part of the
application (ours or the mounted page's) would answer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from webui.api.auth import (
    MAX_PASSWORD_CHARS,
    MAX_USER_CHARS,
    Accounts,
    Sessions,
    Throttle,
    address_key,
    parse_basic,
    parse_bearer,
)
from webui.api.hosts import Names, in_networks, is_loopback, origin_matches, split_host
from webui.core.results import LOCAL_CALLER, Caller

Scope = MutableMapping[str, Any]

GUEST = "guest"
"""The user of everybody else where nobody has to log in."""
METRICS_PATH = "/metrics"
PUBLIC_PATHS = frozenset({"/login", "/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UPLOAD_PATHS = frozenset(
    {
        "/gradio_api/upload",
        "/gradio_api/upload/",
        "/api/v1/infotext/picture",
        "/api/v1/rank",
        "/api/v1/labels",
        "/api/v1/inputs",
        "/sdapi/v1/txt2img",
        "/sdapi/v1/img2img",
        "/sdapi/v1/extra-single-image",
        "/sdapi/v1/extra-batch-images",
        "/sdapi/v1/png-info",
        "/sdapi/v1/interrogate",
    }
)
A1111_PATHS = ("/sdapi/", "/internal/")
API_PATHS = (*A1111_PATHS, "/api/", "/v1/")
MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_LOGIN_BYTES = 16 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_UPLOAD_BYTES = 64 * 1024 * 1024

_FORWARDED = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-original-host",
        "true-client-ip",
        "cf-connecting-ip",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not come in: what to answer."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Gate:
    """What decides: names, accounts, sessions and the brake on guessing.

    ``tunnel_port`` is the port that only the share link's tunnel connects to, so that nothing a
    distant client writes into a header can make it look like this machine. ``closing`` is set
    when the server stops; it exists while the application runs. ``api_accounts`` are the users
    of ``--api-auth``: they come in by HTTP Basic to the paths of the API only, and where there are
    any, A1111's paths ask for a login even if the page asks for none, as in A1111.
    """

    names: Names
    accounts: Accounts
    api_accounts: Accounts = field(default_factory=lambda: Accounts(()))
    sessions: Sessions = field(default_factory=Sessions)
    throttle: Throttle = field(default_factory=Throttle)
    admins: Collection[str] = ()
    cookie: str = "easel_session"
    tunnel_port: int | None = None
    metrics_addresses: Collection[str] = ()
    closing: asyncio.Event | None = None

    def admit(self, scope: Scope, headers: Headers) -> Caller | Refusal | None:
        """The caller, why not, or None for what anybody may ask: public paths and preflights."""
        refusal = check_sizes(scope) or self._check_site(scope, headers)
        if refusal is not None:
            return refusal
        if self.is_preflight(scope, headers):
            return None
        caller = self.identify(scope, headers)
        if isinstance(caller, Refusal):
            public = scope["path"] in PUBLIC_PATHS or self.reads_metrics(scope, headers)
            return None if public else caller
        if self._is_any_site(headers):
            caller = replace(caller, is_admin=False)
        if caller.user == GUEST or self.through_tunnel(scope):
            caller = replace(caller, address=self._address(scope, headers, proxied=True))
        return caller

    def identify(self, scope: Scope, headers: Headers) -> Caller | Refusal:
        """Who asks: by session cookie, HTTP Basic or a Bearer token; without accounts, whoever is
        here. A page that asks only because every site may has no use of a cookie: browsers send
        it along for other ports of the same host."""
        local = self.is_local(scope, headers)
        user = None
        if self.accounts or (self.api_accounts and _is_api(scope)):
            by_cookie = None if self._is_any_site(headers) else self.token(headers)
            user = self.sessions.user(by_cookie or "") or self._basic(scope, headers)
        if isinstance(user, Refusal):
            return user
        if user is not None:
            return Caller(user, is_admin=local or user in self.admins)
        if self.accounts or (self.api_accounts and scope["path"].startswith(A1111_PATHS)):
            return login_first(scope, headers)
        return LOCAL_CALLER if local else Caller(GUEST, is_admin=False)

    def log_in(
        self, scope: Scope, headers: Headers, user: str, password: str
    ) -> str | Refusal | None:
        """The user if the password is right, None if it is not, a refusal when asked too often."""
        keys = self._addresses(scope, headers)
        wait = self.throttle.wait(keys)
        if wait > 0:
            seconds = max(1, round(wait + 0.5))
            message = f"Too many wrong passwords; try again in {seconds} seconds."
            return Refusal(429, "too_many", message, {"retry-after": str(seconds)})
        fits = len(user) <= MAX_USER_CHARS and len(password) <= MAX_PASSWORD_CHARS
        known = fits and self.accounts.check(user, password)
        if fits and _is_api(scope):
            known |= self.api_accounts.check(user, password)
        if known:
            self.throttle.succeeded(keys)
            return user
        self.throttle.failed(keys)
        return None

    def is_local(self, scope: Scope, headers: Headers) -> bool:
        """Whether this machine itself asks, directly: not through a tunnel or proxy."""
        if self.through_tunnel(scope):
            return False
        peer = scope.get("client")
        host = split_host(headers.get("host", ""))
        if peer is None or host is None or not (is_loopback(peer[0]) and is_loopback(host[0])):
            return False
        return not any(n in _FORWARDED or n.startswith("x-forwarded") for n in headers)

    def reads_metrics(self, scope: Scope, headers: Headers) -> bool:
        """Whether an address that may read ``/metrics`` without a login asks for just that.

        It has to ask directly: what a proxy says of others proves nothing.
        """
        peer = scope.get("client")
        if scope["path"] != METRICS_PATH or peer is None or self.through_tunnel(scope):
            return False
        if any(n in _FORWARDED or n.startswith("x-forwarded") for n in headers):
            return False
        return in_networks(peer[0], self.metrics_addresses)

    def is_closing(self) -> bool:
        """Whether the server stops."""
        return self.closing is not None and self.closing.is_set()

    def is_preflight(self, scope: Scope, headers: Headers) -> bool:
        """Whether a browser asks, without credentials, what an allowed site's page may do."""
        return (
            scope["type"] == "http"
            and scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
            and self.names.trusts(headers.get("origin", ""))
        )

    def through_tunnel(self, scope: Scope) -> bool:
        """Whether the request came through the share link."""
        server = scope.get("server")
        return self.tunnel_port is not None and bool(server) and server[1] == self.tunnel_port

    def is_secure(self, scope: Scope, headers: Headers) -> bool:
        """Whether the browser's end of the connection is encrypted."""
        outside = headers.get("x-forwarded-proto", "") == "https"
        return outside or scope.get("scheme") in ("https", "wss") or self.through_tunnel(scope)

    def token(self, headers: Headers) -> str:
        """The session token a request carries, "" if none."""
        return cookie_parser(headers.get("cookie", "")).get(self.cookie, "")

    def _check_site(self, scope: Scope, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.names.answers(hosts[0]):
            shown = hosts[0][:80] if hosts else ""
            message = (
                f"Easel does not answer to the name {shown!r}; open it by the address it printed, "
                "or add the name to server.allowed_hosts."
            )
            return Refusal(403, "host", message)
        if not self._origin_fits(scope, headers, hosts[0]):
            message = "A page of another site may not do this; see server.allowed_origins."
            return Refusal(403, "origin", message)
        return None

    def _origin_fits(self, scope: Scope, headers: Headers, host: str) -> bool:
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return True
        origins = headers.getlist("origin")
        if not origins:
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        return len(origins) == 1 and self.names.allows(origins[0], host)

    def _is_any_site(self, headers: Headers) -> bool:
        """Whether a page asks that may only because every site may: it administers nothing."""
        origin, host = headers.get("origin", ""), headers.get("host", "")
        own = self.names.names_origin(origin) or origin_matches(origin, host)
        return self.names.trusts(origin) and not own

    def _basic(self, scope: Scope, headers: Headers) -> str | Refusal | None:
        header = headers.get("authorization", "")
        pair = parse_basic(header) or self._bearer(scope, parse_bearer(header))
        return None if pair is None else self.log_in(scope, headers, *pair)

    def _bearer(self, scope: Scope, token: str | None) -> tuple[str, str] | None:
        """User and password of a token: the password alone, or both with a colon between.

        Programs made for OpenAI have one field for a key, and send it so.
        """
        if token is None:
            return None
        user = self.accounts.owner(token)
        if user is None and _is_api(scope):
            user = self.api_accounts.owner(token)
        if user is not None:
            return user, token
        name, colon, password = token.partition(":")
        return (name, password) if colon else ("", token)

    def _addresses(self, scope: Scope, headers: Headers) -> list[str]:
        if self.is_local(scope, headers):
            return ["this machine"]
        return [self._address(scope, headers), Throttle.EVERYONE]

    def _address(self, scope: Scope, headers: Headers, *, proxied: bool = False) -> str:
        """Where a request that is not this machine's comes from: the neighbour's address, or what
        the share link's tunnel says last; with ``proxied``, what any proxy on this machine says."""
        peer = scope.get("client")
        address = peer[0] if peer else ""
        if self.through_tunnel(scope) or (proxied and is_loopback(address)):
            address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or address
        return address_key(address)


def _is_api(scope: Scope) -> bool:
    """Whether a request is for a path that programs, and users of ``--api-auth``, may ask."""
    return scope["path"].startswith(API_PATHS)


def check_sizes(scope: Scope) -> Refusal | None:
    """Refuse absurd addresses and headers, and a body that announces itself as too long."""
    url = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
    if url > MAX_URL_BYTES:
        return Refusal(414, "too_large", f"The address is longer than {MAX_URL_BYTES} bytes.")
    if any(ord(c) < 32 for c in scope["path"]):
        return Refusal(400, "bad_request", "The address holds a control character.")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(k) + len(v) for k, v in headers) > MAX_HEADER_BYTES:
        return Refusal(431, "too_large", "The request's headers are too long.")
    lengths = [v for k, v in headers if k == b"content-length"]
    if any(not v.isdigit() or int(v[:20]) > body_limit(scope) for v in lengths):
        return too_large(scope)
    return None


def body_limit(scope: Scope) -> int:
    """How many bytes the body of a request to this path may have."""
    if scope["path"] == "/login":
        return MAX_LOGIN_BYTES
    return MAX_UPLOAD_BYTES if scope["path"] in UPLOAD_PATHS else MAX_BODY_BYTES


def too_large(scope: Scope) -> Refusal:
    """The answer to a body over the limit."""
    limit = body_limit(scope) // 1024
    size = f"{limit // 1024} MiB" if limit >= 1024 else f"{limit} KiB"
    return Refusal(413, "too_large", f"The request is larger than {size}.", {"connection": "close"})


def login_first(scope: Scope, headers: Headers) -> Refusal:
    """To the login page where a person navigates, else 401."""
    if is_navigation(scope, headers):
        target = scope["path"]
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        place = "/login" if target == "/" else f"/login?next={quote(target, safe='/')}"
        return Refusal(303, "unauthorized", "Log in first.", {"location": place})
    challenge = {} if "sec-fetch-mode" in headers else {"www-authenticate": 'Basic realm="Easel"'}
    message = "Log in first: by the login page or HTTP Basic."
    if "authorization" in headers:
        message = "Log in first: that user and password are not known here."
    return Refusal(401, "unauthorized", message, challenge)


def is_navigation(scope: Scope, headers: Headers) -> bool:
    """Whether a person opens a page, as opposed to a program or script that asks for data."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in headers.get("accept", "")
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and not _is_api(scope)
    )
