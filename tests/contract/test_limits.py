"""Limits and metrics over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.fakes.services import Site, client, open_site
from webui.api import metrics
from webui.core.errors import ErrorInfo
from webui.core.messages import WorkerStats
from webui.jobs import WorkerLost
from webui.jobs.tally import BOUNDS
from webui.settings.sections import Limits

ANN, BOB = ("ann", "right"), ("bob", "other")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, auth=(ANN, BOB)) as site:
        yield site


def ask(site: Site, auth: Any, **fields: Any) -> Any:
    body = {"prompt": "red", "width": 16, "height": 16, "seed": 7, **fields}
    return site.away().post("/api/v1/txt2img", json=body, auth=auth)


def refused(answer: Any, sentence: str) -> int:
    """That the answer is a 429 with this sentence; its Retry-After."""
    assert answer.status_code == 429, answer.text
    error = answer.json()["error"]
    assert error["code"] == "too_many"
    assert re.search(sentence, error["message"])
    return int(answer.headers["retry-after"])


# ---- limits


def test_too_many_waiting_jobs_are_refused_for_one_user_only(shared: Site) -> None:
    change = {"limits.waiting_jobs": 2}
    answer = shared.local.patch("/api/v1/settings", json=change, auth=ANN)
    assert answer.json()["settings"][0]["waits"] is False  # in force at once
    for _ in range(3):  # one is drawn, two wait
        assert ask(shared, ANN).status_code == 202
        shared.queue.settle()
    assert 1 <= refused(ask(shared, ANN), "You have 2 jobs waiting and may have 2") <= 600
    assert ask(shared, BOB).status_code == 202
    assert shared.local.post("/api/v1/txt2img", json={"prompt": "x"}, auth=ANN).status_code == 202


def test_megapixels_and_submissions_are_limited(shared: Site) -> None:
    shared.queue.limits = Limits(waiting_megapixels=1, per_minute=4)
    assert ask(shared, BOB).status_code == 202
    shared.queue.settle()
    assert ask(shared, ANN, width=512, height=1024).status_code == 202
    refused(ask(shared, ANN, width=768, height=768), "1.1 megapixels waiting .* may have 1")
    alone = ask(shared, ANN, width=2048, height=2048)
    assert alone.status_code == 422
    assert "ask for fewer or smaller" in alone.json()["error"]["message"]
    assert ask(shared, ANN).status_code == 202
    assert refused(ask(shared, ANN), "4 times a minute") <= 15
    assert ask(shared, BOB).status_code == 202


def test_a_batch_that_never_fits_is_refused_for_good(shared: Site) -> None:
    shared.queue.limits = Limits(waiting_jobs=2)
    body = {"requests": [{"prompt": "x"}] * 3}
    answer = shared.away().post("/api/v1/batch", json=body, auth=ANN)
    assert answer.status_code == 422  # 429 would have it asked again for ever
    assert "3 jobs and you may have 2 waiting" in answer.json()["error"]["message"]
    body["requests"].pop()
    assert shared.away().post("/api/v1/batch", json=body, auth=ANN).status_code == 202


@pytest.mark.parametrize(
    "address", ["/sdapi/v1/txt2img", "/v1/images/generations", "/api/v1/txt2img"]
)
def test_every_door_says_when_to_ask_again(shared: Site, address: str) -> None:
    shared.queue.limits = Limits(waiting_jobs=1)
    for _ in range(2):
        assert ask(shared, ANN).status_code == 202
        shared.queue.settle()
    answer = shared.away().post(address, json={"prompt": "x"}, auth=ANN)
    assert answer.status_code == 429, answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 600
    assert "You have 1 jobs waiting" in answer.text


def test_guests_are_counted_by_address(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        site.queue.limits = Limits(per_minute=1)

        def submit(address: str) -> int:
            headers = {"x-forwarded-for": f"1.2.3.4, {address}"}
            answer = site.local.post("/api/v1/txt2img", json={"prompt": "x"}, headers=headers)
            return answer.status_code

        assert [submit("10.0.0.1"), submit("10.0.0.1"), submit("10.0.0.2")] == [202, 429, 202]
        site.app.state.gate.tunnel_port = 4711
        through = client(site.app, "http://127.0.0.1:4711")
        headers = {"x-forwarded-for": "10.0.0.9"}
        codes = [
            through.post("/api/v1/txt2img", json={"prompt": "x"}, headers=headers).status_code
            for _ in range(2)
        ]
        assert codes == [202, 429]
        local = [site.local.post("/api/v1/txt2img", json={"prompt": "x"}) for _ in range(5)]
        assert {answer.status_code for answer in local} == {202}


def test_a_full_queue_is_429_for_everybody(shared: Site) -> None:
    shared.queue._desk._max_queued = 1
    for _ in range(2):
        assert ask(shared, ANN).status_code == 202
        shared.queue.settle()
    answer = shared.local.post("/api/v1/txt2img", json={"prompt": "x"}, auth=ANN)
    assert 1 <= refused(answer, "1 of 1 places in the queue are taken") <= 600


def test_only_administrators_change_limits(shared: Site) -> None:
    answer = shared.away().patch("/api/v1/settings", json={"limits.per_minute": 0}, auth=ANN)
    assert answer.status_code == 403
    assert shared.queue.limits.per_minute > 0
    bad = shared.local.patch("/api/v1/settings", json={"limits.per_minute": -1}, auth=ANN)
    assert bad.status_code == 422


# ---- metrics


def values(site: Site, **options: Any) -> dict[tuple[str, ...], float]:
    """Every sample by its name and labels' values."""
    answer = site.local.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(v for k, v in sorted(sample.labels.items()))): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_what_happened(tmp_path: Path) -> None:
    with open_site(tmp_path, metrics=True) as site:
        done, stopped, failed, _ = (site.submit(batch_count=1 + i) for i in range(4))
        for step in (1, 3, 3):
            site.executor.step(done, step, 3)
        site.draw(done)
        site.executor.finish(stopped, None, stopped=True)
        site.queue.settle()
        site.executor.step(failed, 2, 3)
        site.executor.image(failed)
        site.executor.finish(failed, ErrorInfo("model", "No."))
        site.queue.settle()
        queued = site.submit()
        site.executor.lose()  # what ran is run again
        site.executor.emit(WorkerStats(9, 10, 2048, ("m",), 5, 2, 7, 1))
        site.queue.settle()
        for path in ("/api/v1/jobs/none", "/api/v1/jobs/other", "/nothing/here", "/api/nothing"):
            site.local.get(path)
        jobs, found = site.queue.jobs(), values(site)
        site.executor.emit(WorkerLost("It was killed."))
        site.queue.settle()
        after = values(site)
    ended = [job for job in jobs if job.ended]
    took = {
        "waiting": [(job.started or 0) - job.created for job in jobs if job.started],
        "running": [(job.finished or 0) - (job.started or 0) for job in ended],
    }
    for stage, seconds in took.items():
        if stage == "running":  # the one that was lost began twice; what counts is its first time
            assert found["easel_job_stage_seconds_sum", stage] == pytest.approx(sum(seconds))
        assert found["easel_job_stage_seconds_count", stage] == len(seconds)
        for bound in BOUNDS:
            at_most = found["easel_job_stage_seconds_bucket", str(bound), stage]
            assert at_most == sum(one <= bound for one in seconds) or stage == "waiting"
    expected = {
        ("easel_jobs", "queued"): 1,
        ("easel_jobs", "running"): 1,
        **{("easel_jobs_finished_total", state): 1 for state in ("done", "cancelled", "failed")},
        ("easel_steps_total",): 5,
        ("easel_pictures_total",): 2,
        ("easel_library_pictures",): 2,
        ("easel_job_stage_seconds_count", "saving"): 2,
        ("easel_job_stage_seconds_bucket", "+Inf", "saving"): 2,
        ("easel_worker_up",): 1,
        ("easel_worker_restarts_total",): 1,
        ("easel_forwards_total",): 9,
        ("easel_cache_hits_total", "embedding"): 5,
        ("easel_cache_misses_total", "embedding"): 2,
        ("easel_cache_hits_total", "model"): 7,
        ("easel_cache_misses_total", "model"): 1,
        ("easel_model_bytes",): 2048,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["easel_job_stage_seconds_sum", "saving"] > 0
    assert found["easel_memory_bytes", "server"] > 1_000_000
    assert (after["easel_worker_up",], after["easel_worker_restarts_total",]) == (0, 2)
    assert ("easel_model_bytes",) not in after  # nobody knows of a worker that is gone
    http = {k[1:]: v for k, v in found.items() if k[0] == "easel_http_request_seconds_count"}
    assert http["POST", "/api/v1/txt2img", "202"] == 5
    assert http["GET", "/api/v1/jobs/{job_id}", "404"] == 2  # by template, not by id
    assert queued not in str(http)
    assert "nothing" not in str(http)


def test_metrics_are_off_and_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_site(tmp_path / "off") as site:
        answer = site.local.get("/metrics")
        assert answer.status_code == 404
        assert "server.metrics turns them on" in answer.json()["error"]["message"]
    monkeypatch.setattr(metrics, "_client", lambda: None)
    with open_site(tmp_path / "absent", metrics=True) as site:
        answer = site.local.get("/metrics")
        assert answer.status_code == 404
        assert "prometheus-client" in answer.json()["error"]["message"]
        assert site.local.get("/api/v1/status").status_code == 200


def test_who_may_read_metrics(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "metrics": True,
        "metrics_addresses": ["10.0.0.0/24"],
        "admins": ["bob"],
        "host": "0.0.0.0",
    }
    with open_site(tmp_path, auth=(ANN, BOB), **options) as site:
        assert site.local.get("/metrics").status_code == 401
        assert site.local.get("/metrics", auth=ANN).status_code == 200
        allowed, other = site.away(address="10.0.0.5"), site.away(address="10.0.1.5")
        assert allowed.get("/metrics").status_code == 200
        assert allowed.get("/api/v1/status").status_code == 401
        assert allowed.get("/metrics/").status_code == 401
        assert allowed.get("/metrics", headers={"x-forwarded-for": "1.1.1.1"}).status_code == 401
        assert other.get("/metrics").status_code == 401
        assert other.get("/metrics", headers={"x-forwarded-for": "10.0.0.5"}).status_code == 401
        assert other.get("/metrics", auth=ANN).status_code == 403
        assert other.get("/metrics", auth=BOB).status_code == 200
        site.app.state.gate.tunnel_port = 7860
        assert allowed.get("/metrics").status_code == 401


def test_many_different_requests_make_no_more_labels(tmp_path: Path) -> None:
    with open_site(tmp_path, metrics=True) as site:
        site.local.get("/api/v1/jobs/a")
        site.local.get("/nothing/a")
        before = len(values(site))
        for number in range(30):
            site.local.get(f"/api/v1/jobs/job{number}")
            site.local.get(f"/nothing/{number}")
            site.local.request(f"M{number}", "/api/v1/jobs/a")
        labels = 3 * (len(metrics.HTTP_BOUNDS) + 4)  # /metrics itself, one method, one status
        assert len(values(site)) <= before + labels


def test_bad_metrics_addresses_are_refused(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        for bad in ("everybody", "10.0.0.0/99", "300.1.1.1"):
            change = {"server.metrics_addresses": [bad]}
            assert site.local.patch("/api/v1/settings", json=change).status_code == 422
