"""HTTP: the API, the login, live events, and the gate in front of everything that is served."""

from webui.api.auth import Credentials, credentials
from webui.api.server import Listener, Server, Share, bind, create_app, make_server, serve
from webui.api.share import OpenTunnel

__all__ = [
    "Credentials",
    "Listener",
    "OpenTunnel",
    "Server",
    "Share",
    "bind",
    "create_app",
    "credentials",
    "make_server",
    "serve",
]
