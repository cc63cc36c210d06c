"""A1111's calls as jobs: followed, ended early, failed, and left by their clients."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fakes.jobs import eventually
from tests.fakes.services import HERE, Site, open_site
from webui.core.errors import OutOfMemory, WorkerDied

PATH = "/sdapi/v1/txt2img"
ANN, BOB = ("ann", "right"), ("bob", "other")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, auth=[ANN, BOB], host="0.0.0.0") as opened:
        yield opened


class Asking:
    """A request that is waited for in a thread; ``answer`` once it has come."""

    def __init__(self, site: Site, fields: dict[str, Any], **more: Any) -> None:
        self.site = site
        self.answer: Any = None
        running = set(site.executor.running)
        small = {"prompt": "red", "width": 16, "height": 16, "steps": 4}
        body = {**small, **fields}

        def ask() -> None:
            self.answer = site.local.post(PATH, json=body, **more)

        self._thread = threading.Thread(target=ask)
        self._thread.start()
        known = lambda: set(site.executor.running) - running  # noqa: E731
        assert eventually(lambda: bool(known()) or self.answer is not None)
        self.job_id = next(iter(known()), "")

    def wait(self) -> Any:
        self._thread.join(10)
        assert self.answer is not None
        return self.answer


def test_a_client_that_leaves_does_not_lose_its_job(site: Site) -> None:
    body = json.dumps({"prompt": "red", "width": 16, "height": 16}).encode()
    headers = [(b"host", b"127.0.0.1:7860"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(),
        "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http",
        "server": ("127.0.0.1", 7860), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    begun = threading.Event()

    async def leave() -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            while not begun.is_set():
                await anyio.sleep(0.005)
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None: ...

        await site.app({**scope}, receive, send)

    portal = site.local.portal
    assert portal is not None
    left = portal.start_task_soon(leave)
    assert eventually(lambda: bool(site.executor.running))
    begun.set()
    left.result(5)
    [job_id] = site.executor.running
    image_id = site.draw(job_id)
    job = site.local.get(f"/api/v1/jobs/{job_id}").json()
    assert (job["state"], [image["id"] for image in job["images"]]) == ("done", [image_id])
    assert site.local.get(job["images"][0]["url"]).status_code == 200
    listed = site.local.get("/api/v1/images").json()["images"]
    assert [image["id"] for image in listed] == [image_id], "nobody has it yet, so it is kept"


def test_an_interrupted_job_answers_what_is_finished(site: Site) -> None:
    asking = Asking(site, {"n_iter": 3, "seed": 4})
    site.executor.image(asking.job_id, 0)
    site.queue.settle()
    assert site.local.post("/sdapi/v1/interrupt").json() == {}
    site.queue.settle()
    assert [stop.how for stop in site.executor.stops] == ["interrupt"]
    state = site.local.get("/sdapi/v1/progress").json()["state"]
    assert state["interrupted"] is True
    site.executor.finish(asking.job_id, stopped=True)
    answer = asking.wait()
    assert answer.status_code == 200
    info = json.loads(answer.json()["info"])
    assert len(answer.json()["images"]) == len(info["infotexts"]) == 1
    assert info["all_seeds"] == [4]


@pytest.mark.parametrize(
    ("error", "status"), [(OutOfMemory(), 507), (WorkerDied("The drawing process ended."), 500)]
)
def test_a_job_that_fails_says_why(site: Site, error: Any, status: int) -> None:
    asking = Asking(site, {})
    site.executor.finish(asking.job_id, error.info())
    answer = asking.wait()
    assert answer.status_code == status
    assert answer.json()["detail"] == error.message
    assert answer.headers["x-easel-job"] == asking.job_id


def test_only_administrators_overrides_stay(guarded: Site) -> None:
    fields = {
        "override_settings": {"CLIP_stop_at_last_layers": 2},
        "override_settings_restore_afterwards": False,
    }
    before = guarded.local.get("/sdapi/v1/options", auth=ANN).json()
    asking = Asking(guarded, fields, auth=BOB, headers={"x-forwarded-for": "10.0.0.7"})
    guarded.executor.finish(asking.job_id)
    answer = asking.wait()
    assert answer.status_code == 200
    assert "override_settings_restore_afterwards" in answer.headers["x-easel-ignored"]
    assert guarded.local.get("/sdapi/v1/options", auth=ANN).json() == before


def test_a_server_that_closes_names_the_job_it_keeps(site: Site) -> None:
    asking = Asking(site, {})
    assert site.local.portal is not None
    site.local.portal.call(site.app.state.hub.close)
    answer = asking.wait()
    assert answer.status_code == 503
    assert answer.headers["x-easel-job"] == asking.job_id
    assert int(answer.headers["retry-after"]) > 0


# ---- progress

IDLE = {
    "skipped": False, "interrupted": False, "stopping_generation": False, "job": "", "job_count": 0,
    "job_timestamp": "0", "job_no": 0, "sampling_step": 0, "sampling_steps": 0,
}  # fmt: skip


def test_progress_from_idle_to_the_end(site: Site) -> None:
    def progress(query: str = "") -> Any:
        return site.local.get(f"/sdapi/v1/progress{query}").json()

    idle = progress()
    assert (idle["progress"], idle["current_image"], idle["state"]) == (0, None, IDLE)
    asking = Asking(site, {"n_iter": 2, "batch_size": 2})
    assert progress()["progress"] == 0.01
    site.executor.step(asking.job_id, 2, 4, image=2)
    site.executor.preview(asking.job_id, b"\xff\xd8now")
    site.queue.settle()
    found = progress()
    assert found["progress"] == 0.76
    assert found["eta_relative"] == pytest.approx(0.2)
    assert base64.b64decode(found["current_image"]) == b"\xff\xd8now"
    state = found["state"]
    assert (state["job_count"], state["job_no"], state["job"]) == (2, 1, "Batch 2 out of 2")
    assert (state["sampling_step"], state["sampling_steps"]) == (2, 4)
    assert len(state["job_timestamp"]) == 14
    assert progress("?skip_current_image=true")["current_image"] is None
    assert site.local.post("/sdapi/v1/skip").json() is None
    assert [stop.how for stop in site.executor.stops] == ["skip"]
    assert progress()["state"]["skipped"] is True
    site.executor.finish(asking.job_id)
    asking.wait()
    assert (progress()["progress"], progress()["state"]["job_count"]) == (0, 0)


def test_progress_and_interrupt_are_the_callers_own(guarded: Site) -> None:
    anns = Asking(guarded, {"force_task_id": "task(ann)"}, auth=ANN)

    def told(path: str, auth: Any, **body: Any) -> Any:
        if body:
            return guarded.local.post(path, json=body, auth=auth).json()
        return guarded.local.get(path, auth=auth).json()

    assert told("/sdapi/v1/progress", ANN)["state"]["job_count"] == 1
    # On this machine bob is an administrator, too: even so it is not his.
    assert told("/sdapi/v1/progress", BOB)["state"] == IDLE
    guarded.local.post("/sdapi/v1/interrupt", auth=BOB)
    guarded.local.post("/sdapi/v1/skip", auth=BOB)
    guarded.queue.settle()
    assert guarded.executor.stops == []
    for name in ("task(ann)", anns.job_id):
        assert told("/internal/progress", ANN, id_task=name)["active"] is True
        assert told("/internal/progress", BOB, id_task=name)["active"] is False
    guarded.local.post("/sdapi/v1/interrupt", auth=ANN)
    guarded.queue.settle()
    assert [stop.job_id for stop in guarded.executor.stops] == [anns.job_id]
    guarded.executor.finish(anns.job_id, stopped=True)
    assert anns.wait().status_code == 200


def test_a_task_is_followed_by_the_name_its_caller_gave(site: Site) -> None:
    def task(name: str, **more: Any) -> Any:
        return site.local.post("/internal/progress", json={"id_task": name, **more}).json()

    running = Asking(site, {"force_task_id": "task(one)"})
    waiting = threading.Thread(
        target=lambda: site.local.post(
            PATH, json={"force_task_id": "task(two)", "width": 16, "height": 16}
        )
    )
    waiting.start()
    assert eventually(lambda: len(site.queue.jobs(None, ["queued"])) == 1)
    pending = lambda: site.local.get("/internal/pending-tasks").json()  # noqa: E731
    assert eventually(lambda: pending() == {"size": 1, "tasks": ["task(two)"]})
    assert (task("task(two)")["queued"], task("task(two)")["textinfo"]) == (True, "In queue: 1/1")
    assert task("nobody") == {
        "active": False, "queued": False, "completed": False, "progress": None, "eta": None,
        "live_preview": None, "id_live_preview": -1, "textinfo": "Waiting...",
    }  # fmt: skip
    site.executor.step(running.job_id, 1, 4)
    site.executor.preview(running.job_id, b"\xff\xd8now")
    site.queue.settle()
    found = task("task(one)", id_live_preview=-1)
    assert (found["active"], found["progress"]) == (True, 0.25)
    picture = base64.b64encode(b"\xff\xd8now").decode()
    assert found["live_preview"] == f"data:image/jpeg;base64,{picture}"
    seen = task("task(one)", id_live_preview=found["id_live_preview"])
    assert (seen["live_preview"], seen["id_live_preview"]) == (None, found["id_live_preview"])
    assert task("task(one)", live_preview=False)["live_preview"] is None
    site.executor.finish(running.job_id)
    running.wait()
    assert task("task(one)")["completed"] is True
    answer = site.local.post("/internal/progress", json={"id_task": ["a"]})
    assert answer.status_code == 422
    site.queue.settle()
    [second] = site.executor.running
    site.executor.finish(second)
    waiting.join(10)


def test_what_waits_is_not_idle(site: Site) -> None:
    first = Asking(site, {})
    site.local.post("/api/v1/txt2img", json={"prompt": "of the page", "width": 16, "height": 16})
    site.executor.finish(first.job_id)
    first.wait()
    site.queue.settle()
    assert site.local.get("/sdapi/v1/progress").json()["state"]["job_count"] == 1


# ---- sizes


def test_a_large_request_is_read_and_a_huge_one_is_not(site: Site) -> None:
    large = site.local.post(PATH, json={"firstpass_image": "x" * 5_000_000, "steps": 0})
    assert large.status_code == 422, "the body was read"
    headers = {"content-length": str(65 * 1024 * 1024), "host": HERE.removeprefix("http://")}
    huge = site.local.post(PATH, content=b"{}", headers=headers)
    assert huge.status_code == 413
    assert set(huge.json()) == {"error", "detail", "body", "errors"}
