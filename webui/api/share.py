"""The public share link: a tunnel that is opened beside the running server.

The tunnel itself is Gradio's and is handed in, because only the page's package imports Gradio.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)


class OpenTunnel(Protocol):
    """Opens a tunnel to ``host:port`` and returns its public address.

    ``token`` is a secret by which the share server tells its clients apart. May block for a
    minute, and raises whatever goes wrong.
    """

    def __call__(self, host: str, port: int, token: str) -> str: ...


def open_link(
    tunnel: OpenTunnel,
    host: str,
    port: int,
    *,
    opened: Callable[[str], None],
    failed: Callable[[str], None],
) -> threading.Thread:
    """Open a share link in a thread of its own; the server serves meanwhile and whatever comes.

    ``opened`` is called with the address, or ``failed`` with one sentence.
    """

    def run() -> None:
        try:
            address = tunnel(host, port, secrets.token_urlsafe(32))
        except Exception as error:
            log.debug("No share link", exc_info=True)
            reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            failed(
                f"There is no public link, because the tunnel could not be opened ({reason}); "
                "Easel goes on without it, and --listen serves your network."
            )
        else:
            opened(address)

    thread = threading.Thread(target=run, name="share-link", daemon=True)
    thread.start()
    return thread
