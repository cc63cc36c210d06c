"""Agents that draw: Gradio's own MCP server, with our endpoints as its tools.

It is optional: it needs the package ``mcp``. What reaches it has passed the gate like everything
else, and a tool acts for whoever asks.
"""

from __future__ import annotations

import base64
import json
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from webui.core.errors import SetupError
from webui.ui.endpoints import DESCRIPTION, FILES

if TYPE_CHECKING:
    import gradio as gr

    from webui.library import Library

PATH = "/gradio_api/mcp"
_MISSING = (
    "--mcp needs the package mcp: install it beside Easel with "
    'pip install "mcp>=1.21,<2", then start again.'
)
_TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".avif": "avif"}


def check_installed() -> None:
    """``SetupError`` says how to install what is missing."""
    if find_spec("mcp") is None:
        raise SetupError(_MISSING)


def prepare(blocks: gr.Blocks, library: Library) -> None:
    """Let the tools of a mounted page hand over our pictures; ``SetupError`` if it has none."""
    server = blocks.mcp_server_obj
    if server is None:
        raise SetupError(f"The MCP server cannot be started: {blocks.mcp_error or 'unknown'}.")
    types = server.types
    for endpoint in server.api_info["named_endpoints"].values():
        for told in endpoint["parameters"]:  # agents are told it under the schema's own name
            told["type"] = {k: v for k, v in told["type"].items() if k != DESCRIPTION}

    def answered(data: Any, root_url: str) -> list[Any]:  # noqa: ARG001  Gradio gives both
        return contents(types, library, data)

    server.postprocess_output_data = answered


def contents(types: Any, library: Library, data: list[Any]) -> list[Any]:
    """What a tool answers: a picture as its file's bytes and its address, the rest as JSON.

    ``types`` are those of the package ``mcp``. Gradio would copy the file into its cache and write
    it anew without its parameters.
    """
    found: list[Any] = []
    for value in data:
        place = PurePath(value["path"]) if isinstance(value, dict) and "path" in value else None
        if place is not None and place.parts[:1] == (FILES,):
            picture = library.file(place.stem).read_bytes()
            kind = f"image/{_TYPES.get(place.suffix, 'png')}"
            text = base64.b64encode(picture).decode("ascii")
            found.append(types.ImageContent(type="image", data=text, mimeType=kind))
            found.append(types.TextContent(type="text", text=f"Image URL: {value['url']}"))
        else:
            text = json.dumps(value, ensure_ascii=False)
            found.append(types.TextContent(type="text", text=text))
    return found
