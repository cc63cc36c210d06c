"""The main jobs, with nothing replaced: the shipped checkpoint, the real worker, the real page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.journeys.actions import control, fill, generate, shown_picture
from tests.journeys.conftest import Open, Picture
from tests.journeys.serving import ROOT, Server
from tests.journeys.start_pictures import as_png, drop, open_img2img, start_picture, stroke
from tests.journeys.test_accessibility import serious
from webui.evaluation.measure import measure

DRAW_MS = 90_000
SIDE = 128
STEPS = 3
PAINTED = """(canvas, share) => canvas.getContext("2d").getImageData(
    Math.floor(share * canvas.width), Math.floor(canvas.height / 2), 1, 1).data[3]"""


class RealServer(Server):
    """A server with the worker that users have."""

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EASEL_", "GRADIO_"))}
        return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("easel")
    starter = Path("models", "checkpoints", "easel-starter")
    shutil.copytree(ROOT / starter, folder / starter)
    server = RealServer(folder)
    server.start()
    yield server
    server.stop()


def wait_done(page: Page) -> None:
    """Until the picture is there; the first one waits for the worker and the checkpoint."""
    page.wait_for_function(
        "() => document.documentElement.dataset.easelState === 'done'", timeout=DRAW_MS
    )


def halves() -> np.ndarray:
    """A picture whose left half is red and whose right half is blue."""
    pixels = np.full((SIDE, SIDE, 3), (200, 30, 30), np.uint8)
    pixels[:, SIDE // 2 :] = (30, 60, 200)
    return pixels


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_prompt_becomes_a_picture_and_a_file(
    easel: RealServer, open_page: Open, picture: Picture
) -> None:
    page = open_page(easel)
    fill(page, prompt="a red circle on a white background", seed=1, steps=8)
    assert control(page, "width").input_value() == "128"
    generate(page)
    wait_done(page)
    picture(page, "first-picture")
    (path,) = easel.pictures()
    verdict = measure(np.asarray(Image.open(path)))
    assert (verdict.count, verdict.colour, verdict.background_colour) == (1, "red", "white")
    size = "img => img.decode().then(() => [img.naturalWidth, img.naturalHeight])"
    shown = shown_picture(page).evaluate(size)
    assert shown == [128, 128]


def test_a_dropped_picture_is_drawn_over(
    easel: RealServer, open_page: Open, picture: Picture
) -> None:
    page = open_page(easel)
    open_img2img(page)
    drop(page, as_png(halves()))
    fill(page, "img2img", prompt="a green circle on a white background", steps=STEPS)
    generate(page, "img2img")
    wait_done(page)
    drawn = pixels_of(easel.pictures()[-1])
    assert drawn.shape == (SIDE, SIDE, 3)
    assert np.abs(drawn.astype(int) - halves()).mean() > 10
    expect(page.locator("#easel_infotext")).to_contain_text("Denoising strength: 0.75")
    picture(page, "img2img")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#easel_library [role=gridcell]").first).to_be_visible()


def test_only_what_is_painted_is_drawn_over(
    easel: RealServer, open_page: Open, picture: Picture
) -> None:
    page = open_page(easel)
    open_img2img(page)
    drop(page, as_png(halves()))
    page.get_by_role("button", name="Inpaint", exact=True).click()
    page.get_by_label("Brush size").fill("50")
    stroke(page, 0.9)
    values = {"denoising_strength": 1, "mask_blur": 2, "steps": STEPS}
    fill(page, "img2img", prompt="a green circle on a white background", **values)
    picture(page, "img2img-inpaint")
    assert serious(page) == []
    generate(page, "img2img")
    wait_done(page)
    before, after = halves(), pixels_of(easel.pictures()[-1])
    assert (after[:, : SIDE // 2] == before[:, : SIDE // 2]).all()
    assert np.abs(after[:, -32:].astype(int) - before[:, -32:]).mean() > 10
    page.reload()
    open_img2img(page)
    expect(start_picture(page)).to_be_visible()
    canvas = page.locator("#img2img_mask")
    expect(canvas).to_be_visible()
    assert [canvas.evaluate(PAINTED, share) for share in (0.2, 0.9)] == [0, 255]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "img2img-390")


def test_a_second_pass_enlarges(easel: RealServer, open_page: Open, picture: Picture) -> None:
    page = open_page(easel)
    fill(page, prompt="a red circle on a white background", steps=STEPS)
    page.locator("#txt2img_section_hires button").first.click()
    size = page.locator("#txt2img_hires_size")
    expect(size).to_have_text("")
    page.get_by_label("Hires. fix", exact=True).check()
    fill(page, hr_scale=1.5)
    control(page, "hr_scale").press("Tab")
    expect(size).to_have_text("From 128×128 to 192×192")
    picture(page, "hires")
    generate(page)
    wait_done(page)
    assert pixels_of(easel.pictures()[-1]).shape == (192, 192, 3)
    expect(page.locator("#easel_infotext")).to_contain_text("Hires upscale: 1.5")
