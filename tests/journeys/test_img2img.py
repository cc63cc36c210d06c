"""Image to image with the shipped checkpoint and the real worker: what is drawn over, what not."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.journeys.actions import control, fill, generate
from tests.journeys.conftest import Open, Picture
from tests.journeys.serving import ROOT
from tests.journeys.test_accessibility import serious
from tests.journeys.test_first_picture import RealServer, wait_done

SIDE = 128
STEPS = 3
DROP = """([id, data]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(data)], "a.png", { type: "image/png" }));
    const init = { bubbles: true, cancelable: true, dataTransfer };
    document.getElementById(id).dispatchEvent(new DragEvent("drop", init));
}"""
PAINTED = """(canvas, share) => canvas.getContext("2d").getImageData(
    Math.floor(share * canvas.width), Math.floor(canvas.height / 2), 1, 1).data[3]"""


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("easel")
    starter = Path("models", "checkpoints", "easel-starter")
    shutil.copytree(ROOT / starter, folder / starter)
    server = RealServer(folder)
    server.start()
    yield server
    server.stop()


def halves() -> np.ndarray:
    """A picture whose left half is red and whose right half is blue."""
    pixels = np.full((SIDE, SIDE, 3), (200, 30, 30), np.uint8)
    pixels[:, SIDE // 2 :] = (30, 60, 200)
    return pixels


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def open_img2img(page: Page) -> None:
    page.get_by_role("tab", name="Image to image").click()
    expect(page.locator("#img2img_start")).to_be_visible()


def start_picture(page: Page) -> Locator:
    return page.locator("#img2maskimg img")


def drop(page: Page, data: bytes) -> None:
    page.evaluate(DROP, ["img2img_image", list(data)])
    expect(start_picture(page)).to_be_visible()


def stroke(page: Page, share: float) -> None:
    """Paint from top to bottom at so much of the picture's width."""
    box = page.locator("#img2img_mask").bounding_box()
    assert box is not None
    x = box["x"] + share * box["width"]
    page.mouse.move(x, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 1, steps=4)
    page.mouse.up()


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


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
    fill(page, hires_scale=1.5)
    control(page, "hires_scale").press("Tab")
    expect(size).to_have_text("From 128×128 to 192×192")
    picture(page, "hires")
    generate(page)
    wait_done(page)
    assert pixels_of(easel.pictures()[-1]).shape == (192, 192, 3)
    expect(page.locator("#easel_infotext")).to_contain_text("Hires upscale: 1.5")
