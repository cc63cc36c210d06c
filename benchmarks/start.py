"""How long a start takes and what a visit costs.

One command, all on this machine: server start to the first byte of the page that holds Generate
(page cache warm), to a usable page in Chromium, size of the HTML, bytes on the wire of a first and
a second visit, hosts asked, idle CPU of the server, memory of server and worker, and the seconds of
the first and second picture after a start.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from benchmarks.common import ROOT, cpu_seconds, memory_mb, report


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real server process with its own data and output folders."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    argv = [sys.executable, "-m", "webui", "serve", "--no-browser", "--port", str(port)]
    argv += ["--data-dir", str(folder / "data"), "--output-dir", str(folder / "outputs")]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def first_page(port: int, begun: float) -> tuple[float, bytes]:
    """Seconds from ``begun`` until the page that holds Generate answers, and its HTML."""
    while time.perf_counter() - begun < 120:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                first, html = time.perf_counter() - begun, answer.read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
            continue
        if b"Generate" not in html:
            raise RuntimeError("The page does not hold Generate.")
        return first, html
    raise RuntimeError("The server did not answer within 120 s.")


def children(pid: int) -> list[int]:
    """Process ids of the direct children (Linux)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def draw(port: int) -> float:
    """Seconds from submitting one picture to its file."""
    body = json.dumps({"prompt": "a red circle on a white background", "seed": 1}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/txt2img?wait=true",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:
        answer.read()
    return time.perf_counter() - begun


def one_start(folder: Path, idle_seconds: float) -> dict[str, Any]:
    """Start a server, look at it, draw twice, stop it."""
    port = free_port()
    begun = time.perf_counter()
    with server(folder, port) as process:
        seconds, html = first_page(port, begun)
        first = draw(port)
        cold = time.perf_counter() - begun
        second = draw(port)
        time.sleep(1)
        cpu = cpu_seconds(process.pid)
        time.sleep(idle_seconds)
        idle = (cpu_seconds(process.pid) - cpu) / idle_seconds
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        return {
            "first_byte_s": seconds,
            "html_gzip_kb": len(gzip.compress(html)) / 1000,
            "start_to_first_picture_s": cold,
            "first_picture_s": first,
            "second_picture_s": second,
            "idle_cpu_percent": 100 * idle,
            "server_mb": memory_mb(process.pid),
            "torch_in_server": "libtorch" in maps,
            "worker_mb": [memory_mb(child) for child in children(process.pid)],
        }


def visits(folder: Path) -> dict[str, Any]:
    """Two visits of one browser to a running server: time until usable, bytes, hosts."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    with server(folder, port), sync_playwright() as driver:
        first_page(port, time.perf_counter())
        browser = driver.chromium.launch(
            executable_path=os.environ.get("EASEL_CHROMIUM", "/usr/bin/chromium"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        browser.new_page().close()
        context = browser.new_context()
        found = [_visit(context, port) for _ in range(3)]
        browser.close()
    return {"first": found[0], "second": found[1], "third": found[2]}


def _visit(context: Any, port: int) -> dict[str, Any]:
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    wire = {"bytes": 0, "requests": 0}
    hosts: set[str] = set()

    def received(event: dict[str, Any]) -> None:
        wire["bytes"] += int(event["encodedDataLength"])

    def asked(event: dict[str, Any]) -> None:
        wire["requests"] += 1
        url = event["request"]["url"]
        if url.startswith("http"):
            hosts.add(url.split("/")[2])

    session.on("Network.loadingFinished", received)
    session.on("Network.requestWillBeSent", asked)
    begun = time.perf_counter()
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("#txt2img_generate")
    page.wait_for_function("document.querySelector('#txt2img_width input[type=number]')?.value > 0")
    page.wait_for_selector("#easel_state:not(:empty)")
    usable = time.perf_counter() - begun
    page.wait_for_timeout(1500)
    page.close()
    foreign = sorted(h for h in hosts if not h.startswith("127.0.0.1"))
    return {
        "usable_s": usable,
        "wire_mb": wire["bytes"] / 1e6,
        "requests": wire["requests"],
        "foreign_hosts": foreign,
    }


def main() -> None:
    """Measure and write ``results/start.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one_start(folder, 0.1)
        starts = [one_start(folder, args.idle_seconds) for _ in range(args.starts)]
        browser = visits(folder)
    numbers = [k for k, v in starts[0].items() if isinstance(v, float)]
    report(
        "start",
        {
            "median": {k: statistics.median(s[k] for s in starts) for k in numbers},
            "starts": starts,
            "browser": browser,
        },
    )


if __name__ == "__main__":
    main()
