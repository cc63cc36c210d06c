from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.fakes.jobs import eventually
from tests.fakes.services import Site, running
from webui.api import Share, bind
from webui.core.errors import SetupError

ANN = ("ann", "right")


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"data: x\n\n"
        await asyncio.sleep(0.05)


def mount_stream(app: FastAPI) -> None:
    page = FastAPI()

    @page.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless(), media_type="text/event-stream")

    app.mount("/", page)


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} is taken.*--port {port + 1}"):
            bind("127.0.0.1", port)
    bind("127.0.0.1", port).close()


def test_a_second_server_of_ours_finds_the_port_taken_at_once() -> None:
    first = bind("127.0.0.1", 0)
    try:
        with pytest.raises(SetupError, match="is taken"):
            bind("127.0.0.1", first.port)
    finally:
        first.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "999.1.1.1"])
def test_an_address_that_is_not_ours_is_one_sentence(host: str) -> None:
    with pytest.raises(SetupError, match="address"):
        bind(host, 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1"), ("0.0.0.0", "http://127.0.0.1"), ("localhost", "http://")],
)
def test_the_address_a_browser_opens(host: str, url: str) -> None:
    listener = bind(host, 0)
    listener.close()
    assert listener.url.startswith(url)
    assert listener.url.endswith(f":{listener.port}")


def test_a_stream_streams_and_nothing_open_holds_up_the_end(site: Site) -> None:
    mount_stream(site.app)
    polled: list[httpx.Response] = []
    with running(site.app) as (server, url):
        last = httpx.get(f"{url}/api/v1/events").json()["last"]
        poll = threading.Thread(
            target=lambda: polled.append(
                httpx.get(f"{url}/api/v1/events?after={last}&timeout=25", timeout=30)
            )
        )
        with connect(url.replace("http", "ws") + "/api/v1/ws") as live:
            live.recv(timeout=5)
            with httpx.stream(
                "GET", f"{url}/stream", headers={"accept-encoding": "gzip"}
            ) as stream:
                chunks = stream.iter_raw()
                assert next(chunks) == b"data: x\n\n", "streams are passed on as they come"
                poll.start()
                assert eventually(lambda: len(site.app.state.hub._followers) == 2)
                began = time.monotonic()
                server.should_exit = True
                with pytest.raises(ConnectionClosed) as closed:
                    live.recv(timeout=5)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012
                poll.join(5)
                for _ in chunks:
                    pass
                assert time.monotonic() - began < 1.0
    assert polled[0].json()["events"] == []


_SCRIPT = """
import sys, pathlib
from tests.fakes.services import open_site
from webui.api import bind, serve
with open_site(pathlib.Path(sys.argv[1])) as site:
    serve(site.app, bind("127.0.0.1", 0), ready=lambda url: print(url, flush=True))
    print("closing", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
@pytest.mark.parametrize("path", ["/sdapi/v1/png-info", "/api/v1/txt2img"])
def test_a_body_whose_rest_does_not_come_does_not_hold_up_the_end(
    site: Site, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with running(site.app) as (server, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as half:
            head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\n"
            half.sendall(head.encode() + b'{"image":"')
            assert httpx.get(f"{url}/healthz").status_code == 200
            server.should_exit = True
            half.settimeout(5)
            assert half.recv(100).startswith(b"HTTP/1.1 503 ")
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


def test_sigterm_ends_the_server_and_services_are_closed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with connect(url.replace("http", "ws") + "/api/v1/ws") as live:
            live.recv(timeout=5)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert process.wait(5) == 0
            assert time.monotonic() - began < 3
    assert rest == "closing\n"


# ---- the share link


def test_the_share_link_comes_through_an_entrance_of_its_own(guarded: Site) -> None:
    said: list[str] = []
    entrances: list[tuple[str, int]] = []
    allowed = threading.Event()

    def tunnel(host: str, port: int, token: str) -> str:
        assert len(token) > 30
        entrances.append((host, port))
        assert allowed.wait(5)
        return "https://abc.gradio.live"

    share = Share(tunnel, opened=said.append, failed=said.append)
    with running(guarded.app, share=share) as (_, url):
        assert httpx.get(f"{url}/healthz").text == "ok", "the page is served meanwhile"
        assert eventually(lambda: bool(entrances))
        host, port = entrances[0]
        entrance = f"http://{host}:{port}"
        name = {"host": "abc.gradio.live"}
        assert httpx.get(f"{entrance}/healthz", headers=name).status_code == 403
        allowed.set()
        assert eventually(lambda: bool(said))
        assert said == ["https://abc.gradio.live"]
        assert httpx.get(f"{entrance}/", headers=name).status_code == 401
        for headers in (name, {}):
            status = httpx.get(f"{entrance}/api/v1/status", headers=headers, auth=ANN).json()
            assert status["caller"] == {"user": "ann", "is_admin": False}
        status = httpx.get(f"{url}/api/v1/status", auth=ANN).json()
        assert status["caller"]["is_admin"] is True


def test_without_internet_the_share_link_is_one_sentence(guarded: Site) -> None:
    said: list[str] = []

    def tunnel(host: str, port: int, token: str) -> str:
        raise RuntimeError("Could not get share link\nfrom Gradio API Server.")

    def opened(address: str) -> None:
        raise AssertionError(address)

    with running(guarded.app, share=Share(tunnel, opened, said.append)) as (_, url):
        assert eventually(lambda: bool(said))
        assert httpx.get(f"{url}/healthz").text == "ok"
    [sentence] = said
    assert "\n" not in sentence
    assert sentence.startswith("There is no public link")


def test_a_client_that_leaves_does_not_end_its_job(site: Site) -> None:
    with running(site.app) as (_, url):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/api/v1/txt2img?wait=true", json={"prompt": "red"}, timeout=0.3)
        [job_id] = site.executor.running
        assert site.executor.stops == []
        site.draw(job_id)
        assert site.queue.get(job_id).state == "done"
