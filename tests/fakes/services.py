"""Real services around an executor that is stepped by hand, and the application on top.

with open_site(tmp_path, auth=(("ann", "pw"),)) as site:
    answer = site.local.post("/api/v1/txt2img", json={"prompt": "red"})
    job_id = answer.json()["job"]["id"]
    site.draw(job_id)          # what the worker would do
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketTestSession

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import resolve
from webui.api import Server, bind, create_app, make_server
from webui.catalog import Catalog
from webui.core.messages import JobImage
from webui.core.results import SavedImage
from webui.jobs import Job, JobQueue, Journal
from webui.jobs.supplying import SupplyingExecutor
from webui.library import Library
from webui.library.inputs import Inputs
from webui.services import Services
from webui.settings import Settings, load_settings

HERE = "http://127.0.0.1:7860"


@dataclass
class Site:
    """An application with its services; ``local`` is a browser on the server's own machine."""

    services: Services
    executor: FakeExecutor
    app: FastAPI
    local: TestClient

    @property
    def queue(self) -> JobQueue:
        return self.services.queue

    def away(self, base: str = HERE, address: str = "10.0.0.5") -> TestClient:
        """A client on another machine."""
        return client(self.app, base, address)

    def socket(self, path: str = "/api/v1/ws", **headers: str) -> WebSocketTestSession:
        """A WebSocket from this machine."""
        address = HERE.replace("http", "ws") + path
        return self.local.websocket_connect(address, headers=headers)

    def submit(self, by: TestClient | None = None, auth: Any = None, **fields: Any) -> str:
        """Submit a request over HTTP and wait until the worker has been told; the job's id."""
        body = {"prompt": "red", "width": 16, "height": 16, "seed": 7, **fields}
        answer = (by or self.local).post("/api/v1/txt2img", json=body, auth=auth)
        assert answer.status_code == 202, answer.text
        self.queue.settle()
        return answer.json()["job"]["id"]

    def draw(self, job_id: str) -> str:
        """Let the worker finish a running job of one picture; the picture's id."""
        self.executor.image(job_id)
        self.executor.finish(job_id)
        self.queue.settle()
        return self.queue.get(job_id).images[0].id


def client(app: FastAPI, base: str = HERE, address: str = "127.0.0.1") -> TestClient:
    """A client at ``address`` that does not follow redirects."""
    return TestClient(
        app, base, client=(address, 50000), follow_redirects=False, raise_server_exceptions=False
    )


def site_settings(folder: Path, **server: Any) -> Settings:
    """Settings with everything in ``folder``."""
    overrides = {f"server.{name}": value for name, value in server.items()}
    return load_settings(overrides, environ={}, home=folder)


@contextmanager
def open_services(settings: Settings, executor: FakeExecutor) -> Iterator[Services]:
    """Real catalogue, library and queue; only what draws is a fake."""
    paths = settings.paths
    for folder in (paths.models, paths.outputs, paths.data):
        folder.mkdir(parents=True, exist_ok=True)
    library = Library(paths.outputs, paths.data, settings.saving)

    def keep(job: Job, image: JobImage) -> SavedImage:
        return library.save(
            image.pixels,
            infotext=job.request.prompt,
            job_id=job.id,
            index=image.index,
            seed=image.seed,
            prompt=job.request.prompt,
            model=job.model.name,
            owner=job.owner,
        )

    inputs = Inputs(paths.data / "inputs")
    supplied = SupplyingExecutor(executor, inputs.data)
    queue = JobQueue(Journal(paths.data), supplied, resolve=resolve, keep=keep)
    try:
        yield Services(settings, Catalog(paths.models), library, queue, inputs)
    finally:
        queue.close()
        library.close()


@contextmanager
def open_site(folder: Path, **server: Any) -> Iterator[Site]:
    """A site whose ``server.*`` settings are given, with its lifespan running."""
    settings = site_settings(folder, **server)
    executor = FakeExecutor()
    with open_services(settings, executor) as services:
        app = create_app(services, settings)
        with client(app) as local:
            yield Site(services, executor, app, local)


@contextmanager
def running(app: FastAPI, **options: Any) -> Iterator[tuple[Server, str]]:
    """A real server in a thread, with its address; stopped at the end."""
    listener = bind("127.0.0.1", 0)
    up = threading.Event()
    server = make_server(app, listener, ready=lambda _: up.set(), **options)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert up.wait(10), "the server did not start"
        yield server, listener.url
    finally:
        server.should_exit = True
        thread.join(5)
        assert not thread.is_alive(), "the server did not stop"
