from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import eventually
from tests.fakes.services import Site, open_services, open_site, site_settings
from webui.api import create_app
from webui.api.native import safe_name
from webui.core.errors import SetupError
from webui.core.params import fields_of
from webui.core.requests import Txt2Img

ANN, BOB = ("ann", "right"), ("bob", "other")
NASTY = "<img src=x onerror=alert(1)>"


def test_from_prompt_to_file(site: Site) -> None:
    job_id = site.submit(prompt="a red circle")
    job = site.local.get(f"/api/v1/jobs/{job_id}").json()
    assert job["state"] == "running"
    assert job["request"]["prompt"] == "a red circle"
    assert job["owner"] == "local"
    site.executor.step(job_id, 5, 20)
    site.queue.settle()
    assert site.local.get(f"/api/v1/jobs/{job_id}").json()["progress"]["fraction"] == 0.25
    site.draw(job_id)
    job = site.local.get(f"/api/v1/jobs/{job_id}").json()
    assert job["state"] == "done"
    [image] = job["images"]
    assert Path(image["path"]).is_file()
    answer = site.local.get(image["url"])
    assert answer.content == Path(image["path"]).read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert "private" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"].startswith("inline")
    assert "content-encoding" not in answer.headers
    again = site.local.get(image["url"], headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    saved = site.local.get(image["url"], params={"download": 1})
    assert saved.headers["content-disposition"].startswith("attachment")
    [listed] = site.local.get("/api/v1/images").json()["images"]
    assert listed == image


def test_waiting_for_the_result(site: Site) -> None:
    answers: list[Any] = []

    def ask() -> None:
        answers.append(site.local.post("/api/v1/txt2img?wait=true", json={"prompt": "red"}))

    asking = threading.Thread(target=ask)
    asking.start()
    assert eventually(lambda: bool(site.executor.running))
    [job_id] = site.executor.running
    image_id = site.draw(job_id)
    asking.join(5)
    assert answers[0].status_code == 200
    assert answers[0].json()["job"]["images"][0]["id"] == image_id


BAD_FIELDS = [
    ({"sampler": "Eular"}, "sampler"),
    ({"width": 500}, "width"),
    ({"width": 10**9}, "width"),
    ({"steps": 0}, "steps"),
    ({"steps": 10_000}, "steps"),
    ({"steps": 10**400}, "steps"),
    ({"steps": "20"}, "steps"),
    ({"steps": True}, "steps"),
    ({"cfg_scale": 1e999}, "cfg_scale"),
    ({"prompt": "x" * 100_000}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": "\ud800"}, "prompt"),
    ({"promt": "x"}, "promt"),
    ({NASTY: 1}, NASTY),
]


def test_a_bad_field_is_one_sentence_that_names_it(site: Site) -> None:
    for fields, field in BAD_FIELDS:
        body = json.dumps(fields).replace("Infinity", "1e999")
        answer = site.local.post("/api/v1/txt2img", content=body)
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert (error["code"], error["field"]) == ("invalid_request", field)
        assert error["message"].endswith((".", "?"))
        assert len(error["message"]) < 500
    assert site.queue.jobs() == []


NO_OBJECTS = [
    (b"{", 400),
    (b"\xff\xfe{", 400),
    (b'{"steps": NaN}', 400),
    (b"[" * 100_000, 400),
    (b'{"steps": ' + b"9" * 5000 + b"}", 400),
    (b"[]", 422),
    (b'"text"', 422),
    (b"null", 422),
]


def test_what_is_no_json_object_is_refused(site: Site) -> None:
    for body, status in NO_OBJECTS:
        answer = site.local.post("/api/v1/txt2img", content=body)
        assert answer.status_code == status, body[:20]
        assert answer.json()["error"]["message"]


def test_an_empty_request_takes_the_defaults(site: Site) -> None:
    answer = site.local.post("/api/v1/txt2img")
    assert answer.status_code == 202
    assert answer.headers["location"].endswith(answer.json()["job"]["id"])
    assert answer.json()["job"]["request"]["steps"] == 20


def test_errors_have_their_status(site: Site) -> None:
    answer = site.local.post("/api/v1/txt2img", json={"checkpoint": "broken"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model")
    job_id = site.submit()
    answer = site.local.post(f"/api/v1/jobs/{job_id}/move", json={"position": 0})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    answer = site.local.post(f"/api/v1/jobs/{job_id}/move", json={"position": "first"})
    assert answer.status_code == 422
    answer = site.local.get("/api/v1/jobs", params={"limit": 0})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "limit")
    assert site.local.get("/api/v1/jobs", params={"state": "x"}).status_code == 422


def test_an_unknown_route_is_json(site: Site) -> None:
    for path in ("/api/v1/nothing", "/api/", "/api/v2/txt2img", "/api/v1/jobs/a/b/c"):
        for method in ("GET", "POST", "DELETE", "PUT"):
            answer = site.local.request(method, path)
            assert answer.status_code == 404, path
            assert answer.json()["error"]["code"] == "not_found"


PATHS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..\\..\\windows",
    "%2fetc%2fpasswd",
    "a%00b",
    "a" * 500,
    "*",
    "' OR 1=1 --",
]


def test_no_path_from_a_client_reaches_the_disk(site: Site) -> None:
    for name in PATHS:
        for path in (f"images/{name}", f"jobs/{name}", f"jobs/{name}/preview"):
            answer = site.local.get(f"/api/v1/{path}")
            assert answer.status_code in (400, 404), path
            assert "error" in answer.json()


def test_stopping_and_moving(site: Site) -> None:
    first, second, third = (site.submit() for _ in range(3))
    assert site.local.get(f"/api/v1/jobs/{third}").json()["position"] == 1
    moved = site.local.post(f"/api/v1/jobs/{third}/move", json={"position": 0}).json()
    assert moved["position"] == 0
    assert site.local.post(f"/api/v1/jobs/{second}/cancel", json={}).json()["state"] == "cancelled"
    site.local.post(f"/api/v1/jobs/{first}/skip")
    assert site.local.post(f"/api/v1/jobs/{first}/interrupt").json()["stopping"] is True
    assert [(s.job_id, s.how) for s in site.executor.stops] == [
        (first, "skip"),
        (first, "interrupt"),
    ]
    assert site.local.post(f"/api/v1/jobs/{first}/explode").status_code == 404
    listed = site.local.get("/api/v1/jobs", params={"state": "queued,running"}).json()["jobs"]
    assert [j["id"] for j in listed] == [first, third]


def test_preview(site: Site) -> None:
    job_id = site.submit()
    assert site.local.get(f"/api/v1/jobs/{job_id}/preview").status_code == 204
    site.executor.preview(job_id, b"\xff\xd8one")
    site.queue.settle()
    answer = site.local.get(f"/api/v1/jobs/{job_id}/preview")
    assert (answer.content, answer.headers["content-type"]) == (b"\xff\xd8one", "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"


def test_users_see_and_stop_only_what_is_theirs(guarded: Site) -> None:
    away = guarded.away()
    job_id = guarded.submit(away, auth=ANN)
    image_id = guarded.draw(job_id)
    running = guarded.submit(away, auth=ANN)
    guarded.executor.preview(running)
    guarded.queue.settle()
    gets = [
        f"/api/v1/jobs/{job_id}",
        f"/api/v1/jobs/{running}/preview",
        f"/api/v1/images/{image_id}",
        f"/api/v1/images?before={image_id}",
        f"/api/v1/events?after=0&job_id={running}",
    ]
    posts = [f"/api/v1/jobs/{running}/{a}" for a in ("cancel", "interrupt", "skip", "move")]
    for path in gets:
        assert away.get(path, auth=ANN).status_code == 200, path
        theirs, absent = away.get(path, auth=BOB), away.get(path.replace(job_id, "0"), auth=BOB)
        assert theirs.status_code == 404, path
        assert job_id not in theirs.text
        assert absent.status_code == 404
    for path in posts:
        assert away.post(path, json={"position": 0}, auth=BOB).status_code == 404, path
    assert guarded.queue.get(running).stopping is False
    for path, name in (("/api/v1/jobs", "jobs"), ("/api/v1/images", "images")):
        assert away.get(path, auth=BOB).json()[name] == []
        assert len(away.get(path, auth=ANN).json()[name]) > 0
        assert len(guarded.local.get(path, auth=BOB).json()[name]) > 0, "an administrator sees all"
    events = away.get("/api/v1/events?after=0&timeout=0", auth=BOB).json()
    assert events["events"] == []


def test_others_learn_no_paths_of_the_server(guarded: Site) -> None:
    away = guarded.away()
    image_id = guarded.draw(guarded.submit(away, auth=ANN))
    [image] = away.get("/api/v1/images", auth=ANN).json()["images"]
    assert image["id"] == image_id
    assert "/" not in image["path"]
    [seen] = guarded.local.get("/api/v1/images", auth=ANN).json()["images"]
    assert Path(seen["path"]).is_absolute()


def test_only_an_administrator_changes_the_order(guarded: Site) -> None:
    away = guarded.away()
    guarded.submit(away, auth=ANN)
    waiting = guarded.submit(away, auth=ANN)
    answer = away.post(f"/api/v1/jobs/{waiting}/move", json={"position": 0}, auth=ANN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_options_and_status(site: Site) -> None:
    options = site.local.get("/api/v1/options").json()
    assert "Euler a" in options["samplers"]
    assert options["checkpoints"] == []
    fields = {f["name"]: f for f in options["fields"]}
    assert set(fields) == {f.name for f in fields_of(Txt2Img)}
    assert fields["steps"]["maximum"] == 150
    site.submit()
    status = site.local.get("/api/v1/status").json()
    assert status["queue"] == {"running": 1, "queued": 0}
    assert status["worker"]["device"] == "Fake device"


def test_the_description_comes_from_the_declarations(site: Site) -> None:
    spec = site.local.get("/openapi.json").json()
    content = spec["paths"]["/api/v1/txt2img"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Txt2Img"}
    schema = spec["components"]["schemas"]["Txt2Img"]
    assert set(schema["properties"]) == {f.name for f in fields_of(Txt2Img)}
    assert schema["properties"]["steps"] == {
        "type": "integer",
        "title": "Sampling steps",
        "description": schema["properties"]["steps"]["description"],
        "default": 20,
        "minimum": 1,
        "maximum": 150,
    }
    assert schema["properties"]["width"]["type"] == ["integer", "null"]
    page = site.local.get("/docs").text
    assert "POST /api/v1/txt2img" in page
    assert "cfg_scale" in page
    assert "<script" not in page


def test_text_of_a_client_never_becomes_markup(site: Site) -> None:
    job_id = site.submit(prompt=NASTY)
    site.draw(job_id)
    pages = [site.local.get(p) for p in ("/docs", "/login", f"/api/{NASTY}", f"/{NASTY}")]
    answers = [site.local.get(p) for p in (f"/api/v1/jobs/{job_id}", "/api/v1/images")]
    for answer in [*pages, *answers]:
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert "<img" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert all(a.headers["content-type"] == "application/json" for a in answers)


def test_file_names_are_plain() -> None:
    assert safe_name('a"\r\nb/../c.png') == "a___b_.._c.png"
    assert len(safe_name("x" * 999 + ".png")) == 120
    assert safe_name(" .") == "picture"


def test_a_server_others_can_reach_is_not_made_without_password(tmp_path: Path) -> None:
    settings = site_settings(tmp_path, share=True)
    with open_services(settings, FakeExecutor()) as services:
        with pytest.raises(SetupError, match="--auth"):
            create_app(services, settings)
        assert create_app(services, settings, auth=[ANN])


def test_a_full_disk_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_site(site.services.settings.paths.data / "other") as other:
        other.queue.close()
        answer = other.local.post("/api/v1/txt2img", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
