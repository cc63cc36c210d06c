"""`webui serve` as a process of its own: its words, its login, its end."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.journeys.serving import ROOT, free_port, write_checkpoint

Serve = Callable[..., "Running"]
SOON = 60.0  # seconds a loaded machine may take
QUICK = 5.0  # seconds in which a server ends: under one, but the machine may be loaded


class Running:
    """A server process with its address."""

    def __init__(self, home: Path, *flags: str, worker: str, stdout: int | None) -> None:
        self.port = free_port()
        folders = [f"--{name}-dir={home / name}" for name in ("models", "output", "data")]
        command = [sys.executable, "-m", "webui", "serve", "--no-browser", f"--port={self.port}"]
        self.process = subprocess.Popen(
            [*command, *folders, *flags],
            cwd=ROOT,
            env={**os.environ, "EASEL_WORKER_MODULE": worker},
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
        )
        self.said = ""
        eventually(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.rest()
        try:
            return self.ask("/healthz")[0] == 200
        except OSError:
            return False

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer; no redirect is followed."""
        url = f"http://127.0.0.1:{self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data, headers), timeout=10
            ) as a:
                return a.status, a.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def job(self, job_id: str) -> dict[str, Any]:
        return json.loads(self.ask(f"/api/v1/jobs/{job_id}")[1])

    def worker(self) -> dict[str, Any]:
        return json.loads(self.ask("/api/v1/status")[1])["worker"]

    def submit(self, **fields: Any) -> str:
        status, body = self.ask("/api/v1/txt2img", fields)
        assert status == 202, body
        return json.loads(body)["job"]["id"]

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of these states."""
        eventually(lambda: self.job(job_id)["state"] in states)
        return self.job(job_id)

    def says(self, pattern: str) -> re.Match[str]:
        """Wait for words on its stdout."""
        assert self.process.stdout is not None
        end = time.monotonic() + SOON
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < end, self.said
            if select.select([self.process.stdout], [], [], 0.5)[0]:
                self.said += os.read(self.process.stdout.fileno(), 4096).decode()
        return found

    def rest(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


def eventually(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.03)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    started: list[Running] = []

    def start(
        *flags: str, worker: str = "tests.fakes.worker", stdout: int | None = None
    ) -> Running:
        started.append(Running(tmp_path, *flags, worker=worker, stdout=stdout))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_job_ends_everything_quickly_and_quietly(
    serve: Serve, number: signal.Signals
) -> None:
    server = serve()
    job_id = server.submit(prompt="!slow red", steps=150)
    server.wait(job_id, "running")
    workers = psutil.Process(server.process.pid).children(recursive=True)
    assert workers
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(SOON) == 0
    assert time.monotonic() - began < QUICK
    assert [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE] == []
    assert server.rest() == ""
    again = serve()
    assert again.job(job_id)["state"] in ("queued", "running")


def test_a_worker_that_cannot_start_is_said_and_fails_the_job_with_a_sentence(
    serve: Serve,
) -> None:
    server = serve(worker="no_such_worker")
    eventually(lambda: server.worker()["state"] == "waiting")
    assert "No module named no_such_worker" in server.worker()["problem"]
    failed = server.wait(server.submit(prompt="red"), "failed")
    assert failed["error"]["message"].startswith("The drawing process could not start. ")
    assert "No module named no_such_worker" in failed["error"]["message"]
    assert server.answers()


def test_it_goes_on_where_nobody_reads_what_it_says(serve: Serve) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    server = serve(stdout=writing)
    os.close(writing)
    server.wait(server.submit(prompt="red", steps=2), "done")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(SOON) == 0
    assert server.rest() == ""


def test_generate_stops_quietly_when_nobody_reads_on(serve: Serve, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    folders = [f"--{name}-dir={tmp_path / name}" for name in ("models", "output", "data")]
    environment = {**os.environ, "EASEL_WORKER_MODULE": "tests.fakes.worker"}
    done = subprocess.run(
        [sys.executable, "-m", "webui", "generate", "red", "--steps=2", *folders],
        cwd=ROOT,
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=SOON,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_network_server_asks_everywhere_for_the_password_it_made_up(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve("--listen", "0.0.0.0")
    user, password = server.says(r"Log in as (\S+) with the password (\S{20,})\n").groups()
    asset = "/easel-assets/x/main.js"
    gradio = ("/config", "/theme.css", "/gradio_api/info", "/gradio_api/heartbeat/x", "/static/x")
    for path in ("/", "/api/v1/status", "/api/v1/ws", "/docs", "/favicon.ico", asset, *gradio):
        assert server.ask(path)[0] == 401, path
    for path in ("/gradio_api/upload", "/gradio_api/queue/join", "/api/v1/txt2img"):
        assert server.ask(path, {})[0] == 401, path
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    allowed = {"Authorization": f"Basic {basic}"}
    assert server.ask("/config", **allowed)[0] == 200
    for path in ("/etc/passwd", "pyproject.toml", tmp_path / "data" / "jobs.sqlite"):
        assert server.ask(f"/gradio_api/file={path}", **allowed)[0] == 403, path
    assert server.ask("/config", **allowed, Host="evil.example")[0] == 403
    wrong = {"Authorization": "Basic " + base64.b64encode(f"{user}:x".encode()).decode()}
    assert server.ask("/config", **wrong)[0] == 401
