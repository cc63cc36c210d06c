"""Sweeps and wildcards, from the doors to files: one job, every picture kept, a grid."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.fakes.services import client
from tests.fakes.worker import COLOURS
from tests.journeys.serving import write_checkpoint
from webui.api import create_app
from webui.app import open_services
from webui.core.requests import Series
from webui.jobs.codec import to_job, to_row
from webui.metadata import parse, read_infotext
from webui.services import Services
from webui.settings import load_settings

WILDCARDS = {"colour.txt": "red\ngreen\nblue\n", "thing.yaml": "round: [ball, plate]\n"}
STYLES = 'name,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",photo\nDusk,at dusk,\n'


class Here:
    """A server's services and application, all in this process."""

    def __init__(self, services: Services, local: TestClient, folder: Path) -> None:
        self.services = services
        self.local = local
        self.folder = folder

    def post(self, path: str, body: Any) -> Any:
        return self.local.post(f"/api/v1/{path}", json=body)

    def drawn(self, path: str, body: Any) -> dict[str, Any]:
        """The job once it has ended."""
        answer = self.post(path, body)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["job"]["id"]
        self.services.queue.wait(job_id, 60)
        return self.local.get(f"/api/v1/jobs/{job_id}").json()


def settings_of(folder: Path, **more: Any) -> Any:
    return load_settings({"device.inline": True, **more}, environ={}, home=folder)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("home")
    for name, size in (("first", 64), ("second", 128)):
        write_checkpoint(folder / "models" / "checkpoints" / name, size)
    (folder / "data" / "wildcards").mkdir(parents=True)
    for name, text in WILDCARDS.items():
        (folder / "data" / "wildcards" / name).write_text(text, encoding="utf-8")
    (folder / "data" / "styles.csv").write_text(STYLES, encoding="utf-8")
    settings = settings_of(folder)
    with (
        open_services(settings, worker="tests.fakes.worker") as services,
        client(create_app(services, settings)) as local,
    ):
        yield Here(services, local, folder)


def said(image: dict[str, Any]) -> dict[str, str]:
    return parse(image["infotext"])


def test_a_plot_is_one_job_of_all_its_pictures_and_a_grid(here: Here) -> None:
    request = {"prompt": "a red ball", "steps": 2, "seed": 5, "width": 64, "height": 32}
    axes = {"x": {"axis": "prompt_sr", "values": "red, blue, yellow"},
            "y": {"axis": "cfg_scale", "values": "3-5(+2)"}}  # fmt: skip
    body = {"request": request, "script": "xyz", **axes}
    counted = here.post("sweeps/plan", body).json()
    assert counted == {"pictures": 6, "switches": 0}
    job = here.drawn("sweeps", body)
    assert job["state"] == "done"
    *cells, grid = job["images"]
    assert [(said(i)["Prompt"], said(i)["CFG scale"]) for i in cells] == [
        (f"a {colour} ball", scale) for scale in ("3", "5") for colour in ("red", "blue", "yellow")
    ]
    assert {i["seed"] for i in cells} == {5}
    assert job["request"]["prompt"] == "a red ball"
    assert job["cells"][1] == {"prompt": "a blue ball", "cfg_scale": 3.0}
    assert job["sweep"] == {"script": "xyz", **axes}
    with Image.open(here.services.library.file(grid["id"])) as picture:
        assert picture.width > 3 * 64
        assert picture.height > 2 * 32
        # From the lower right corner, where no legend is: the last row's pictures.
        for place, colour in enumerate(("yellow", "blue", "red")):
            spot = picture.getpixel((picture.width - 30 - place * 68, picture.height - 10))
            assert spot == COLOURS[colour]
    told = parse(read_infotext(here.services.library.file(grid["id"])) or "")
    assert told["Script"] == "X/Y/Z plot"
    assert told["X Type"] == "Prompt S/R"
    assert told["X Values"] == "red, blue, yellow"
    assert told["Y Values"] == "3-5(+2)"
    assert told["Seed"] == "5"
    found = here.local.get("/api/v1/images?limit=7").json()["images"]
    assert {i["id"] for i in found} == {i["id"] for i in job["images"]}


def test_checkpoints_are_drawn_one_after_the_other(here: Here) -> None:
    body = {
        "request": {"prompt": "red", "steps": 1, "seed": 1},
        "script": "xyz",
        "x": {"axis": "checkpoint", "values": "first, second"},
        "y": {"axis": "seed", "values": "1-2"},
        "legend": False,
    }
    assert here.post("sweeps/plan", body).json() == {"pictures": 4, "switches": 1}
    job = here.drawn("sweeps", body)
    *cells, grid = job["images"]
    assert [said(i)["Model"] for i in cells] == ["first", "second"] * 2
    assert [i["width"] for i in cells] == [64, 128] * 2
    kept = here.services.queue.get(job["id"]).request
    assert isinstance(kept, Series)
    assert kept.sequence == (0, 2, 1, 3)
    assert grid["width"] == 2 * 128 + 4


def test_a_series_survives_the_journal(here: Here) -> None:
    body = {"request": {"prompt": "a|__colour__", "seed": 1, "steps": 1}, "script": "matrix"}
    job = here.services.queue.get(here.drawn("sweeps", body)["id"])
    row = to_row(job)
    again = to_job(row, ())
    assert again.request == job.request
    with sqlite3.connect(here.folder / "data" / "jobs.sqlite") as db:
        (kind,) = db.execute("SELECT kind FROM jobs WHERE id = ?", (job.id,)).fetchone()
    assert kind == "series"


def test_each_place_draws_as_many_as_the_request(here: Here) -> None:
    body = {
        "request": {"prompt": "red", "steps": 1, "seed": 7, "batch_size": 2},
        "script": "xyz",
        "x": {"axis": "cfg_scale", "values": "2, 3"},
    }
    images = here.drawn("sweeps", body)["images"]
    assert [i["seed"] for i in images[:4]] == [7, 8, 7, 8]
    assert len(images) == 6  # and a grid of the first, and one of the second
    assert said(images[5])["Seed"] == "8"


def test_lines_have_no_grid(here: Here) -> None:
    text = "red\n--prompt green --seed 9 --steps 2"
    body = {"request": {"seed": 4, "steps": 1}, "script": "lines", "text": text}
    images = here.drawn("sweeps", body)["images"]
    assert [(said(i)["Prompt"], i["seed"]) for i in images] == [("red", 4), ("green", 9)]


def test_wildcards_are_chosen_for_each_picture_by_its_seed(here: Here) -> None:
    request = {
        "prompt": "a __colour__ __round__",
        "negative_prompt": "{fog|rain}",
        "steps": 1,
        "seed": 20,
        "batch_count": 3,
        "batch_size": 4,
    }
    job = here.drawn("txt2img", request)
    found = [said(image) for image in job["images"]]
    assert [image["seed"] for image in job["images"]] == list(range(20, 32))
    assert len({one["Prompt"] for one in found}) > 3
    assert {one["Template"] for one in found} == {"a __colour__ __round__"}
    assert {one["Negative Template"] for one in found} == {"{fog|rain}"}
    assert {one["Negative prompt"] for one in found} == {"fog", "rain"}
    assert job["request"]["prompt"] == request["prompt"]
    assert job["sweep"] is None
    # Any of them is drawn again from the template and its seed.
    alone = {**request, "seed": 27, "batch_count": 1, "batch_size": 1}
    (image,) = here.drawn("txt2img", alone)["images"]
    assert said(image)["Prompt"] == found[7]["Prompt"]


def test_a_prompt_without_wildcards_is_an_ordinary_job(here: Here) -> None:
    for prompt in ("a red ball", "{red} __nobody__ [a|b]"):
        job = here.drawn("txt2img", {"prompt": prompt, "steps": 1})
        assert "cells" not in job
        assert said(job["images"][0])["Prompt"] == prompt
        assert "Template" not in said(job["images"][0])


def test_a_plot_of_wildcards_keeps_its_template(here: Here) -> None:
    body = {
        "request": {"prompt": "old {red|blue} ball", "steps": 1, "seed": 1},
        "script": "xyz",
        "x": {"axis": "prompt_sr", "values": "old, new"},
    }
    old, new, _ = here.drawn("sweeps", body)["images"]
    assert said(new)["Template"] == "new {red|blue} ball"
    assert said(new)["Prompt"] == said(old)["Prompt"].replace("old", "new")


def test_wildcards_can_be_switched_off(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    settings = settings_of(tmp_path, **{"prompts.wildcards": False})
    with (
        open_services(settings, worker="tests.fakes.worker") as services,
        client(create_app(services, settings)) as local,
    ):
        here = Here(services, local, tmp_path)
        (image,) = here.drawn("txt2img", {"prompt": "{a|b}", "steps": 1})["images"]
    assert said(image)["Prompt"] == "{a|b}"


def test_an_interrupted_plot_has_a_grid_of_what_there_is(here: Here) -> None:
    body = {
        "request": {"prompt": "!slow red", "steps": 2, "width": 64, "height": 64},
        "script": "xyz",
        "x": {"axis": "seed", "values": "1-200"},
        "y": {"axis": "steps", "values": "3, 2"},
        "z": {"axis": "cfg_scale", "values": "2, 3"},
        "legend": False,
    }
    job_id = here.post("sweeps", body).json()["job"]["id"]
    end = time.monotonic() + 60
    while not here.services.queue.get(job_id).images and time.monotonic() < end:
        time.sleep(0.01)
    here.post(f"jobs/{job_id}/cancel", {})
    job = here.services.queue.wait(job_id, 60)
    *cells, grid = job.images
    assert 0 < len(cells) < 200  # so the second page has nothing, and no grid
    assert [image.index for image in cells] == list(range(len(cells)))
    assert grid.index == job.request.count
    told = parse(grid.infotext)
    assert (told["Seed"], told["Steps"], told["CFG scale"]) == ("1", "3", "2")
    assert (told["Script"], told["X Type"], told["Y Values"]) == ("X/Y/Z plot", "Seed", "3, 2")
    with Image.open(here.services.library.file(grid.id)) as picture:
        shown = picture.convert("RGB")
        assert shown.size == (200 * 68 - 4, 2 * 68 - 4)
        colours = [shown.getpixel((place * 68 + 32, 32)) for place in range(200)]
        assert colours == [COLOURS["red"]] * len(cells) + [(255, 255, 255)] * (200 - len(cells))
        assert shown.getpixel((32, 68 + 32)) == (255, 255, 255)


def test_a_plot_with_a_skipped_picture_leaves_its_place_empty(here: Here) -> None:
    body = {
        "request": {"prompt": "!slow red", "steps": 25, "seed": 1, "width": 64, "height": 64},
        "script": "xyz",
        "x": {"axis": "cfg_scale", "values": "2, 3, 4, 5, 6"},
        "legend": False,
    }
    job_id = here.post("sweeps", body).json()["job"]["id"]
    queue = here.services.queue
    end = time.monotonic() + 60
    while queue.get(job_id).progress.step < 1 and time.monotonic() < end:
        time.sleep(0.01)
    here.post(f"jobs/{job_id}/skip", {})
    job = queue.wait(job_id, 60)
    assert job.state == "done"
    *cells, grid = job.images
    left = {image.index for image in cells}
    assert len(left) in (1, 4)  # four are drawn together
    assert parse(grid.infotext)["CFG scale"] == str(2 + min(left))
    with Image.open(here.services.library.file(grid.id)) as picture:
        shown = picture.convert("RGB")
        for place in range(5):
            colour = COLOURS["red"] if place in left else (255, 255, 255)
            assert shown.getpixel((place * 68 + 32, 32)) == colour


def test_cancelling_ends_all_that_is_left(here: Here) -> None:
    body = {
        "request": {"prompt": "!slow red", "steps": 2, "seed": 1},
        "script": "xyz",
        "x": {"axis": "seed", "values": "1-400"},
    }
    job_id = here.post("sweeps", body).json()["job"]["id"]
    end = time.monotonic() + 60
    while not here.services.queue.get(job_id).images and time.monotonic() < end:
        time.sleep(0.01)
    assert here.post(f"jobs/{job_id}/cancel", {}).status_code == 200
    job = here.services.queue.wait(job_id, 60)
    assert job.state == "cancelled"
    assert 0 < len(job.images) < 400
    assert 0 < job.progress.fraction < 1


@pytest.mark.parametrize(
    ("body", "field", "part"),
    [
        ({}, "script", "xyz, matrix, lines"),
        ({"script": "xyz", "x": {"axis": "steps", "values": "a"}}, "x", "not a number"),
        ({"script": "xyz", "nobody": 1}, "nobody", "no option"),
        ({"script": "xyz", "request": {"steps": 0}}, "steps", "least is 1"),
        ({"script": "xyz", "request": []}, "request", "object"),
        ({"script": "matrix", "request": {"prompt": "a"}}, "prompt", "needs parts"),
    ],
)
def test_what_cannot_be_drawn_is_refused(here: Here, body: Any, field: str, part: str) -> None:
    for path in ("sweeps", "sweeps/plan"):
        answer = here.post(path, body)
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == field
        assert part in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"script": []}', "script"),
        ('{"script": "lines", "text": "red", "x": {"axis": "\\ud800"}}', "x"),
        ('{"script": "lines", "text": "red", "x": {"\\ud800": "steps"}}', "x"),
        ('{"script": "lines", "text": "red", "y": ' + "[" * 900 + "]" * 900 + "}", "y"),
        ('{"script": "lines", "text": "red", "\\ud800": true}', "?"),
        ('{"script": "lines", "text": "red", "joiner": "' + "x" * 3_000_000 + '"}', None),
    ],
)
def test_options_that_nothing_looks_at_are_checked(here: Here, body: str, field: Any) -> None:
    answer = here.local.post("/api/v1/sweeps", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


def test_an_unknown_checkpoint_is_refused_before_anything_is_drawn(here: Here) -> None:
    axis = {"axis": "checkpoint", "values": "first, nobody"}
    answer = here.post("sweeps", {"script": "xyz", "x": axis})
    assert answer.status_code in (404, 422)
    assert "nobody" in answer.json()["error"]["message"]


def test_axes_tell_what_can_be_chosen(here: Here) -> None:
    axes = {a["name"]: a for a in here.local.get("/api/v1/sweeps/axes").json()["axes"]}
    assert axes["checkpoint"]["values"] == ["first", "second"]
    assert "Euler a" in axes["sampler"]["values"]
    assert axes["tiling"]["values"] == ["True", "False"]
    assert "values" not in axes["steps"]


def test_styles_are_found_in_a_pasted_prompt(here: Here) -> None:
    prompt = "oil painting of a lighthouse, at dusk, thick"
    text = f"{prompt}\nNegative prompt: fog, photo\nSteps: 20, Sampler: Euler, Seed: 1"
    found = here.post("infotext/parse", {"text": text}).json()
    assert found["styles"] == ["Dusk", "Oil"]
    assert found["values"]["prompt"] == "a lighthouse"
    assert found["values"]["negative_prompt"] == "fog"
    plain = here.post("infotext/parse", {"text": text.replace("oil", "ink")}).json()
    assert plain["styles"] is None
    assert plain["values"]["prompt"] == prompt.replace("oil", "ink")


def test_styles_of_several_files(here: Here) -> None:
    more = here.folder / "data" / "styles" / "more.csv"
    more.parent.mkdir()
    more.write_text("name,prompt,negative_prompt\nNight,at night,\nDusk,other,\n", encoding="utf-8")

    def put(name: str, prompt: str, replaces: str = "") -> dict[str, str]:
        body = {"name": name, "prompt": prompt, "negative_prompt": "", "replaces": replaces}
        answer = here.local.put("/api/v1/styles", json=body)
        return {style["name"]: style["prompt"] for style in answer.json()["styles"]}

    listed = here.local.get("/api/v1/styles").json()["styles"]
    assert [(s["name"], s["prompt"]) for s in listed[1:]] == [
        ("Dusk", "at dusk"),
        ("Night", "at night"),
    ]
    assert put("Late", "late", replaces="Night")["Late"] == "late"
    assert "Late" in more.read_text(encoding="utf-8")
    assert "Night" not in more.read_text(encoding="utf-8")
    put("New", "new")
    assert "New" in (here.folder / "data" / "styles.csv").read_text(encoding="utf-8")
    here.local.delete("/api/v1/styles?name=Dusk")
    assert {s["name"] for s in here.local.get("/api/v1/styles").json()["styles"]} == {
        "Oil",
        "Late",
        "New",
    }
