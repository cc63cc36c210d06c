"""The form of image to image, what is sent to it, and what it asks for."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from playwright.sync_api import Page, expect

from tests.journeys.actions import control, fill, generate, wait_state
from tests.journeys.conftest import Open, Picture
from tests.journeys.serving import Server
from tests.journeys.start_pictures import as_png, drop, open_img2img, start_picture, stroke
from webui.core.sizes import hires_size

TEXT = (
    "a lighthouse\nNegative prompt: fog\nSteps: 9, Sampler: Euler, CFG scale: 5.5, Seed: 77, "
    "Size: 64x64, Model: first, Denoising strength: 0.4"
)


def small(width: int = 96, height: int = 64) -> bytes:
    return as_png(np.full((height, width, 3), 90, np.uint8))


def with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", TEXT)
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64), "teal").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


_SIDES = (64, 120, 512)
_WANTED = (0, 96, 640)
_CASES = itertools.product(_SIDES, _SIDES, (1, 1.05, 1.5, 3.7), _WANTED, _WANTED)
SIZES = {
    (w, h, scale, to_w, to_h): hires_size((w, h), scale, (to_w, to_h)).final
    for w, h, scale, to_w, to_h in _CASES
}
"""What Hires. fix comes to, by what it is asked for with."""
COUNT = """async (cases) => {
    const url = document.querySelector('link[href$="/form_size.js"]').href;
    const { hiresSize } = await import(url);
    return cases.map(([w, h, scale, tw, th]) => hiresSize([w, h], scale, [tw, th]));
}"""
POSTED = ("/api/v1/img2img", "/api/v1/txt2img", "/api/v1/sweeps")


def drag_from_library(page: Page) -> None:
    """Drag the newest picture over the tab's name, and onto the field for the start picture."""
    page.get_by_role("tab", name="Library").click()
    page.locator("#easel_library [role=gridcell] img").first.hover()
    page.mouse.down()
    for place in (page.get_by_role("tab", name="Image to image"), page.locator("#img2img_image")):
        place.hover()
        place.hover(position={"x": 12, "y": 12})  # a second move tells of being over it
    page.mouse.up()


def drawn(page: Page, server: Server, tab: str = "img2img") -> dict[str, Any]:
    """Press Generate; what its job asks for."""
    return asked(page, server, lambda: generate(page, tab))


def asked(page: Page, server: Server, act: Callable[[], None]) -> dict[str, Any]:
    """What the job asks for that ``act`` submits."""
    with page.expect_response(lambda answer: answer.url.endswith(POSTED)) as posted:
        act()
    return told(server, f"jobs/{posted.value.json()['job']['id']}")["request"]


def told(server: Server, path: str) -> Any:
    with urllib.request.urlopen(f"{server.url}/api/v1/{path}") as answer:
        return json.load(answer)


def test_png_info_sends_picture_and_parameters(
    open_page: Open, tmp_path: Path, picture: Picture
) -> None:
    page = open_page()
    page.get_by_role("tab", name="PNG Info").click()
    (tmp_path / "a.png").write_bytes(with_text())
    page.locator("#easel_pnginfo_file").set_input_files(tmp_path / "a.png")
    names = page.locator("#easel_pnginfo_send").get_by_role("button")
    places = ("txt2img", "img2img", "inpaint", "extras")
    expect(names).to_have_text([f"Send to {place}" for place in places])
    picture(page, "png-info-send")
    page.get_by_role("button", name="Send to img2img").click()
    expect(start_picture(page)).to_be_visible()
    expected = {"prompt": "a lighthouse", "neg_prompt": "fog", "steps": "9", "seed": "77",
                "denoising_strength": "0.4", "width": "96", "height": "64"}  # fmt: skip
    for name, value in expected.items():
        expect(control(page, name, "img2img")).to_have_value(value)
    expect(page.get_by_role("toolbar", name="Paint the mask")).to_be_hidden()
    page.get_by_role("tab", name="PNG Info").click()
    page.get_by_role("button", name="Send to inpaint").click()
    expect(page.get_by_role("toolbar", name="Paint the mask")).to_be_visible()
    expect(page.locator("#img2img_mask_blur")).to_be_visible()
    page.get_by_role("tab", name="PNG Info").click()
    page.get_by_role("button", name="Send to extras").click()
    expect(page.locator("#easel_extras_pictures li")).to_have_count(1)
    page.get_by_role("tab", name="Text to image").click()
    expect(control(page, "prompt")).to_have_value("")


def test_the_mask_is_what_was_painted(
    open_page: Open, server: Server, tmp_path: Path, picture: Picture
) -> None:
    page = open_page()
    open_img2img(page)
    drop(page, small())
    fill(page, "img2img", prompt="red", steps=1)
    assert drawn(page, server)["mask"] == ""
    page.get_by_role("button", name="Inpaint", exact=True).click()
    assert drawn(page, server)["mask"] == ""
    bar = page.get_by_role("toolbar", name="Paint the mask")
    stroke(page, 0.5)
    whole = drawn(page, server)["mask"]
    mask = np.asarray(Image.open(io.BytesIO(fetched(server, whole))).convert("L"))
    assert (mask.shape, mask[32, 48], mask[32, 5], mask[32, 90]) == ((64, 96), 255, 0, 0)
    bar.get_by_role("button", name="Brush").focus()
    page.keyboard.press("Control+z")
    assert drawn(page, server)["mask"] == ""
    bar.get_by_role("button", name="Redo the stroke").press("Enter")
    assert drawn(page, server)["mask"] == whole
    bar.get_by_role("button", name="Eraser").press("Enter")
    page.get_by_label("Brush size").fill("50")
    stroke(page, 0.5)
    assert drawn(page, server)["mask"] == ""
    page.get_by_role("button", name="Inpaint upload").click()
    (tmp_path / "mask.png").write_bytes(as_png(np.full((64, 96, 3), 255, np.uint8)))
    page.locator("#img2img_mask_file").set_input_files(tmp_path / "mask.png")
    expect(page.locator("#img2img_mask_state")).to_have_text("96 × 64")
    picture(page, "img2img-upload")
    assert drawn(page, server)["mask"] not in ("", whole)
    page.get_by_role("button", name="img2img", exact=True).click()
    assert drawn(page, server)["mask"] == ""
    shutil.rmtree(server.folder / "data" / "inputs")
    page.reload()
    open_img2img(page)
    expect(page.locator("#img2img_image")).to_be_visible()
    expect(page.locator(".easel-toast")).to_have_count(0)


def sizes_counted(page: Page) -> list[list[int]]:
    return page.evaluate(COUNT, [list(case) for case in SIZES])


def fetched(server: Server, input_id: str) -> bytes:
    with urllib.request.urlopen(f"{server.url}/api/v1/inputs/{input_id}") as answer:
        return answer.read()


def test_two_forms_are_kept_apart(open_page: Open, server: Server) -> None:
    page = open_page()
    fill(page, prompt="green", steps=1)
    page.locator("#txt2img_checkpoint input").click()
    page.get_by_role("option", name="second").click()
    open_img2img(page)
    expect(control(page, "checkpoint", "img2img")).to_have_value("second")
    expect(control(page, "prompt", "img2img")).to_have_value("")
    generate(page, "img2img")
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.locator(".easel-start-wrong")).to_be_visible()
    drop(page, small())
    expect(control(page, "width", "img2img")).to_have_value("96")
    fill(page, "img2img", prompt="blue", steps=1)
    request = asked(page, server, lambda: page.keyboard.press("Control+Enter"))
    wait_state(page, "done")
    assert (request["prompt"], request["width"], request["height"]) == ("blue", 96, 64)
    assert request["init_image"]
    page.locator("#easel_send").click()
    page.get_by_role("menuitem", name="txt2img").click()
    expect(control(page, "prompt")).to_have_value("blue")
    expect(page.locator("#easel_results")).to_be_visible()
    page.reload()
    expect(control(page, "prompt")).to_have_value("blue")
    open_img2img(page)
    expect(control(page, "prompt", "img2img")).to_have_value("blue")
    page.locator("#img2img_script button").first.click()
    page.locator("#img2img_script_list").select_option(label="X/Y/Z plot")
    page.locator("#img2img_sweep_x").select_option(label="Denoising strength")
    page.locator("#img2img_sweep_x_values").fill("0.2, 0.4")
    expect(page.locator("#img2img_sweep_count")).to_have_text("2 pictures")
    assert drawn(page, server)["init_image"] == request["init_image"]
    expect(page.locator("#txt2img_gallery button")).to_have_count(3)  # two and their grid


def test_the_page_counts_sizes_as_the_server_does_and_draws_larger(
    page: Page, server: Server
) -> None:
    assert sizes_counted(page) == [list(final) for final in SIZES.values()]
    fill(page, prompt="red", steps=1, seed=41)
    first = drawn(page, server, "txt2img")
    fill(page, prompt="something else", seed=5)
    button = page.get_by_role("button", name="Draw this picture again, larger")
    again = asked(page, server, button.click)
    expect(button).to_be_hidden()
    assert (first["hires"], again["hires"], again["hires_scale"]) == (False, True, 2)
    assert (again["prompt"], again["seed"]) == ("red", 41)
    wait_state(page, "done")
    drag_from_library(page)
    expect(start_picture(page)).to_be_visible()
