"""The application and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from webui import __version__
from webui.api import a1111, errors, openapi
from webui.api.assist import Assist
from webui.api.auth import Accounts, login_required
from webui.api.clip import ClipRoutes
from webui.api.docs import docs_router
from webui.api.enlarge import UpscaleRoutes
from webui.api.gate import Gate
from webui.api.guard import Guard
from webui.api.hosts import Names
from webui.api.inputs import InputRoutes
from webui.api.library import LibraryRoutes
from webui.api.lists import Lists
from webui.api.live import Hub
from webui.api.login import login_router
from webui.api.metrics import Metrics
from webui.api.native import Native
from webui.api.openai import OpenAI
from webui.api.settings import SettingsRoutes
from webui.api.share import OpenTunnel, open_link
from webui.api.socket import MAX_MESSAGE_CHARS, socket_router
from webui.api.stream import Stream
from webui.api.submit import Submit
from webui.api.sweep import SweepRoutes
from webui.core.errors import ErrorInfo, NotFound, SetupError

if TYPE_CHECKING:
    from webui.services import Services
    from webui.settings import Settings

GRACE_SECONDS = 1
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(
    services: Services,
    settings: Settings,
    *,
    auth: Iterable[tuple[str, str]] | None = None,
) -> FastAPI:
    """The application with every route of ours; the page is mounted behind them afterwards.

    ``auth`` are the users and passwords (default: the settings'), from
    :func:`webui.api.auth.credentials`. Without any, a server that others can reach is refused with
    a ``SetupError``. ``app.state.gate`` decides who comes in, ``app.state.hub`` passes events on,
    ``app.state.store`` changes settings, ``app.state.server`` is what serves it, once there is one.
    """
    accounts = Accounts(settings.server.auth if auth is None else auth)
    if not accounts and login_required(settings):
        raise SetupError("A server that others can reach needs a user and password: use --auth.")
    gate = make_gate(settings, accounts)
    hub = Hub(services.queue, services.library.gallery)
    meter = Metrics(services, gate, wanted=settings.server.metrics)
    app = FastAPI(
        title="Easel",
        description="Draws pictures from prompts.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(gate, hub),
        middleware=[
            *meter.middleware(),
            Middleware(a1111.ProcessTime),
            Middleware(Guard, gate=gate),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
    )
    app.state.gate = gate
    app.state.hub = hub
    app.state.server = None
    errors.install(app)
    app.include_router(login_router(gate))
    app.include_router(docs_router())
    app.include_router(socket_router(hub))
    app.include_router(Native(services, hub, __version__).router())
    app.include_router(Submit(services, hub).router())
    app.include_router(Stream(hub).router())
    for routes in (InputRoutes(services), UpscaleRoutes(services, hub), Lists(services)):
        app.include_router(routes.router())
    app.include_router(ClipRoutes(services, hub).router())
    app.include_router(SweepRoutes(services, hub).router())
    settings_routes = SettingsRoutes(services, settings, gate)
    app.state.store = settings_routes.store
    app.include_router(settings_routes.router())
    app.include_router(LibraryRoutes(services).router())
    app.include_router(Assist(services).router())
    app.include_router(OpenAI(services, hub, gate).router())
    a1111.install(app, services, hub, settings)
    app.include_router(meter.router())
    app.add_api_route("/healthz", _healthy, include_in_schema=False)
    app.add_api_route("/api/{path:path}", _unknown, methods=_METHODS, include_in_schema=False)
    openapi.describe(app)
    return app


def make_gate(settings: Settings, accounts: Accounts) -> Gate:
    """The gate that these settings ask for."""
    server = settings.server
    names = Names(
        server.host, server.allowed_hosts, server.allowed_origins, server.allowed_origins_regex
    )
    cookie = f"easel_session_{server.port}"  # cookies are shared by all ports of a host
    programs = Accounts(server.api_auth)
    return Gate(
        names,
        accounts,
        programs,
        admins=frozenset(server.admins),
        cookie=cookie,
        metrics_addresses=server.metrics_addresses,
    )


def _lifespan(
    gate: Gate, hub: Hub
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        hub.open()
        gate.closing = hub.closing
        try:
            yield
        finally:
            hub.close()

    return lifespan


async def _healthy() -> PlainTextResponse:
    """Answers while the server runs; needs no login and says nothing else."""
    return PlainTextResponse("ok")


async def _unknown(request: Request) -> Response:
    """Whatever is no route of the API must not reach the page behind it."""
    methods = await run_in_threadpool(openapi.allowed, request.app, request.url.path)
    if methods:
        names = ", ".join(methods)
        said = f"{request.method} is nothing this address knows; it knows {names}."
        info = ErrorInfo("method_not_allowed", said)
        return errors.error_response(405, info, {"allow": names})
    raise NotFound(f"There is no {request.method} {request.url.path[:200]}; see /docs.")


# ---- serving


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket that listens: browsers that come early wait until the page is served."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        if self.host in ("", "0.0.0.0"):  # noqa: S104  compared with, not bound to
            name = "127.0.0.1"
        elif self.host == "::":
            name = "[::1]"
        else:
            name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def bind(host: str, port: int) -> Listener:
    """Take the port, before anything else is started; ``SetupError`` says why that cannot be.

    Port 0 takes a free one.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=_PASSIVE)
    except (OSError, OverflowError, UnicodeError):
        raise SetupError(f"There is no address {host!r} to serve on; try --listen.") from None
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listening = socket.socket(family, kind, protocol)
    try:
        _prepare(listening)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise SetupError(_why(error, host, port)) from None
    listening.setblocking(False)
    return Listener(listening, host, listening.getsockname()[1])


_PASSIVE = socket.AI_PASSIVE


def _prepare(listening: socket.socket) -> None:
    if sys.platform == "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", -1)):
        return (
            f"Port {port} is taken by another program, perhaps by another Easel: close that one, "
            f"or choose another port with --port {port + 1 if port < 65535 else 7860}."
        )
    if error.errno in (errno.EACCES, getattr(errno, "WSAEACCES", -1)):
        return f"Port {port} may not be used by this user; choose one from 1024 on with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host!r}; use 127.0.0.1, 0.0.0.0 or one of its own."
    return f"{host}:{port} cannot be served on: {error.strerror or error}."


class Server(uvicorn.Server):
    """Uvicorn that tells our followers first when it stops, and returns after a signal."""

    def __init__(
        self, app: FastAPI, sockets: list[socket.socket], started: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws_max_size=4 * MAX_MESSAGE_CHARS,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._app = app
        app.state.server = self
        self._sockets = sockets
        self._when_started = started

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        super().run(sockets or self._sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, then say so."""
        await super().startup(sockets)
        if self.started:
            self._when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let long polls, sockets and streams end, then stop."""
        self._app.state.hub.close()
        await asyncio.sleep(0)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGINT and SIGTERM, and afterwards return, so that services are closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True


@dataclass(frozen=True, slots=True)
class Share:
    """That a public link is wanted: how to open it, and whom to tell what came of it."""

    tunnel: OpenTunnel
    opened: Callable[[str], None]
    failed: Callable[[str], None]


def serve(
    app: FastAPI,
    listener: Listener,
    *,
    ready: Callable[[str], None] = lambda _: None,
    share: Share | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return within about a second.

    ``ready`` is called with the address when pages are served. ``share`` opens a public link
    meanwhile, through a port of its own on loopback, so that who comes through it is known.
    """
    make_server(app, listener, ready=ready, share=share).run()


def make_server(
    app: FastAPI,
    listener: Listener,
    *,
    ready: Callable[[str], None] = lambda _: None,
    share: Share | None = None,
) -> Server:
    """The server of :func:`serve`, not yet running: ``run()`` blocks, ``should_exit`` ends it."""
    sockets = [listener.socket]
    gate: Gate = app.state.gate
    if share is None:
        return Server(app, sockets, lambda: ready(listener.url))
    entrance = bind("127.0.0.1", 0)
    sockets.append(entrance.socket)
    gate.tunnel_port = entrance.port

    def opened(address: str) -> None:
        gate.names.share(address)
        share.opened(address)

    def started() -> None:
        ready(listener.url)
        open_link(share.tunnel, "127.0.0.1", entrance.port, opened=opened, failed=share.failed)

    return Server(app, sockets, started)
