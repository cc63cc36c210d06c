from __future__ import annotations

import asyncio
import json
import socket as sockets
import struct
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import connect

from tests.fakes import loops
from tests.fakes.jobs import eventually
from tests.fakes.services import Site, running
from webui.api.live import SNAPSHOT_JOBS, Follower, condense
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER, Caller, JobEvent, JobProgress

ANN, BOB = ("ann", "right"), ("bob", "other")
BASIC = {"authorization": "Basic YW5uOnJpZ2h0"}
BOBS = {"authorization": "Basic Ym9iOm90aGVy"}


def event(seq: int, kind: Any = "queued", job_id: str = "j") -> JobEvent:
    return JobEvent(seq, job_id, kind, 0.0)


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", frame)
    return json.loads(frame[4 : 4 + length]), frame[4 + length :]


def kinds(socket: Any, last: str) -> list[str]:
    """The kinds of the events up to the first of kind ``last``; previews count as "frame"."""
    seen: list[str] = []
    while not seen or seen[-1] != last:
        message = socket.receive()
        if message.get("text"):
            value = json.loads(message["text"])
            seen.append(value.get("kind", value["type"]))
        else:
            seen.append("frame")
    return seen


# ---- the mailbox


def test_progress_and_previews_replace_older_ones() -> None:
    follower = Follower(LOCAL_CALLER)
    for seq, kind in enumerate(["queued", "progress", "preview", "image", "progress", "preview"]):
        follower.offer(event(seq + 1, kind))
    follower.offer(event(7, "progress", "other"))
    taken = [(e.seq, e.kind) for e in follower.take()]
    assert taken == [(1, "queued"), (4, "image"), (5, "progress"), (6, "preview"), (7, "progress")]
    assert len(follower) == 0


def test_a_mailbox_nobody_empties_is_given_up_and_starts_anew() -> None:
    follower = Follower(LOCAL_CALLER, limit=10)
    for seq in range(1, 1000):
        follower.offer(event(seq))
        assert len(follower) <= 10
    assert follower.stale


def test_whom_an_event_is_for() -> None:
    own = Follower(Caller("ann", is_admin=False))
    assert own.wants("1", "ann")
    assert not own.wants("1", "bob")
    own.everyone = True
    assert not own.wants("1", "bob")
    own.only = frozenset({"1"})
    assert not own.wants("1", "bob")
    assert not own.wants("2", "ann")
    admin = Follower(Caller("ann", is_admin=True))
    assert not admin.wants("1", "bob")
    admin.only = frozenset({"1"})
    assert admin.wants("1", "bob")
    admin.only, admin.everyone = None, True
    assert admin.wants("1", "bob")


def test_condensing_keeps_what_cannot_be_replaced() -> None:
    events = [event(1, "progress"), event(2, "image"), event(3, "progress"), event(4, "image")]
    assert [e.seq for e in condense(events)] == [2, 3, 4]


# ---- the socket


def test_a_socket_tells_the_state_and_then_what_happens(site: Site) -> None:
    before = site.submit(prompt="before")
    with site.socket() as socket:
        snapshot = socket.receive_json()
        assert snapshot["type"] == "snapshot"
        assert [j["id"] for j in snapshot["jobs"]] == [before]
        assert snapshot["jobs"][0]["state"] == "running"
        site.executor.step(before, 3, 20)
        site.executor.preview(before, b"\xff\xd8jpeg")
        site.executor.image(before)
        site.executor.finish(before)
        seen: dict[str, Any] = {}
        while "done" not in seen:
            message = socket.receive()
            if message.get("text"):
                value = json.loads(message["text"])
                seen[value["kind"]] = value
            else:
                seen["frame"] = unpack(message["bytes"])
    assert seen["progress"]["progress"]["step"] == 3
    assert seen["image"]["image"]["url"].startswith("/api/v1/images/")
    if "frame" in seen:  # the job may be over before the frame is sent
        header, jpeg = seen["frame"]
        assert (header["job_id"], header["seq"], jpeg) == (before, 1, b"\xff\xd8jpeg")
    assert seen["done"]["seq"] > snapshot["last"]


def test_a_reloaded_page_gets_the_preview_at_once(site: Site) -> None:
    job_id = site.submit()
    site.executor.step(job_id, 5, 20)
    site.executor.preview(job_id, b"one")
    site.queue.settle()
    site.executor.preview(job_id, b"two")
    site.queue.settle()
    with site.socket() as socket:
        assert socket.receive_json()["jobs"][0]["progress"]["step"] == 5
        header, jpeg = unpack(socket.receive_bytes())
        assert (header, jpeg) == ({"job_id": job_id, "seq": 2, "image": 0}, b"two")


def test_of_very_many_jobs_a_page_is_told_those_that_come_next(site: Site) -> None:
    drawn = site.submit()
    ids = [
        site.queue.submit(Txt2Img(prompt="red"), caller=LOCAL_CALLER).id
        for _ in range(SNAPSHOT_JOBS + 5)
    ]
    site.queue.move(ids[-1], 0)
    with site.socket() as socket:
        told = [job["id"] for job in socket.receive_json()["jobs"]]
    assert told == [drawn, ids[-1], *ids[: SNAPSHOT_JOBS - 2]]


def test_a_client_chooses_what_it_follows(site: Site) -> None:
    first, second = site.submit(), site.submit()
    with site.socket() as socket:
        assert len(socket.receive_json()["jobs"]) == 2
        socket.send_json({"follow": [second]})
        assert [j["id"] for j in socket.receive_json()["jobs"]] == [second]
        site.draw(first)
        told = socket.receive_json()
        assert (told["job_id"], told["kind"]) == (second, "started")
        socket.send_json({"ping": 5})
        assert socket.receive_json() == {"type": "pong", "ping": 5}
        socket.send_json({"follow": None})
        assert len(socket.receive_json()["jobs"]) == 2


def test_users_hear_only_of_their_own_jobs(guarded: Site) -> None:
    away = guarded.away()
    theirs = guarded.submit(away, auth=ANN)
    gate = guarded.app.state.gate
    gate.tunnel_port = 4711  # what comes this way is not this machine, so not an administrator
    address = "ws://127.0.0.1:4711/api/v1/ws"
    with guarded.local.websocket_connect(address, headers=BOBS) as socket:
        assert socket.receive_json()["jobs"] == []
        for wanted in ([theirs], "all"):
            socket.send_json({"follow": wanted})
            assert socket.receive_json()["jobs"] == []
        guarded.executor.preview(theirs)
        guarded.draw(theirs)
        socket.send_json({"ping": 1})
        assert socket.receive_json() == {"type": "pong", "ping": 1}
    with guarded.socket(**BOBS) as socket:
        assert socket.receive_json()["jobs"] == []
        socket.send_json({"follow": "all"})
        assert [j["id"] for j in socket.receive_json()["jobs"]] == [theirs]


@pytest.mark.parametrize(
    "send",
    [
        {"bytes": b"x"},
        {"text": "no json"},
        {"text": "[1]"},
        {"text": "{}"},
        {"text": '{"follow": 5}'},
        {"text": '{"follow": [1]}'},
        {"text": json.dumps({"follow": ["x"] * 300})},
        {"text": json.dumps({"ping": "x" * 20_000})},
    ],
)
def test_a_client_that_talks_nonsense_is_sent_away(site: Site, send: dict[str, Any]) -> None:
    with site.socket() as socket:
        socket.receive_json()
        socket.send({"type": "websocket.receive", **send})
        with pytest.raises(WebSocketDisconnect) as left:
            socket.receive_json()
    assert left.value.code in (1003, 1009)


def test_a_slow_client_costs_nobody_anything(site: Site) -> None:
    frame = b"\xff\xd8" + bytes(100_000)
    with running(site.app) as (_, url):
        job_id = site.submit()
        port = urlsplit(url).port
        assert port
        slow = sockets.create_connection(("127.0.0.1", port))
        slow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        slow.sendall(
            f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        hub = site.app.state.hub
        assert eventually(lambda: len(hub._followers) == 1)
        began = time.monotonic()
        with connect(url.replace("http", "ws") + "/api/v1/ws") as quick:
            quick.recv(timeout=5)
            for step in range(300):
                site.executor.preview(job_id, frame + step.to_bytes(2, "little"))
                site.executor.step(job_id, 1, 20)
            site.queue.settle()
            newest = -1
            while newest != 299:
                message = quick.recv(timeout=5)
                if isinstance(message, bytes):
                    newest = int.from_bytes(message[-2:], "little")
            assert time.monotonic() - began < 5
            assert eventually(lambda: max(len(f) for f in hub._followers) <= 3)
        slow.close()
        assert eventually(lambda: len(hub._followers) == 0), "a client that is gone is forgotten"


# ---- long polling


def test_long_polling_from_the_beginning(site: Site) -> None:
    start = site.local.get("/api/v1/events").json()
    assert (start["events"], start["missed"]) == ([], False)
    job_id = site.submit()
    answer = site.local.get("/api/v1/events", params={"after": start["last"]}).json()
    told = [e["kind"] for e in answer["events"] if e["job_id"] == job_id]
    assert told[0] == "queued"
    assert answer["last"] > start["last"]
    again = site.local.get("/api/v1/events", params={"after": answer["last"], "timeout": 0.05})
    assert again.json()["events"] == []
    future = site.local.get("/api/v1/events", params={"after": answer["last"] + 10**6}).json()
    assert future["missed"] is True
    assert site.local.get("/api/v1/events", params={"timeout": 60}).status_code == 422


def test_many_long_polls_wait_without_holding_up_anything(site: Site) -> None:
    async def scenario(url: str) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
            last = (await client.get("/api/v1/events")).json()["last"]
            polls = [
                asyncio.create_task(client.get(f"/api/v1/events?after={last}&timeout=25"))
                for _ in range(80)
            ]
            hub = site.app.state.hub
            while len(hub._followers) < 80:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            assert (await client.get("/api/v1/status")).status_code == 200
            await client.post("/api/v1/txt2img", json={"prompt": "red"})
            answers = await asyncio.gather(*polls)
            assert time.monotonic() - began < 4
            assert all(a.json()["events"][0]["kind"] == "queued" for a in answers)

    with running(site.app) as (_, url):
        loops.run(scenario(url))


def test_progress_has_all_its_fields(site: Site) -> None:
    job_id = site.submit()
    last = site.queue.last_seq
    site.executor.step(job_id, 2, 20)
    site.queue.settle()
    [told] = site.local.get("/api/v1/events", params={"after": last}).json()["events"]
    assert set(told["progress"]) == set(JobProgress.__dataclass_fields__)
