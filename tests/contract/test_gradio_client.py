"""Gradio's own client: named endpoints with documented parameters, behind the same gate."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from gradio.context import Context
from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError
from PIL import Image
from starlette.testclient import TestClient

from tests.fakes.services import HERE, running
from tests.fakes.worker import COLOURS
from tests.journeys.serving import write_checkpoint
from webui import ui
from webui.api import create_app
from webui.app import open_services
from webui.core.params import fields_of
from webui.core.requests import Txt2Img
from webui.services import Services
from webui.settings import load_settings
from webui.ui import endpoints, shell

ANN, BOB = ("ann", "right"), ("bob", "other")
SMALL: dict[str, Any] = {"width": 64, "height": 32, "steps": 2}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("home")
    write_checkpoint(folder / "models" / "checkpoints" / "first", 64)
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with open_services(settings, worker="tests.fakes.worker") as opened:
        yield opened


def application(services: Services, **options: Any) -> FastAPI:
    app = create_app(services, services.settings, **options)
    ui.mount(app, services, services.settings)
    return app


@pytest.fixture(scope="module")
def url(services: Services) -> Iterator[str]:
    with running(application(services)) as (_, address):
        yield address


@pytest.fixture(scope="module")
def guarded(services: Services) -> Iterator[str]:
    with running(application(services, auth=(ANN, BOB))) as (_, address):
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a client puts what it fetches."""
    return tmp_path / "fetched"


def client(url: str, folder: Path, password: str | None = None) -> Client:
    headers = None if password is None else {"Authorization": f"Bearer {password}"}
    return Client(url, verbose=False, analytics_enabled=False, download_files=folder,
                  headers=headers)  # fmt: skip


def test_submitting_does_not_hold_up_the_server(
    url: str, folder: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, in_loop = services.queue.submit, []

    def noted(*args: Any, **more: Any) -> Any:
        with suppress(RuntimeError):
            in_loop.append(asyncio.get_running_loop())
        return submit(*args, **more)

    monkeypatch.setattr(services.queue, "submit", noted)
    client(url, folder).predict("a red ball", api_name="/txt2img", **SMALL)
    assert in_loop == []


def test_a_picture_is_drawn_and_fetched(url: str, folder: Path, services: Services) -> None:
    file, details = client(url, folder).predict("a red ball", seed=5, api_name="/txt2img", **SMALL)
    with Image.open(file) as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((0, 0)) == COLOURS["red"]
    assert Path(file).suffix == ".png"
    assert details["seed"] == 5
    assert (details["width"], details["height"]) == (64, 32)
    assert "Steps: 2" in details["parameters"]
    assert services.queue.get(details["job"]).images[0].id == details["image"]


def test_it_shows_what_is_meant_to_be_used_and_nothing_else(url: str, folder: Path) -> None:
    shown = client(url, folder).view_api(return_format="dict")
    assert isinstance(shown, dict)
    assert set(shown["named_endpoints"]) == {"/txt2img", "/status", "/cancel"}
    assert shown["unnamed_endpoints"] == {}
    parameters = {
        p["parameter_name"]: p for p in shown["named_endpoints"]["/txt2img"]["parameters"]
    }
    assert list(parameters)[:3] == ["prompt", "negative_prompt", "checkpoint"]
    assert "request" not in parameters
    assert not parameters["prompt"]["parameter_has_default"]
    assert parameters["steps"]["parameter_default"] == 20
    assert parameters["steps"]["python_type"]["type"] == "int"
    assert all(p["python_type"]["description"] for p in parameters.values())
    assert parameters["prompt"]["python_type"]["description"] == "What to draw, in a few words."


def test_jobs_are_seen_and_cancelled(url: str, folder: Path, services: Services) -> None:
    easel = client(url, folder)
    slow_fields: dict[str, Any] = {**SMALL, "steps": 150}
    slow = easel.submit("!slow one", api_name="/txt2img", **slow_fields)
    jobs: list[Any] = []
    while not jobs:
        jobs = easel.predict(api_name="/status")["jobs"]
    assert jobs[0]["prompt"] == "!slow one"
    easel.predict(jobs[0]["id"], api_name="/cancel")
    with pytest.raises(AppError, match="cancelled before its picture"):
        slow.result(timeout=30)
    assert easel.predict(jobs[0]["id"], api_name="/status")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"steps": 0}, "Sampling steps is 0; the least is 1"),
        ({"steps": "many"}, "Sampling steps"),
        ({"sampler": "Eulr"}, "did you mean 'Euler'?"),
        ({"checkpoint": "../../etc/passwd"}, "There is no checkpoint"),
        ({"width": 65}, "not a multiple of 8"),
        ({"prompt": "!fail"}, "The fake was told to fail."),
        ({"prompt": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, ""),
    ],
)
def test_a_bad_value_is_one_sentence(
    url: str, folder: Path, fields: dict[str, Any], part: str
) -> None:
    with pytest.raises(AppError) as raised:
        client(url, folder).predict(api_name="/txt2img", **{"prompt": "x", **fields})
    assert part in str(raised.value)
    assert "Traceback" not in str(raised.value)


def test_the_gate_holds(guarded: str, folder: Path) -> None:
    with pytest.raises((AuthenticationError, ValueError)):
        client(guarded, folder)
    with pytest.raises((AuthenticationError, ValueError)):
        client(guarded, folder, "wrong")
    ann = client(guarded, folder, ANN[1])
    _, details = ann.predict("red", api_name="/txt2img", **SMALL)
    assert ann.predict(details["job"], api_name="/status")["state"] == "done"


def test_other_peoples_jobs_are_not_there(services: Services, guarded: str, folder: Path) -> None:
    """From another machine, where nobody is an administrator."""
    _, details = client(guarded, folder, ANN[1]).predict("red", api_name="/txt2img", **SMALL)
    app = application(services, auth=(ANN, BOB))
    with TestClient(app, HERE, client=("10.0.0.5", 1), follow_redirects=True) as away:
        away.auth = BOB
        path = f"/gradio_api/file=easel/{details['image']}.png"
        assert away.get(path).status_code == 404
        body = {"data": [details["job"]]}
        assert away.post("/gradio_api/run/cancel", json=body).json()["error"] == (
            "There is no such job."
        )
        assert away.get(path, auth=ANN).status_code == 200
        assert away.get(path, auth=("ann", "wrong")).status_code == 401


def test_files_of_the_disk_are_not_served(url: str, services: Services) -> None:
    image = next(iter(services.library.recent(1)))
    for path in (image.path, "/etc/passwd", "easel/../../../../etc/passwd"):
        assert httpx.get(f"{url}/gradio_api/file={path}").status_code in (403, 404)


BYTES_A_FIELD = 30
"""What one field of a request may add to the page, packed."""


def test_the_page_is_not_made_heavier(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers load nothing for the endpoints, and what describes them is small.

    A component that is visible and never shows up would keep Gradio's page from getting ready.
    """
    monkeypatch.setattr(Context, "id", 0)  # else ids are as long as other tests have made them
    blocks, _ = shell.build_page(["first"])
    before: Any = blocks.get_config_file()
    nothing = cast("Any", None)
    endpoints.add(blocks, endpoints.Endpoints(services, nothing, lambda _: False))
    after: Any = blocks.get_config_file()
    added = after["components"][len(before["components"]) :]
    assert added
    assert all(one["props"]["visible"] is False for one in added)
    sizes = [len(gzip.compress(json.dumps(config).encode())) for config in (before, after)]
    assert sizes[1] - sizes[0] < BYTES_A_FIELD * len(fields_of(Txt2Img))
