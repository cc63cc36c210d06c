"""Ranking, labels and best-of, from the doors to a real worker with a tiny CLIP model."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from tests.fakes import tiny
from tests.fakes.services import client, site_settings
from tests.fakes.tiny_clip import write_clip
from webui import cli
from webui.api import create_app
from webui.app import open_services
from webui.core.measure import Measure, Picture
from webui.core.results import LOCAL_CALLER, Pixels
from webui.metadata import parse
from webui.services import Services

ANN, BOB = ("ann", "right"), ("bob", "other")


def png(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    out = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Here:
    """A server's services and application, all in this process."""

    def __init__(self, services: Services, app: FastAPI, local: TestClient) -> None:
        self.services = services
        self.app = app
        self.local = local

    def post(self, path: str, body: Any, **options: Any) -> Any:
        return self.local.post(f"/api/v1/{path}", json=body, auth=ANN, **options)

    def saved(self, owner: str, seed: int) -> str:
        """A picture in the library; its id."""
        image = Image.open(io.BytesIO(png(seed)))
        return self.services.library.save(
            Pixels(image.width, image.height, image.tobytes()),
            infotext="",
            job_id=f"job{seed}",
            index=0,
            seed=seed,
            prompt="red",
            model="m",
            owner=owner,
        ).id


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write_clip(home / "models" / "clip" / "tiny")
    tiny.write_folder(home / "models" / "checkpoints" / "small")
    return home


@pytest.fixture(scope="module")
def here(folder: Path) -> Iterator[Here]:
    settings = site_settings(folder, auth=[ANN, BOB])
    with open_services(settings, worker="webui.engine.worker") as services:
        app = create_app(services, settings)
        with client(app, address="10.0.0.5") as local:
            yield Here(services, app, local)


def test_pictures_of_the_library_and_pictures_sent_are_ranked_together(here: Here) -> None:
    mine = here.saved("ann", 1)
    data_url = "data:image/png;base64," + text(png(2))
    body = {"prompt": "a picture of a cat", "images": [mine, text(png(1)), data_url]}
    answer = here.post("rank", body)
    assert answer.status_code == 200, answer.text
    scores = answer.json()["scores"]
    assert {s["name"] for s in scores} == {mine, "2", "3"}
    assert [s["clip_score"] for s in scores] == sorted(
        (s["clip_score"] for s in scores), reverse=True
    )
    by_name = {s["name"]: s for s in scores}
    assert by_name[mine]["clip_score"] == by_name["2"]["clip_score"] != by_name["3"]["clip_score"]
    assert sum(s["probability"] for s in scores) == pytest.approx(1, abs=1e-4)
    job = here.local.get(f"/api/v1/jobs/{answer.json()['job']['id']}", auth=ANN).json()
    assert (job["state"], job["scores"]) == ("done", scores)
    assert [p["png"] for p in job["request"]["pictures"]] == ["", "", ""]


def test_labels_are_told_and_the_scores_are_an_event(here: Here) -> None:
    before = here.services.queue.last_seq
    body = {"image": text(png(3)), "labels": ["red circle", " blue star "], "template": "{}!"}
    answer = here.post("labels", body)
    scores = answer.json()["scores"]
    assert sorted(s["name"] for s in scores) == ["blue star", "red circle"]
    assert scores[0]["probability"] > scores[1]["probability"]
    path = f"/api/v1/events?after={before}&job_id={answer.json()['job']['id']}&timeout=5"
    events = here.local.get(path, auth=ANN).json()["events"]
    assert [e["scores"] for e in events if e["kind"] == "scores"] == [scores]


def test_without_waiting_the_job_is_answered_at_once(here: Here) -> None:
    answer = here.post("rank?wait=false", {"prompt": "x", "images": [text(png(4))]})
    assert answer.status_code == 202
    job = here.services.queue.wait(answer.json()["job"]["id"], 60)
    assert [s.name for s in job.scores] == ["1"]


def test_other_peoples_pictures_are_not_there(here: Here) -> None:
    theirs = here.saved("bob", 5)
    answer = here.post("rank", {"prompt": "x", "images": [theirs]})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"There is no picture {theirs!r}."
    assert here.post("labels", {"image": theirs, "labels": ["a"]}).status_code == 404
    found = here.local.post("/api/v1/rank", json={"prompt": "x", "images": [theirs]}, auth=BOB)
    assert found.status_code == 200
    job_id = found.json()["job"]["id"]
    assert here.local.get(f"/api/v1/jobs/{job_id}", auth=ANN).status_code == 404


def bomb() -> bytes:
    """A PNG of 60 000 × 60 000 pixels in 60 bytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(
        ">I", zlib.crc32(chunk)
    ) + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))  # fmt: skip


ONE = text(png(1))


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "says"),
    [
        ("rank", {"prompt": "x"}, 422, "images", "images is a list"),
        ("rank", {"prompt": "x", "images": []}, 422, "images", "0 pictures; give 1 to 64"),
        ("rank", {"prompt": "x", "images": [ONE] * 65}, 422, "images", "65 pictures"),
        ("rank", {"prompt": " ", "images": [ONE]}, 422, "prompt", "needs a prompt"),
        ("rank", {"prompt": 5, "images": [ONE]}, 422, "prompt", "prompt is no text"),
        ("rank", {"prompt": "x" * 2001, "images": [ONE]}, 422, "prompt", "has 2001 characters"),
        ("rank", {"prompt": "x", "images": [7]}, 422, "images", "Picture 1 is neither"),
        ("rank", {"prompt": "x", "images": [""]}, 422, "images", "Picture 1 is neither"),
        ("rank", {"prompt": "x", "images": ["../../etc"]}, 422, "images", "not valid base64"),
        ("rank", {"prompt": "x", "images": ["no-such-id"]}, 404, "images", "There is no picture"),
        ("rank", {"prompt": "x", "images": [ONE, text(b"GIF89a" * 40)]}, 422, "images",
         "Picture 2 cannot be read as PNG, JPEG or WebP."),
        ("rank", {"prompt": "x", "images": [text(png(1, (200, 200))[:-30])]}, 422, "images",
         "Picture 1 cannot be read"),
        ("rank", {"prompt": "x", "images": [text(bomb() + bytes(40))]}, 413, "images",
         "50 million pixels"),
        ("rank", {"prompt": "x", "images": [ONE], "model": "q"}, 404, "model", "no CLIP model 'q'"),
        ("rank", {"prompt": "x", "images": [ONE], "n": 1}, 422, "n", "There is no field 'n'"),
        ("labels", {"image": ONE, "labels": "a,b"}, 422, "labels", "labels is a list"),
        ("labels", {"image": ONE, "labels": []}, 422, "labels", "0 labels; give 1 to 256"),
        ("labels", {"image": ONE, "labels": ["a", " "]}, 422, "labels", "A label is empty."),
        ("labels", {"image": ONE, "labels": ["a"], "template": "b"}, 422, "template", "has no {}"),
        ("labels", {"labels": ["a"]}, 422, "image", "Picture 1 is neither"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    here: Here, path: str, body: Any, status: int, field: str, says: str
) -> None:
    answer = here.post(path, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (status, field), error
    assert says in error["message"]
    assert "\n" not in error["message"]


def test_a_picture_over_sixteen_mebibytes_is_refused(here: Here) -> None:
    answer = here.post("rank", {"prompt": "x", "images": [text(bytes(17 * 1024 * 1024))]})
    assert answer.status_code == 413
    assert "larger than 16 MiB" in answer.json()["error"]["message"]


# ---- best of


def draw(here: Here, **fields: Any) -> dict[str, Any]:
    body = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 2, "seed": 7, **fields}
    answer = here.post("txt2img", body)
    assert answer.status_code == 202, answer.text
    job = here.services.queue.wait(answer.json()["job"]["id"], 100)
    assert job.error is None, job.error
    (image,) = job.images
    return {**parse(image.infotext), "seed": image.seed}


def test_the_best_of_several_is_saved_with_its_seed_and_score(here: Here) -> None:
    found = draw(here, best_of=6)
    assert found["Best of"] == "6"
    assert found["Seed"] == str(found["seed"])
    assert found["seed"] in range(7, 13)
    again = draw(here, seed=found["seed"], clip_score=True)
    assert again["CLIP score"] == found["CLIP score"]
    assert "Best of" not in again
    assert "CLIP score" not in draw(here)
    float(found["CLIP score"])


def test_a_best_of_without_a_prompt_or_too_many_is_refused(here: Here) -> None:
    empty = here.post("txt2img", {"best_of": 2})
    assert empty.json()["error"]["message"] == "CLIP needs a prompt to compare pictures with."
    many = here.post("txt2img", {"prompt": "x", "best_of": 64, "batch_size": 64})
    assert (many.status_code, many.json()["error"]["field"]) == (422, "best_of")


@pytest.mark.parametrize("values", [{"best_of": 2}, {"clip_score": True}])
def test_without_a_clip_model_they_are_refused_when_submitted(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    tiny.write_folder(tmp_path / "models" / "checkpoints" / "small")
    settings = site_settings(tmp_path)
    with (
        open_services(settings, worker="tests.fakes.worker") as services,
        client(create_app(services, settings)) as local,
    ):
        body = {"prompt": "x", **values}
        error = local.post("/api/v1/txt2img", json=body).json()["error"]
        assert (error["code"], error["field"]) == ("not_found", next(iter(values)))
        assert "put one into models/clip/NAME" in error["message"]
        answer = local.post("/api/v1/rank", json={"prompt": "x", "images": [ONE]})
        assert answer.status_code == 404
        assert local.get("/api/v1/jobs").json()["jobs"] == []


# ---- command line


def command(folder: Path, *words: str) -> int:
    places = [f"--{name}-dir={folder / name}" for name in ("models", "data", "output")]
    return cli.main([*words, *places, "--inline", "--device=cpu"])


def test_the_command_line_ranks_and_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        file.write_bytes(png(i))
    assert command(folder, "rank", "a cat", *map(str, files), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(line["name"] for line in lines) == sorted(map(str, files))
    assert [line["clip_score"] for line in lines] == sorted(
        (line["clip_score"] for line in lines), reverse=True
    )
    assert command(folder, "label", str(files[0]), "--labels", "cat, dog") == 0
    out = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[-1] for line in out) == ["cat", "dog"]
    assert command(folder, "label", str(tmp_path / "none.png"), "--labels", "a") == 1
    assert "Picture 'none.png' cannot be read" in capsys.readouterr().err
    assert command(folder, "rank", "a", str(files[0]), "--clip-model=q") == 2
    assert "There is no CLIP model 'q'" in capsys.readouterr().err


# ---- what survives


def test_scores_survive_a_restart_and_pictures_do_not(tmp_path: Path) -> None:
    write_clip(tmp_path / "models" / "clip" / "tiny")
    settings = site_settings(tmp_path)
    with open_services(settings, worker="webui.engine.worker") as services:
        request = Measure(prompt="x", pictures=(Picture.of("one", png(1)),))
        job = services.queue.submit(request, caller=LOCAL_CALLER)
        done = services.queue.wait(job.id, 100)
        assert done.state == "done"
    with open_services(settings, worker="tests.fakes.worker") as services:
        kept = services.queue.get(done.id)
    assert kept.scores == done.scores != ()
    assert kept.request == done.request == request.spent()
