"""Agents by the Model Context Protocol: tools with described arguments, behind the same gate."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from tests.fakes import loops
from tests.fakes.services import running
from tests.fakes.worker import COLOURS
from tests.journeys.serving import write_checkpoint
from webui import ui
from webui.api import create_app
from webui.app import open_services
from webui.core.errors import SetupError
from webui.metadata import read_picture
from webui.services import Services
from webui.settings import load_settings
from webui.ui import agents

pytest.importorskip("mcp", reason="agents need the package mcp")

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent

ANN, BOB = ("ann", "right"), ("bob", "other")
SMALL: dict[str, Any] = {"width": 64, "height": 32, "steps": 2}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-03-26",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("home")
    write_checkpoint(folder / "models" / "checkpoints" / "first", 64)
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with open_services(settings, worker="tests.fakes.worker") as opened:
        yield opened


def application(services: Services, *, mcp: bool = True, **options: Any) -> FastAPI:
    app = create_app(services, services.settings, **options)
    ui.mount(app, services, services.settings, mcp=mcp)
    return app


@pytest.fixture(scope="module")
def url(services: Services) -> Iterator[str]:
    with running(application(services)) as (_, address):
        yield address


@pytest.fixture(scope="module")
def guarded(services: Services) -> Iterator[str]:
    with running(application(services, auth=(ANN, BOB))) as (_, address):
        yield address


def talk(url: str, what: Callable[[ClientSession], Awaitable[Any]], key: str | None = None) -> Any:
    """What an agent does in one session."""

    async def session() -> Any:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=30, follow_redirects=True) as http,
            streamable_http_client(f"{url}/gradio_api/mcp/", http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as opened,
        ):
            await opened.initialize()
            return await what(opened)

    return loops.run(session())


def call(url: str, tool: str, key: str | None = None, **arguments: Any) -> CallToolResult:
    return talk(url, lambda session: session.call_tool(tool, arguments), key)


def texts(answer: CallToolResult) -> list[str]:
    return [part.text for part in answer.content if isinstance(part, TextContent)]


def test_tools_and_their_arguments_are_described(url: str) -> None:
    tools = {tool.name: tool for tool in talk(url, lambda session: session.list_tools()).tools}
    assert set(tools) == {"txt2img", "status", "cancel"}
    schema = tools["txt2img"].inputSchema
    assert schema["required"] == ["prompt"]
    assert "request" not in schema["properties"]
    for field in schema["properties"].values():
        assert field["description"]
        assert set(field) <= {"type", "oneOf", "description", "default"}
    assert schema["properties"]["steps"]["type"] == "integer"
    assert tools["txt2img"].description.startswith("Draw one picture from a text prompt")


def test_an_agent_draws_and_gets_the_picture(url: str, services: Services) -> None:
    answer = call(url, "txt2img", prompt="a red ball", seed=5, **SMALL)
    assert not answer.isError
    [image] = [part for part in answer.content if isinstance(part, ImageContent)]
    assert image.mimeType == "image/png"
    data = base64.b64decode(image.data)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((0, 0)) == COLOURS["red"]
    told = read_picture(data)
    assert told is not None
    assert "Seed: 5" in told.infotext
    address, details = texts(answer)
    assert httpx.get(address.removeprefix("Image URL: ")).content == data
    job = services.queue.get(json.loads(details)["job"])
    assert (job.state, job.owner) == ("done", "local")


def test_an_agent_sees_what_there_is(url: str) -> None:
    [text] = texts(call(url, "status"))
    assert json.loads(text)["checkpoints"] == ["first"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"prompt": "x", "steps": 0}, "Sampling steps is 0; the least is 1"),
        ({"prompt": "x", "sampler": "Eulr"}, "did you mean 'Euler'?"),
        ({"prompt": "!fail"}, "The fake was told to fail."),
        ({"prompt": ["x"]}, "is not of type 'string'"),
    ],
)
def test_a_bad_value_is_one_sentence(url: str, arguments: dict[str, Any], part: str) -> None:
    answer = call(url, "txt2img", **arguments)
    assert answer.isError
    [text] = texts(answer)
    assert part in text
    assert "Traceback" not in text


def test_an_unknown_tool_is_an_error(url: str) -> None:
    assert call(url, "rm_rf").isError


def test_an_agent_acts_for_the_one_whose_key_it_has(guarded: str, services: Services) -> None:
    answer = call(guarded, "txt2img", ANN[1], prompt="blue", **SMALL)
    details = json.loads(texts(answer)[-1])
    assert services.queue.get(details["job"]).owner == "ann"


def test_nobody_comes_in_without_a_key(guarded: str) -> None:
    for path in ("/gradio_api/mcp/", "/gradio_api/mcp/schema", "/gradio_api/mcp/sse"):
        assert httpx.get(guarded + path, headers=ACCEPT).status_code == 401
    answer = httpx.post(f"{guarded}/gradio_api/mcp/", json=INITIALIZE, headers=ACCEPT)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}],
)
def test_pages_of_other_sites_cannot_use_it(url: str, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{url}/gradio_api/mcp/", json=INITIALIZE, headers={**ACCEPT, **headers})
    assert answer.status_code == 403
    inside = httpx.post(f"{url}/gradio_api/mcp/", json=INITIALIZE, headers=ACCEPT)
    assert inside.status_code == 200


def test_it_is_not_there_unless_it_was_asked_for(services: Services) -> None:
    with running(application(services, mcp=False)) as (_, address):
        answer = httpx.post(f"{address}/gradio_api/mcp/", json=INITIALIZE, headers=ACCEPT)
        assert answer.status_code in (404, 405)


def test_without_the_package_one_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "mcp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(SetupError, match=r'pip install "mcp>=1\.21,<2"'):
        agents.check_installed()
