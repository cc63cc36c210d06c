"""Pictures enlarged over HTTP, A1111's way and ours, by the real engine in this process."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from tests.fakes import upscalers as fakes
from tests.fakes.services import client
from webui.api import create_app
from webui.app import open_services
from webui.metadata import parse, read_infotext
from webui.services import Services
from webui.settings import load_settings

TEXT = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 7, Size: 20x10"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("easel")
    models = folder / "models" / "upscalers"
    fakes.write_nearest(models / "4x_plain.safetensors", 4)
    fakes.write_nearest(models / "2x_bright.safetensors", 2, brighter=0.2)
    (models / "torn.safetensors").write_bytes((models / "4x_plain.safetensors").read_bytes()[:-9])
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with open_services(settings) as opened_services:
        yield opened_services


@pytest.fixture(scope="module")
def site(services: Services) -> Iterator[TestClient]:
    with client(create_app(services, services.settings)) as local:
        yield local


def png(size: tuple[int, int] = (20, 10), text: str = "", mode: str = "RGB") -> bytes:
    """Left half dark red, right half dark blue."""
    image = Image.new(mode, size, (100, 0, 0))
    image.paste((0, 0, 100), (size[0] // 2, 0, *size))
    info = PngInfo()
    if text:
        info.add_text("parameters", text)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def picture(size: tuple[int, int] = (20, 10), text: str = "", mode: str = "RGB") -> str:
    return base64.b64encode(png(size, text, mode)).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def array(data: bytes) -> NDArray[np.int16]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def post(site: TestClient, path: str, **body: Any) -> Any:
    return site.post(f"/sdapi/v1/{path}", json=body)


# ---- A1111's extras


def enlarged(site: TestClient, **body: Any) -> tuple[Image.Image, str]:
    answer = post(site, "extra-single-image", **{"image": picture(), **body})
    assert answer.status_code == 200, answer.text
    return opened(answer.json()["image"]), answer.json()["html_info"]


def test_extras_enlarge_by_a_factor_or_to_a_size(site: TestClient) -> None:
    made, info = enlarged(site, upscaler_1="Nearest", upscaling_resize=4)
    assert made.size == (80, 40)
    assert (made.getpixel((38, 20)), made.getpixel((41, 20))) == ((100, 0, 0), (0, 0, 100))
    assert info == "<p>Postprocess upscale by: 4, Postprocess upscaler: Nearest</p>"
    size = {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 64}
    made, info = enlarged(site, upscaler_1="Lanczos", **size)
    assert made.size == (64, 64)
    assert "Postprocess crop to: 64x64" in info
    made, _ = enlarged(site, upscaler_1="Lanczos", upscaling_crop=False, **size)
    assert made.size == (128, 64)
    made, info = enlarged(
        site, upscaler_1="Nearest", upscaler_2="Lanczos", extras_upscaler_2_visibility=0.5
    )
    assert "Postprocess upscaler 2: Lanczos" in info
    made, info = enlarged(site)
    assert (made.size, info) == ((20, 10), "<p></p>"), "upscaler None leaves it as it is"


def test_extras_keep_parameters_and_transparency(site: TestClient) -> None:
    text = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"
    source = "data:image/png;base64," + picture(text=text, mode="RGBA")
    made, _ = enlarged(site, image=source, upscaler_1="Lanczos")
    assert made.mode == "RGBA"
    assert made.info["parameters"] == text
    assert made.info["postprocessing"].startswith("Postprocess upscale by: 2")


def test_a_batch_answers_in_its_order(site: TestClient) -> None:
    images = [{"data": picture((8, 8)), "name": "a"}, {"data": picture((16, 8)), "name": "b"}]
    answer = post(site, "extra-batch-images", imageList=images, upscaler_1="Nearest", odd=1)
    assert [opened(i).size for i in answer.json()["images"]] == [(16, 16), (32, 16)]
    assert answer.headers["x-easel-ignored"] == "odd"
    images[1]["data"] = "bm90IGEgcGljdHVyZQ=="
    for body, words in (({"imageList": images}, "imageList[1]"), ({}, "imageList")):
        answer = post(site, "extra-batch-images", **body)
        assert answer.status_code == 422
        assert words in answer.json()["errors"]


def test_models_are_listed_and_used_and_nothing_is_kept(
    site: TestClient, services: Services
) -> None:
    listed = {one["name"]: one for one in site.get("/sdapi/v1/upscalers").json()}
    assert list(listed) == ["None", "Lanczos", "Nearest", "2x_bright", "4x_plain"]
    assert listed["2x_bright"]["scale"] == 2
    assert listed["2x_bright"]["model_path"].endswith("2x_bright.safetensors")
    made, info = enlarged(site, upscaler_1="2x_bright", upscaling_resize=2)
    assert made.getpixel((3, 3)) == (151, 51, 51)
    assert info == "<p>Postprocess upscale by: 2, Postprocess upscaler: 2x_bright</p>"
    made, _ = enlarged(site, upscaler_1="4X_PLAIN", upscaling_resize=4)
    assert np.array_equal(np.asarray(made), array(png()).repeat(4, 0).repeat(4, 1))
    kept = site.get("/api/v1/images").json()["images"]
    assert kept == []


def test_a_model_that_is_torn_and_one_that_is_a_pickle_are_named(
    site: TestClient, services: Services
) -> None:
    folder = services.settings.paths.models / "upscalers"
    (folder / "old.pth").write_bytes(b"PK\x03\x04")
    for name, words in (("torn", "cut short"), ("old", "convert-upscaler old.pth")):
        answer = post(site, "extra-single-image", image=picture(), upscaler_1=name)
        assert answer.status_code == 422, answer.text
        assert words in answer.json()["errors"]
    (folder / "old.pth").unlink()


# ---- ours


def sent(site: TestClient, data: bytes) -> str:
    return site.post("/api/v1/inputs", content=data).json()["input"]["id"]


def test_pictures_are_enlarged_kept_and_say_what_was_done(
    site: TestClient, services: Services
) -> None:
    listed = site.get("/api/v1/upscalers").json()
    assert [one["name"] for one in listed["upscalers"] if one["model"]] == ["2x_bright", "4x_plain"]
    assert [one["name"] for one in listed["problems"]] == ["torn.safetensors"]
    images = [sent(site, png(text=TEXT)), sent(site, png((8, 8)))]
    body = {"images": images, "upscaler": "4x_plain", "scale": 4}
    answer = site.post("/api/v1/upscale?wait=true", json=body)
    assert answer.status_code == 200, answer.text
    job = answer.json()["job"]
    assert job["state"] == "done"
    assert str(services.settings.paths.models) not in str(job["request"])
    first, second = job["images"]
    data = site.get(first["url"]).content
    assert np.array_equal(array(data), array(png()).repeat(4, 0).repeat(4, 1))
    expected = f"{TEXT}, Postprocess upscale by: 4, Postprocess upscaler: 4x_plain"
    assert first["infotext"] == expected
    assert read_infotext(io.BytesIO(data).getvalue()) == expected
    assert (first["seed"], first["width"], first["height"]) == (7, 80, 40)
    assert "-7" in first["name"], "the name pattern has the seed of the source"
    assert parse(second["infotext"])["Postprocess upscaler"] == "4x_plain"
    again = site.post("/api/v1/upscale?wait=true", json={**body, "upscaler": "torn"})
    assert again.status_code == 422
    assert "cut short" in again.json()["error"]["message"]


def test_lists_say_what_a_job_enlarges(site: TestClient) -> None:
    images = [sent(site, png()), sent(site, png((8, 8)))]
    for body, summary in (
        ({"images": images[:1]}, "4x_plain: 20×10 → 80×40"),
        ({"images": images, "width": 40, "height": 16}, "4x_plain: 20×10 → 40×16 (+1)"),
        ({"images": images[:1], "upscaler_2": "lanczos", "visibility": 0.5},
         "4x_plain + Lanczos: 20×10 → 80×40"),
    ):  # fmt: skip
        site.post("/api/v1/upscale?wait=true", json={"upscaler": "4x_plain", **body})
        newest = site.get("/api/v1/jobs?limit=1").json()["jobs"][0]
        assert (newest["summary"], newest["prompt"]) == (summary, "")


@pytest.mark.parametrize(
    ("change", "status", "field", "words"),
    [
        ({"images": ["0" * 64]}, 404, "images", "send it again"),
        ({"images": ["../etc/passwd"]}, 404, "images", "send it again"),
        ({"images": []}, 422, "images", "There are 0 pictures"),
        ({"upscaler": "LDSR"}, 404, "upscaler", "could not find upscaler named LDSR"),
        ({"upscaler_2": "LDSR"}, 404, "upscaler_2", "could not find upscaler named LDSR"),
        ({"scale": 1e9}, 422, "scale", "the most is 64"),
        ({"width": 60_000, "height": 60_000}, 413, "width", "50 million"),
        ({"models": []}, 422, "models", "There is no field"),
    ],
)
def test_what_cannot_be_done_is_said(
    site: TestClient, change: dict[str, Any], status: int, field: str, words: str
) -> None:
    body = {"images": [sent(site, png())], **change}
    answer = site.post("/api/v1/upscale", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field
    assert words in answer.json()["error"]["message"]


def test_the_settings_tile_is_the_next_jobs(site: TestClient) -> None:
    assert site.get("/sdapi/v1/options").json()["ESRGAN_tile"] == 192
    site.patch("/api/v1/settings", json={"upscaling.tile": 64, "upscaling.overlap": 4})
    body = {"images": [sent(site, png())], "upscaler": "Nearest"}
    job = site.post("/api/v1/upscale", json=body).json()["job"]
    assert (job["request"]["tile"], job["request"]["overlap"]) == (64, 4)
