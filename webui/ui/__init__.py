"""The page: a Gradio form in front of the HTTP API, with our own live result pane.

Importing this package imports neither Gradio nor torch; :func:`mount` does the former.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from webui.services import Services
    from webui.settings import Settings


def mount(app: FastAPI, services: Services, settings: Settings, *, mcp: bool = False) -> None:
    """Mount the page at "/" of ``app``; call it after every other route has been added.

    ``mcp`` lets agents draw, by Gradio's own MCP server at ``/gradio_api/mcp``; ``SetupError`` when
    what it needs is not installed.
    """
    _prepare(str(settings.paths.data / "gradio"))
    from webui.ui import shell

    shell.mount(app, services, settings.paths.data, mcp=mcp)


def share_tunnel(host: str, port: int, token: str) -> str:
    """Open a public Gradio share link to ``host:port`` and return its address.

    ``token`` is a secret of ours that the share server tells clients apart by. Blocks for up to a
    minute on a bad network; raises what the tunnel raises.
    """
    _prepare(None)
    from gradio.networking import setup_tunnel

    return setup_tunnel(host, port, token, None, None)


def _prepare(temp_dir: str | None) -> None:
    from webui.ui import quick_gradio

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.pop("GRADIO_VIBE_MODE", None)  # would let the page run code from afar
    if temp_dir is not None:
        os.environ["GRADIO_TEMP_DIR"] = temp_dir
    quick_gradio.install()
