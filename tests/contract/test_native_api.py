"""The API one would want: streams, waits, keys, batches, results after any broken connection."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import eventually
from tests.fakes.services import Site, client, open_services, open_site, running, site_settings
from webui.api import create_app
from webui.api.stream import HEARTBEAT_SECONDS
from webui.api.submit import MAX_BATCH
from webui.api.waiting import LONGEST_WAIT, preferred_wait
from webui.core.errors import InvalidRequest, describe
from webui.core.results import Caller, Pixels
from webui.jobs.once import MAX_KEY_CHARS
from webui.settings.presets import FILE_NAME, MAX_PRESET_CHARS

ANN, BOB = ("ann", "right"), ("bob", "other")
BODY = {"prompt": "red", "width": 16, "height": 16, "seed": 7}


@pytest.fixture
def site(tmp_path: Path) -> Any:
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    with open_site(tmp_path, auth=[ANN, BOB], host="0.0.0.0") as opened:
        yield opened


# ---- the stream of one job


def parsed(text: str) -> list[tuple[str, int, Any]]:
    """The events of a stream: name, number, data."""
    found: list[tuple[str, int, Any]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


class Listening:
    """A client that reads a stream to its end in a thread of its own."""

    def __init__(self, url: str, **options: Any) -> None:
        self.text = ""
        self.headers: Any = {}
        self._thread = threading.Thread(target=self._read, args=(url,), kwargs=options)
        self._thread.start()

    def _read(self, url: str, **options: Any) -> None:
        with httpx.stream("GET", url, timeout=20, **options) as answer:
            self.headers = answer.headers
            for part in answer.iter_text():
                self.text += part

    def heard(self, name: str) -> bool:
        return eventually(lambda: f"event: {name}\n" in self.text)

    def ended(self) -> list[tuple[str, int, Any]]:
        self._thread.join(10)
        assert not self._thread.is_alive(), "the stream did not end"
        return parsed(self.text)


def test_a_stream_tells_a_job_from_beginning_to_end(site: Site) -> None:
    first, job_id = site.submit(), site.submit(prompt="a red circle")
    with running(site.app) as (_, url):
        listening = Listening(f"{url}/api/v1/jobs/{job_id}/events")
        assert listening.heard("job")
        site.draw(first)
        assert listening.heard("started")
        site.executor.step(job_id, 5, 20)
        site.executor.preview(job_id, b"\xff\xd8one")
        assert listening.heard("preview")
        preview = httpx.get(f"{url}/api/v1/jobs/{job_id}/preview").content
        image_id = site.draw(job_id)
        told = listening.ended()
    names = [name for name, _, _ in told]
    assert names[0] == "job"
    assert [n for n in names if n not in ("queued", "progress")] == [
        "job", "started", "preview", "image", "done",
    ]  # fmt: skip
    numbers = [number for _, number, _ in told]
    assert numbers == sorted(set(numbers))
    data = {name: value for name, _, value in told}
    assert (data["job"]["state"], data["job"]["position"]) == ("queued", 0)
    assert data["progress"]["progress"]["step"] == 5
    assert (data["preview"]["url"], preview) == (
        f"/api/v1/jobs/{job_id}/preview", b"\xff\xd8one",
    )  # fmt: skip
    assert data["image"]["image"]["url"] == f"/api/v1/images/{image_id}"
    assert data["done"]["job"]["images"][0]["id"] == image_id
    assert data["done"]["kind"] == "done"
    assert listening.headers["content-type"].startswith("text/event-stream")
    assert listening.headers["cache-control"] == "no-store"
    assert "content-encoding" not in listening.headers


def test_previews_come_as_base64_or_not_at_all(site: Site) -> None:
    job_id = site.submit()
    with running(site.app) as (_, url):
        address = f"{url}/api/v1/jobs/{job_id}/events"
        told = {how: Listening(f"{address}?preview={how}") for how in ("base64", "none")}
        assert all(listening.heard("job") for listening in told.values())
        site.executor.preview(job_id, b"\xff\xd8one")
        assert told["base64"].heard("preview")
        site.draw(job_id)
        [frame] = [v for name, _, v in told["base64"].ended() if name == "preview"]
        assert base64.b64decode(frame["jpeg"]) == b"\xff\xd8one"
        assert "preview" not in [name for name, _, _ in told["none"].ended()]


def test_a_stream_goes_on_where_it_broke(site: Site) -> None:
    before = site.queue.last_seq
    job_id = site.submit()
    other = site.submit()
    site.draw(job_id)
    address = f"/api/v1/jobs/{job_id}/events"
    told = parsed(site.local.get(address, headers={"last-event-id": str(before)}).text)
    assert [name for name, _, _ in told] == ["queued", "started", "image", "done"]
    again = parsed(site.local.get(address, headers={"last-event-id": str(told[1][1])}).text)
    assert [number for _, number, _ in again] == [number for _, number, _ in told[2:]]
    last = {"last-event-id": str(told[-1][1])}
    assert (site.local.get(address, headers=last).status_code) == 204
    assert site.queue.get(other).state == "running"


def test_where_events_are_forgotten_the_job_is_told_anew(site: Site) -> None:
    job_id = site.submit()
    image_id = site.draw(job_id)
    for number in (0, 5, 10**14):
        headers = {"last-event-id": str(number)}
        told = parsed(site.local.get(f"/api/v1/jobs/{job_id}/events", headers=headers).text)
        assert [name for name, _, _ in told] == ["job", "done"]
        assert told[0][2]["images"][0]["id"] == image_id


def test_a_stream_ends_with_what_became_of_the_job(site: Site) -> None:
    failed, cancelled = site.submit(), site.submit()
    with running(site.app) as (_, url):
        streams = [Listening(f"{url}/api/v1/jobs/{i}/events") for i in (failed, cancelled)]
        assert all(stream.heard("job") for stream in streams)
        site.queue.cancel(cancelled)
        site.executor.finish(failed, describe(InvalidRequest("It did not work.")))
        ends = [stream.ended()[-1] for stream in streams]
    assert [name for name, _, _ in ends] == ["failed", "cancelled"]
    assert ends[0][2]["error"]["message"] == "It did not work."


def test_a_stream_ends_when_the_server_stops(site: Site) -> None:
    job_id = site.submit()
    with running(site.app) as (server, url):
        listening = Listening(f"{url}/api/v1/jobs/{job_id}/events")
        assert listening.heard("job")
        server.should_exit = True
        assert [name for name, _, _ in listening.ended()] == ["job"]
    assert site.queue.get(job_id).state == "running"


def test_a_silent_stream_gives_a_sign_of_life(site: Site, monkeypatch: Any) -> None:
    assert HEARTBEAT_SECONDS <= 30, "proxies close what is silent for longer"
    monkeypatch.setattr("webui.api.stream.HEARTBEAT_SECONDS", 0.02)
    job_id = site.submit()
    with running(site.app) as (_, url):
        listening = Listening(f"{url}/api/v1/jobs/{job_id}/events")
        assert eventually(lambda: listening.text.count("\n: ") >= 2)
        site.draw(job_id)
        assert [name for name, _, _ in listening.ended()][-1] == "done"


def test_streams_hold_no_threads_and_leave_nothing_behind(site: Site) -> None:
    job_id = site.submit()
    hub = site.app.state.hub
    with running(site.app) as (_, url):
        address = f"{url}/api/v1/jobs/{job_id}/events"
        many = [Listening(address) for _ in range(45)]  # more than the server has threads
        assert all(listening.heard("job") for listening in many)
        assert httpx.get(f"{url}/api/v1/jobs/{job_id}", timeout=10).status_code == 200
        with httpx.stream("GET", address) as leaving:
            assert next(leaving.iter_text())
        site.draw(job_id)
        assert all(listening.ended()[-1][0] == "done" for listening in many)
        assert eventually(lambda: not hub._followers)


def test_other_peoples_streams_are_not_there(guarded: Site) -> None:
    away = guarded.away()
    job_id = guarded.submit(away, auth=ANN)
    guarded.draw(job_id)
    for path in (f"/api/v1/jobs/{job_id}/events", f"/api/v1/jobs/{job_id}/images"):
        assert away.get(path, auth=ANN).status_code == 200
        assert away.get(path, auth=BOB).status_code == 404


def test_a_socket_may_begin_with_one_job(site: Site) -> None:
    first, second = site.submit(), site.submit()
    with site.socket(f"/api/v1/ws?job={second}") as socket:
        assert [job["id"] for job in socket.receive_json()["jobs"]] == [second]
        site.draw(first)
        assert socket.receive_json()["job_id"] == second


# ---- waiting


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["wait=30"], 30),
        (["respond-async, wait=10"], 10),
        (["respond-async", "Wait = 5; x=y"], 5),
        (['wait="7"'], 7),
        (["wait=3, wait=9"], 3),
        (["wait=0"], 0),
        (["wait=99999999"], 99_999_999),
        ([], None),
        (["return=minimal"], None),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=NaN"], None),
        (["wait=" + "9" * 5000], None),
    ],
)
def test_the_preference_to_wait(headers: list[str], seconds: int | None) -> None:
    assert preferred_wait(headers) == seconds


def test_a_request_waits_as_long_as_it_prefers(site: Site) -> None:
    answer = site.local.post("/api/v1/txt2img", json=BODY, headers={"prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"
    answer = site.local.post("/api/v1/txt2img", json=BODY, headers={"prefer": "soon"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def in_thread(ask: Callable[[], Any]) -> Callable[[], Any]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(ask)
    pool.shutdown(wait=False)
    return lambda: future.result(10)


def test_a_request_that_waits_is_answered_at_the_jobs_end(site: Site) -> None:
    headers = {"prefer": "wait=100000"}
    result = in_thread(lambda: site.local.post("/api/v1/txt2img", json=BODY, headers=headers))
    assert eventually(lambda: bool(site.executor.running))
    [job_id] = site.executor.running
    image_id = site.draw(job_id)
    answer = result()
    assert (answer.status_code, answer.json()["job"]["images"][0]["id"]) == (200, image_id)
    assert answer.headers["preference-applied"] == f"wait={LONGEST_WAIT}"
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"


def test_who_waits_and_leaves_ends_no_job(site: Site) -> None:
    with running(site.app) as (_, url), pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/api/v1/txt2img", json=BODY, headers={"prefer": "wait=60"}, timeout=0.3)
    site.queue.settle()
    [job] = site.queue.jobs()
    assert (job.state, job.stopping) == ("running", False)
    site.draw(job.id)
    assert len(site.local.get(f"/api/v1/jobs/{job.id}/images").json()["images"]) == 1


def test_while_the_worker_is_away_a_request_that_waits_is_told_so(site: Site) -> None:
    site.queue.start()
    site.queue.settle()
    site.executor.status = replace(site.executor.status, state="waiting", problem="It was killed.")
    answer = site.local.post("/api/v1/txt2img", json=BODY, headers={"prefer": "wait=60"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    job = site.local.get(answer.headers["location"]).json()
    assert job["state"] in ("queued", "running")
    sweep = {"request": BODY, "script": "lines", "text": "a dog"}
    answer = site.local.post("/api/v1/sweeps?wait=true", json=sweep)
    assert answer.status_code == 503
    assert answer.headers["location"].startswith("/api/v1/jobs/")
    at_once = site.local.post("/api/v1/txt2img", json=BODY)
    assert at_once.status_code == 202


# ---- asking twice, drawing once


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def test_a_repeated_request_is_the_same_job(site: Site) -> None:
    post = site.local.post
    first = post("/api/v1/txt2img", json=BODY, headers=keyed("one"))
    again = post("/api/v1/txt2img", json=dict(reversed(BODY.items())), headers=keyed("one"))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["job"]["id"] == again.json()["job"]["id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    site.queue.settle()
    site.draw(first.json()["job"]["id"])
    ended = post("/api/v1/txt2img", json=BODY, headers=keyed("one"))
    assert (ended.status_code, ended.json()["job"]["state"]) == (200, "done")
    other = post("/api/v1/txt2img", json={**BODY, "steps": 5}, headers=keyed("one"))
    assert other.status_code == 422
    assert other.json()["error"]["field"] == "Idempotency-Key"
    another = post("/api/v1/txt2img", json=BODY, headers=keyed("two"))
    assert another.json()["job"]["id"] != first.json()["job"]["id"]
    assert len(site.queue.jobs()) == 2


def test_at_once_from_many_it_is_one_job(site: Site) -> None:
    def ask(_: int) -> str:
        answer = site.local.post("/api/v1/txt2img", json=BODY, headers=keyed("same"))
        return answer.json()["job"]["id"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(site.queue.jobs()) == 1


def test_keys_of_different_people_are_different(guarded: Site) -> None:
    away = guarded.away()
    ids = {
        away.post("/api/v1/txt2img", json=body, auth=auth, headers=keyed("k")).json()["job"]["id"]
        for auth, body in ((ANN, BODY), (BOB, {**BODY, "steps": 3}))
    }
    assert len(ids) == 2


def test_what_is_no_key_is_refused(site: Site) -> None:
    for key in ("", "a b", "é", "x" * (MAX_KEY_CHARS + 1)):
        headers: Any = {"idempotency-key": key.encode("latin-1")}
        answer = site.local.post("/api/v1/txt2img", json=BODY, headers=headers)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "Idempotency-Key")
    assert site.queue.jobs() == []


def test_a_deep_body_with_a_key_is_one_sentence(site: Site) -> None:
    for depth in (500, 900, 990, 5000):
        body = '{"prompt": ' + "[" * depth + "]" * depth + "}"
        answer = site.local.post("/api/v1/txt2img", content=body, headers=keyed("k"))
        assert answer.status_code in (400, 422), depth
        assert answer.json()["error"]["message"]


def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)

    def ask() -> Any:
        with (
            open_services(settings, FakeExecutor()) as services,
            client(create_app(services, settings)) as local,
        ):
            one = local.post("/api/v1/txt2img", json=BODY, headers=keyed("one"))
            body = {"requests": [BODY, BODY]}
            many = local.post("/api/v1/batch", json=body, headers=keyed("many"))
            return [one.json()["job"]["id"], *(job["id"] for job in many.json()["jobs"])]

    assert ask() == ask()


# ---- batches


def test_a_batch_is_as_many_jobs_in_their_order(site: Site) -> None:
    requests = [{**BODY, "prompt": name} for name in ("a", "b", "c")]
    answer = site.local.post("/api/v1/batch", json={"requests": requests}, headers=keyed("k"))
    assert answer.status_code == 202
    jobs = answer.json()["jobs"]
    assert [job["request"]["prompt"] for job in jobs] == ["a", "b", "c"]
    again = site.local.post("/api/v1/batch", json={"requests": requests}, headers=keyed("k"))
    assert [job["id"] for job in again.json()["jobs"]] == [job["id"] for job in jobs]
    site.queue.settle()
    for job in jobs:
        site.draw(job["id"])
        site.queue.settle()
    done = site.local.post("/api/v1/batch", json={"requests": requests}, headers=keyed("k"))
    assert (done.status_code, [j["state"] for j in done.json()["jobs"]]) == (200, ["done"] * 3)


def test_a_batch_draws_over_pictures_too(site: Site) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(picture, "PNG")
    sent = site.local.post("/api/v1/inputs", content=picture.getvalue()).json()["input"]["id"]
    over = {**BODY, "init_image": sent, "denoising_strength": 0.4}
    answer = site.local.post("/api/v1/batch", json={"requests": [BODY, over]})
    assert answer.status_code == 202, answer.text
    jobs = answer.json()["jobs"]
    assert "init_image" not in jobs[0]["request"]
    told = jobs[1]["request"]
    assert (told["init_image"], told["denoising_strength"]) == (sent, 0.4)
    site.queue.settle()
    site.draw(jobs[0]["id"])
    site.queue.settle()
    spec = site.executor.running[jobs[1]["id"]]
    assert [name for name, _ in spec.pictures] == [sent], "the worker is given the picture"


BAD_BATCHES = [
    ({}, "requests"),
    ({"requests": []}, "requests"),
    ({"requests": {}}, "requests"),
    ({"requests": [{}] * (MAX_BATCH + 1)}, "requests"),
    ({"requests": [{}], "more": 1}, "more"),
    ({"requests": [BODY, {"steps": 0}]}, "requests[1].steps"),
    ({"requests": [BODY, BODY, {"wdith": 64}]}, "requests[2].wdith"),
    ({"requests": [BODY, 5]}, "requests[1]"),
    ({"requests": [BODY, {"init_image": "x", "hires": True}]}, "requests[1].hires"),
    ({"requests": [BODY, {"mask": "x"}]}, "requests[1].mask"),
    ({"requests": [BODY, {"checkpoint": "broken"}]}, "requests[1]"),
]


def test_one_bad_request_refuses_the_batch_and_is_named(site: Site) -> None:
    for body, field in BAD_BATCHES:
        answer = site.local.post("/api/v1/batch", json=body)
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert error["field"] == field
        assert error["message"].endswith((".", "?"))
        assert field.partition(".")[0] in error["message"]
    assert site.queue.jobs() == []


def test_a_batch_that_does_not_fit_into_the_queue_leaves_nothing(
    site: Site, monkeypatch: Any
) -> None:
    monkeypatch.setattr(site.queue._desk, "_max_queued", 2)
    body = {"requests": [BODY, BODY, BODY]}
    answer = site.local.post("/api/v1/batch", json=body, headers=keyed("k"))
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert site.queue.jobs() == []
    monkeypatch.undo()
    again = site.local.post("/api/v1/batch", json=body, headers=keyed("k"))
    assert len(again.json()["jobs"]) == 3


# ---- results, lists


def test_pictures_outlive_the_queues_memory_of_their_job(guarded: Site) -> None:
    library = guarded.services.library
    for index in (1, 0):
        library.save(
            Pixels(8, 8, bytes(192)), infotext="x", job_id="f0f0", index=index, seed=index,
            prompt="x", model="m", owner="ann",
        )  # fmt: skip
    away = guarded.away()
    assert away.get("/api/v1/jobs/f0f0", auth=ANN).status_code == 404
    answer = away.get("/api/v1/jobs/f0f0/images", auth=ANN).json()
    assert answer["state"] is None
    assert [image["index"] for image in answer["images"]] == [0, 1]
    assert away.get(answer["images"][0]["url"], auth=ANN).status_code == 200
    assert away.get("/api/v1/jobs/f0f0/images", auth=BOB).status_code == 404
    assert away.get("/api/v1/jobs/f0f1/images", auth=ANN).status_code == 404
    away.delete(f"/api/v1/images/{answer['images'][0]['id']}", auth=ANN)
    left = away.get("/api/v1/jobs/f0f0/images", auth=ANN).json()["images"]
    assert [image["index"] for image in left] == [1]


def test_jobs_come_page_by_page(site: Site) -> None:
    ids = [site.queue.submit(_request(), caller=Caller("local", True)).id for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = site.local.get("/api/v1/jobs", params=query).json()
        assert page["total"] == 5
        seen = [job["id"] for job in page["jobs"]] + seen
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == ids
    site.queue.cancel(ids[3])
    states = {"state": "cancelled"}
    [job] = site.local.get("/api/v1/jobs", params=states).json()["jobs"]
    assert job["id"] == ids[3]
    assert site.local.get("/api/v1/jobs", params={"before": "0"}).status_code == 404


def _request() -> Any:
    from webui.core.requests import Txt2Img

    return Txt2Img(prompt="red", width=16, height=16)


def test_samplers_and_schedules_have_their_other_names(site: Site) -> None:
    samplers = {s["name"]: s for s in site.local.get("/api/v1/samplers").json()["samplers"]}
    assert "k_euler_a" in samplers["Euler a"]["aliases"]
    assert samplers["Heun"]["evaluations"] == 2
    found = site.local.get("/api/v1/schedulers").json()["schedulers"]
    assert {"name": "KL Optimal", "aliases": ["kl_optimal"]} in found
    assert site.local.get("/api/v1/models").json() == {"models": [], "problems": []}


# ---- presets


def test_a_preset_is_kept_and_drawn_with(site: Site) -> None:
    put = site.local.put("/api/v1/presets/quick one", json={"steps": 5, "sampler": "k_euler"})
    assert put.json() == {"name": "quick one", "values": {"steps": 5, "sampler": "Euler"}}
    assert site.local.get("/api/v1/presets").json()["presets"] == [put.json()]
    assert site.local.get("/api/v1/presets/quick one").json() == put.json()
    query = {"preset": "quick one"}
    job = site.local.post("/api/v1/txt2img", params=query, json={"steps": 7}).json()["job"]
    assert (job["request"]["steps"], job["request"]["sampler"]) == (7, "Euler")
    assert site.local.delete("/api/v1/presets/quick one").json()["deleted"] is True
    assert site.local.delete("/api/v1/presets/quick one").status_code == 404
    answer = site.local.post("/api/v1/txt2img", params=query, json={})
    assert (answer.status_code, answer.json()["error"]["field"]) == (404, "preset")


def test_bad_presets_are_refused(site: Site) -> None:
    put = site.local.put
    assert put("/api/v1/presets/a", json={"steps": 0}).json()["error"]["field"] == "steps"
    assert put("/api/v1/presets/a", json={"x": 0}).json()["error"]["field"] == "x"
    for name in ("x" * (MAX_PRESET_CHARS + 1), "%20", "a%0Ab", "..%2F..%2Fetc"):
        assert put(f"/api/v1/presets/{name}", json={}).status_code in (400, 404, 405, 422), name
    assert site.local.get("/api/v1/presets").json() == {"presets": []}


def test_only_administrators_change_presets(guarded: Site) -> None:
    away = guarded.away()
    assert guarded.local.put("/api/v1/presets/a", json={"steps": 5}, auth=ANN).status_code == 200
    assert away.put("/api/v1/presets/a", json={"steps": 6}, auth=ANN).status_code == 403
    assert away.delete("/api/v1/presets/a", auth=ANN).status_code == 403
    assert away.get("/api/v1/presets/a", auth=BOB).json()["values"] == {"steps": 5}


def test_a_damaged_file_of_presets_is_not_overwritten(site: Site) -> None:
    path = site.services.settings.paths.data / FILE_NAME
    for text in ("{", "[]", '{"a": 5}'):
        path.write_text(text)
        answer = site.local.put("/api/v1/presets/b", json={"steps": 5})
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage")
        assert path.read_text() == text
