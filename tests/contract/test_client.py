"""The client against a real server, and against connections that break."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fakes import loops
from tests.fakes.services import running
from tests.fakes.worker import COLOURS
from tests.journeys.serving import write_checkpoint
from webui.api import create_app
from webui.app import open_services
from webui.cli import main
from webui.client import (
    ApiError,
    AsyncEasel,
    Easel,
    Event,
    Job,
    LoginRequired,
    Refused,
    ServerBusy,
    TimedOut,
    Unreachable,
    wire,
)
from webui.client import steps as client_steps
from webui.client.saving import keep
from webui.client.steps import Patience
from webui.core.errors import EaselError, InvalidRequest, StorageError
from webui.services import Services
from webui.settings import load_settings
from webui.settings.sections import Limits

SMALL: dict[str, Any] = {"width": 64, "height": 32, "steps": 2}
ANN, BOB = ("ann", "right"), ("bob", "other")
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("home")
    write_checkpoint(folder / "models" / "checkpoints" / "first", 64)
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with open_services(settings, worker="tests.fakes.worker") as opened:
        yield opened


@pytest.fixture(scope="module")
def url(services: Services) -> Iterator[str]:
    """A server without logins."""
    with running(create_app(services, services.settings)) as (_, address):
        yield address


@pytest.fixture(scope="module")
def guarded(services: Services) -> Iterator[str]:
    """The same services behind logins."""
    with running(create_app(services, services.settings, auth=(ANN, BOB))) as (_, address):
        yield address


@pytest.fixture
def easel(url: str) -> Iterator[Easel]:
    with Easel(url) as opened:
        yield opened


def over(handler: Handler, paused: list[float]) -> Easel:
    """A client whose server is a function; its pauses are written down."""
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return Easel("http://easel.test", http=http, sleep=paused.append)


class Lossy(httpx.BaseTransport):
    """Passes requests on, and loses the answers to some: the connection seems to break."""

    def __init__(self, losing: Callable[[httpx.Request, int], bool]) -> None:
        self._inner = httpx.HTTPTransport()
        self._losing = losing
        self.requests: list[httpx.Request] = []

    def close(self) -> None:
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        response.read()
        self.requests.append(request)
        if self._losing(request, len(self.requests)):
            raise httpx.ReadError("the cable was pulled", request=request)
        return response


@pytest.fixture
def paused() -> list[float]:
    """The pauses between tries, in seconds: clients that are given ``paused.append`` take none."""
    return []


# ---- drawing


def test_a_picture_is_drawn_told_of_and_saved(easel: Easel, tmp_path: Path) -> None:
    events: list[Event] = []
    job = easel.txt2img(prompt="a red ball", seed=5, batch_count=2, on_event=events.append, **SMALL)
    assert job.state == "done"
    assert job.ended
    assert [image.seed for image in job.images] == [5, 6]
    assert job.request["prompt"] == "a red ball"
    assert job.progress.fraction == 1.0
    kinds = [event.kind for event in events]
    assert kinds.count("image") == 2
    assert kinds[-1] == "done"
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    places = easel.save(job, tmp_path / "mine")
    assert [place.name for place in places] == [image.name for image in job.images]
    for place, image in zip(places, job.images, strict=True):
        assert place.read_bytes() == easel.image(image)
        with Image.open(place) as picture:
            assert picture.size == (64, 32)
            assert picture.getpixel((0, 0)) == COLOURS["red"]
        assert f"Seed: {image.seed}" in image.infotext


def png(colour: tuple[int, int, int], size: tuple[int, int] = (64, 32)) -> bytes:
    """A picture's file."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def pixels(easel: Easel, job: Job) -> Image.Image:
    """A job's only picture."""
    [image] = job.images
    return Image.open(io.BytesIO(easel.image(image)))


def test_a_picture_is_drawn_over(easel: Easel, tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    start.write_bytes(png((200, 100, 0)))
    job = easel.img2img(start, png((255, 255, 255)), prompt="blue", denoising_strength=0.4, steps=2)
    drawn = pixels(easel, job)
    assert drawn.size == (64, 32)  # the start picture's
    assert drawn.getpixel((3, 3)) == (200, 100, 0)
    assert drawn.getpixel((3, 30)) == COLOURS["blue"]
    assert "Denoising strength: 0.4" in job.images[0].infotext
    assert "Mask blur: 4" in job.images[0].infotext


def test_what_is_put_back_into_a_large_picture_is_limited_as_that(
    guarded: str, services: Services
) -> None:
    with Easel(guarded, user=BOB[0], password=BOB[1]) as bob:
        sent = bob.upload(png((9, 9, 9), (4000, 3000)))
        part = {**SMALL, "init_image": sent, "mask": sent, "inpaint_area": "Only masked"}
        sentence = r"17 pictures at once, each .* \(4000×3000\), have 204 million pixels; .* 200"
        with pytest.raises(Refused, match=sentence) as refused:
            bob.submit(prompt="red", batch_size=17, **part)
        assert refused.value.field == "batch_size"
        services.queue.limits = Limits(waiting_megapixels=20, administrators=True)
        try:
            with pytest.raises(Refused, match=r"24\.0 megapixels"):
                bob.submit(prompt="red", batch_count=2, **part)
            whole = {**part, "inpaint_area": "Whole picture"}
            assert bob.wait(bob.submit(prompt="red", batch_count=2, **whole)).state == "done"
        finally:
            services.queue.limits = Limits()


def test_a_picture_is_sent_once_for_many_requests(easel: Easel) -> None:
    sent = easel.upload(png((1, 2, 3)))
    assert (sent.width, sent.height) == (64, 32)
    for given in (sent, sent.id):
        job = easel.wait(easel.submit(init_image=given, prompt="red", steps=2))
        assert job.request["init_image"] == sent.id
        assert pixels(easel, job).getpixel((3, 3)) == (1, 2, 3)


def test_pictures_are_enlarged(easel: Easel) -> None:
    sent = easel.upload(png((1, 2, 3), (24, 16)))
    job = easel.upscale([sent, png((3, 2, 1), (16, 16))], upscaler="Nearest", scale=2)
    assert [(image.width, image.height) for image in job.images] == [(48, 32), (32, 32)]


def test_a_picture_survives_a_connection_that_breaks(url: str) -> None:
    lossy = Lossy(lambda _, number: number <= 2)
    with httpx.Client(transport=lossy) as http:
        easel = Easel(url, http=http, sleep=lambda _: None)
        job = easel.img2img(png((7, 7, 7)), prompt="red", steps=2)
    assert job.state == "done"
    assert [r.url.path for r in lossy.requests[:4]] == [
        "/api/v1/inputs", "/api/v1/inputs", "/api/v1/inputs", "/api/v1/img2img",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "There is no file"), (b"hello", "cannot be read as PNG"), (b"", "cannot be read as")],
)
def test_a_file_that_is_no_picture_is_one_sentence(
    easel: Easel, tmp_path: Path, content: bytes | None, part: str
) -> None:
    file = tmp_path / "start.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"start\.png") as caught:
        easel.img2img(file, prompt="x")
    assert part in caught.value.message
    with pytest.raises(Refused):
        easel.img2img("0" * 64, prompt="x")


def test_a_job_can_be_followed_from_its_id_after_its_end(easel: Easel) -> None:
    job = easel.submit(prompt="green", **SMALL)
    first = easel.wait(job.id)
    kinds: list[str] = []
    again = easel.wait(job, on_event=lambda event: kinds.append(event.kind))
    assert again == first == easel.job(job.id)
    assert "image" in kinds
    assert job.id in [one.id for one in easel.jobs("done")]


def test_jobs_can_be_stopped(easel: Easel) -> None:
    slow = easel.submit(prompt="!slow one", steps=100, width=64, height=64)
    waiting = easel.submit(prompt="blue", **SMALL)
    assert easel.cancel(waiting).state == "cancelled"
    with pytest.raises(TimedOut, match="has not ended within"):
        easel.wait(slow, wait_seconds=0.2)
    easel.skip(slow.id)
    easel.interrupt(slow)
    ended = easel.wait(slow)
    assert ended.state in ("cancelled", "done")
    assert ended.images == ()


def test_a_failed_job_raises_its_own_error(easel: Easel) -> None:
    with pytest.raises(ApiError) as raised:
        easel.txt2img(prompt="!fail", **SMALL)
    assert raised.value.code == "invalid_request"
    assert raised.value.message == "The fake was told to fail."
    job = easel.wait(easel.submit(prompt="!fail", **SMALL))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.message == "The fake was told to fail."


def test_what_there_is(easel: Easel) -> None:
    job = easel.txt2img(prompt="a yellow duck on a pond", **SMALL)
    found = easel.images("duck pond")
    assert found.total == 1
    assert found.images == job.images
    assert easel.images("duck", favourite=True).total == 0
    options = easel.options()
    assert [c.name for c in options.checkpoints] == ["first"]
    assert "Euler a" in options.samplers
    assert "steps" in [field["name"] for field in options.fields]
    status = easel.status()
    assert (status.user, status.is_admin) == ("local", True)
    assert status.device == "Fake device"


@pytest.mark.parametrize(
    ("fields", "part", "field"),
    [
        ({"steps": 0}, "Sampling steps is 0; the least is 1", "steps"),
        ({"stepps": 3}, "did you mean 'steps'?", "stepps"),
        ({"checkpoint": "nowhere"}, "nowhere", "checkpoint"),
    ],
)
def test_the_servers_words_reach_the_caller(
    easel: Easel, fields: dict[str, Any], part: str, field: str
) -> None:
    with pytest.raises(Refused, match=r"\.|\?") as raised:
        easel.submit(**fields)
    assert part in raised.value.message
    assert raised.value.field == field
    assert raised.value.status in (404, 422)
    assert isinstance(raised.value, EaselError)


def test_ids_lead_nowhere_else(easel: Easel) -> None:
    for bad in ("../status", "..", "a/b", "x?y", ""):
        with pytest.raises(Refused):
            easel.job(bad)
        with pytest.raises(Refused):
            easel.image(bad)


def test_what_cannot_be_sent_is_refused_here(easel: Easel) -> None:
    for value in (float("nan"), object(), b"bytes"):
        with pytest.raises(InvalidRequest):
            easel.submit(prompt=value)


# ---- logins


def test_users_have_their_own_jobs_and_pictures(guarded: str) -> None:
    with (
        Easel(guarded, user=ANN[0], password=ANN[1]) as ann,
        Easel(guarded, user=BOB[0], password=BOB[1]) as bob,
    ):
        job = ann.txt2img(prompt="red", **SMALL)
        assert job.owner == "ann"
        assert bob.status().user == "bob"
        assert len(ann.image(job.images[0].id)) > 0


def test_a_missing_or_wrong_password_is_said(guarded: str) -> None:
    for user, password in ((None, None), ("ann", "wrong")):
        with (
            Easel(guarded, user=user, password=password) as easel,
            pytest.raises(LoginRequired) as raised,
        ):
            easel.status()
        assert raised.value.status == 401
        assert raised.value.code == "unauthorized"


def test_a_password_is_not_shown(guarded: str) -> None:
    easel = Easel(guarded, user="ann", password="sesame")
    assert "sesame" not in repr(vars(easel))
    easel.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://host",
        "http://",
        "http://a:b@host",
        "http://host:99999",
        "http://[",
        "http://ho st",
    ],
)
def test_what_is_no_address_is_one_sentence(address: str) -> None:
    with pytest.raises(EaselError) as raised:
        Easel(address, patience=Patience(tries=1)).status()
    assert "Traceback" not in raised.value.message
    assert isinstance(raised.value, InvalidRequest | Unreachable)


# ---- connections that break


def test_a_submission_whose_answer_was_lost_draws_once(
    url: str, services: Services, paused: list[float]
) -> None:
    lossy = Lossy(lambda request, number: request.method == "POST" and number == 1)
    before = len(services.queue.jobs())
    with httpx.Client(transport=lossy) as http:
        job = Easel(url, http=http, sleep=paused.append).submit(prompt="red", **SMALL)
    keys = {r.headers["idempotency-key"] for r in lossy.requests}
    assert len(lossy.requests) == 2
    assert len(keys) == 1
    assert len(services.queue.jobs()) == before + 1
    assert services.queue.get(job.id).id == job.id


def test_waiting_survives_broken_connections(url: str, paused: list[float]) -> None:
    lossy = Lossy(lambda request, number: number % 2 == 0)
    seqs: list[int] = []
    fields: dict[str, Any] = {**SMALL, "steps": 6}
    with httpx.Client(transport=lossy) as http:
        easel = Easel(url, http=http, sleep=paused.append)
        job = easel.txt2img(prompt="!slow red", on_event=lambda e: seqs.append(e.seq), **fields)
    assert job.state == "done"
    assert len(seqs) == len(set(seqs))
    assert paused


def test_a_busy_server_is_asked_again_when_it_says(paused: list[float]) -> None:
    answers = iter([
        httpx.Response(429, headers={"retry-after": "7"}, json=told("too_many", "Wait.")),
        httpx.Response(503, json=told("unavailable", "Not yet.")),
        httpx.Response(200, json=STATUS),
    ])  # fmt: skip
    assert over(lambda _: next(answers), paused).status().version == "1"
    assert 7 <= paused[0] < 8
    assert 0.2 < paused[1] <= 1.0


def test_a_server_that_stays_busy_is_given_up(paused: list[float]) -> None:
    busy = httpx.Response(429, json=told("too_many", "Too many jobs wait."))
    easel = over(lambda _: busy, paused)
    with pytest.raises(ServerBusy, match="Too many jobs wait"):
        easel.submit(prompt="x")
    assert len(paused) == Patience().tries - 1


def test_nobody_waits_an_hour(paused: list[float]) -> None:
    busy = httpx.Response(429, headers={"retry-after": "3600"}, json=told("too_many", "Later."))
    with pytest.raises(ServerBusy) as raised:
        over(lambda _: busy, paused).status()
    assert raised.value.retry_after == 3600
    assert paused == []


def test_a_server_that_is_not_there_is_one_sentence(paused: list[float]) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    with pytest.raises(Unreachable, match=r"^The server cannot be reached: Connection refused\.$"):
        over(gone, paused).status()


def test_a_bad_value_is_not_sent_again(paused: list[float]) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(422, json=told("invalid_request", "Steps is 0.", "steps"))

    with pytest.raises(Refused, match="Steps is 0"):
        over(refuse, paused).submit(steps=0)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (200, b"[]"),
        (200, b'{"version": 1}'),
        (200, b"[" * 100_000),
        (302, b""),
        (404, b'{"detail": "Not Found"}'),
        (500, b"oops"),
    ],
)
def test_what_is_not_easel_is_one_sentence(status: int, body: bytes, paused: list[float]) -> None:
    with pytest.raises(ApiError) as raised:
        over(lambda _: httpx.Response(status, content=body), paused).status()
    assert raised.value.message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("", None), ("soon", None), ("-3", None),
     ("Thu, 01 Jan 1970 00:01:00 GMT", 20.0), ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert wire.retry_after({"retry-after": text}, now=40.0) == seconds


def test_pauses_grow_and_end() -> None:
    lost = wire.Broken("gone")
    pauses = [wire.pause(n, lost, 1.0) for n in range(1, 20)]
    assert pauses == sorted(pauses, key=lambda p: p or 0)
    assert pauses[-1] == 8.0
    assert wire.pause(1, lost, 0.0) == 0.25
    assert wire.pause(1, wire.Reply(422, {}, b""), 0.5) is None


def test_a_job_is_waited_for_until_the_silence_is_too_long() -> None:
    now = [0.0]
    wanted = client_steps.wait("x", Patience(tries=1, silence=30), clock=lambda: now[0])
    step: Any = next(wanted)

    def go_on() -> None:
        nonlocal step
        while True:
            now[0] += 1.0
            lost = wire.Broken("gone") if isinstance(step, wire.Call) else None
            step = wanted.send(lost)

    with pytest.raises(Unreachable):
        go_on()
    assert 30 < now[0] < 80


# ---- files


def test_a_file_is_whole_and_nothing_is_replaced(tmp_path: Path) -> None:
    first = keep(tmp_path, "a.png", b"one")
    assert keep(tmp_path, "a.png", b"one") == first
    assert keep(tmp_path, "a.png", b"two").name == "a-1.png"
    assert keep(tmp_path, "a.png", b"two").name == "a-1.png"
    assert first.read_bytes() == b"one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-1.png", "a.png"]


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a\\b:c.png", "..", "", "\0"])
def test_a_servers_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    place = keep(tmp_path / "in", name, b"data")
    assert place.parent == tmp_path / "in"
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be saved"):
        keep(tmp_path / "file", "a.png", b"data")


# ---- async


def test_the_async_client_does_the_same(url: str, tmp_path: Path) -> None:
    async def draw() -> None:
        kinds: list[str] = []

        async def heard(event: Event) -> None:
            kinds.append(event.kind)

        async with AsyncEasel(url) as easel:
            jobs = await asyncio.gather(
                easel.txt2img(prompt="red", seed=1, on_event=heard, **SMALL),
                easel.txt2img(prompt="blue", seed=2, **SMALL),
            )
            for job, colour in zip(jobs, ("red", "blue"), strict=True):
                data = await easel.image(job.images[0])
                with Image.open(io.BytesIO(data)) as picture:
                    assert picture.getpixel((0, 0)) == COLOURS[colour]
                assert (await easel.wait(job)) == job
            [place] = await easel.save(jobs[0], tmp_path)
            assert place.is_file()
            assert (await easel.status()).user == "local"
            assert (await easel.options()).default == "first"
            assert (await easel.images("blue")).total >= 1
            assert (await easel.cancel(jobs[0])).state == "done"
            with pytest.raises(Refused):
                await easel.submit(steps=0)
        assert kinds[-1] == "done"

    loops.run(draw())


def test_both_clients_have_the_same_calls() -> None:
    names = [{n for n in vars(c) if not n.startswith("_")} for c in (Easel, AsyncEasel)]
    assert names[0] == names[1]


def test_it_needs_nothing_of_the_server() -> None:
    """Programs import it where no Easel is installed but the package."""
    program = (
        "import sys, webui.client; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('torch', 'gradio', 'fastapi', 'starlette', 'PIL', 'numpy', 'sqlite3', 'asyncio')], "
        "sorted(m for m in sys.modules if m.startswith('webui.') "
        "and not m.startswith(('webui.client', 'webui.core'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] []"


# ---- the command line


def command(url: str, tmp_path: Path, *words: str) -> int:
    return main(["generate", "--url", url, f"--output={tmp_path / 'out'}", *words])


SIZE = ["--size", "64x32", "--steps", "2"]


def test_the_command_draws_at_a_server(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(url, tmp_path, "blue", *SIZE, "--seed", "5", "--count", "3", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seed"] for line in lines] == [5, 6, 7]
    for line in lines:
        assert set(line) == {"path", "seed", "infotext", "seconds"}
        assert Path(line["path"]).parent == tmp_path / "out"
        with Image.open(line["path"]) as picture:
            assert picture.getpixel((3, 3)) == COLOURS["blue"]
    assert command(url, tmp_path, "red", *SIZE) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert main(["jobs", "--url", url, "--limit", "2"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 2
    assert "done" in listed[-1]
    assert listed[-1].endswith("red")
    assert main(["jobs", "--url", url, "--json", "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == "red"


def test_the_command_draws_over_and_enlarges_at_a_server(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start.png"
    start.write_bytes(png((200, 100, 0)))
    assert command(url, tmp_path, "blue", "--steps", "2", f"--image={start}") == 0
    drawn = Path(capsys.readouterr().out.strip())
    with Image.open(drawn) as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((3, 3)) == (200, 100, 0)
    words = ["upscale", str(drawn), "--url", url, f"--output={tmp_path / 'large'}"]
    assert main([*words, "--scale", "2"]) == 0
    with Image.open(capsys.readouterr().out.strip()) as picture:
        assert picture.size == (128, 64)
    assert main(["jobs", "--url", url, "--limit", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("  blue")
    assert second.endswith("  Lanczos: 64×32 → 128×64")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["x", "--image", "nowhere.png"], 2, "There is no file 'nowhere.png'."),
        (["x", "--image", __file__], 2, "test_client.py': The picture cannot be read as PNG"),
        (["x", "--sampler", "Eulr"], 2, "did you mean 'Euler'?"),
        (["x", "--size", "65x64"], 2, "Width is 65, not a multiple of 8"),
        (["x", "--checkpoint", "nowhere"], 2, "nowhere"),
        (["!fail", *SIZE], 2, "The fake was told to fail."),
        (["x", "--device", "cpu"], 2, "device.device"),
    ],
)
def test_the_commands_errors_are_as_without_a_server(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    part: str,
) -> None:
    assert command(url, tmp_path, *words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("easel: ")
    assert said.err.count("\n") == 1
    assert part in said.err


def test_the_commands_password_comes_from_the_environment(
    guarded: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EASEL_PASSWORD", ANN[1])
    assert command(guarded, tmp_path, "red", *SIZE, "--user", "ann") == 0
    capsys.readouterr()
    monkeypatch.setenv("EASEL_PASSWORD", "wrong")
    assert command(guarded, tmp_path, "red", *SIZE, "--user", "ann") == 1
    assert capsys.readouterr().err.startswith("easel: Log in first")
    monkeypatch.delenv("EASEL_PASSWORD")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert command(guarded, tmp_path, "red", *SIZE, "--user", "ann") == 2
    assert "EASEL_PASSWORD" in capsys.readouterr().err
    assert main(["generate", "red", "--user", "ann"]) == 2


def test_interrupting_the_command_cancels_its_job(
    url: str, tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Easel, "wait", stop)
    assert command(url, tmp_path, "!slow forever", "--steps", "150", "--size", "64x64") == 130
    [job] = [j for j in services.queue.jobs() if j.request.prompt == "!slow forever"]
    assert services.queue.wait(job.id, 20).state == "cancelled"


STATUS = {
    "version": "1",
    "worker": {"state": "ready"},
    "queue": {"running": 0, "queued": 0},
    "caller": {"user": "local", "is_admin": True},
}


def told(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """An error as the server tells it."""
    return {"error": {"code": code, "message": message, "field": field}}


def test_one_client_serves_many_threads(easel: Easel) -> None:
    drawn: dict[int, str] = {}

    def draw(seed: int) -> None:
        drawn[seed] = easel.txt2img(prompt=f"thing {seed}", seed=seed, **SMALL).images[0].infotext

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(f"thing {seed}\n" in drawn[seed] for seed in range(6))
