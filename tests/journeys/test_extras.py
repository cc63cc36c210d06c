"""The Extras tab: pictures in, larger pictures out, compared, and what is said when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.journeys.actions import expect_note
from tests.journeys.conftest import Open, Picture
from tests.journeys.giving import give, png_file
from tests.journeys.serving import Server
from tests.journeys.test_accessibility import serious
from tests.unit.metadata.pictures import png

TEXT = "a lighthouse\nSteps: 9, Sampler: Euler, CFG scale: 5.5, Seed: 77, Size: 8x8"


def header(*names: str) -> bytes:
    """A safetensors file of empty tensors."""
    entry = {"dtype": "F32", "shape": [0, 3, 3, 3], "data_offsets": [0, 0]}
    raw = json.dumps(dict.fromkeys(names, entry)).encode()
    return len(raw).to_bytes(8, "little") + raw


def form(page: Page) -> Locator:
    return page.locator("#easel_extras_form")


@pytest.fixture
def upscalers(server: Server) -> Iterator[None]:
    """Two models, one of which the worker cannot use, and a file that is none."""
    folder = server.folder / "models" / "upscalers"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "4x_Sharp.safetensors": header("conv_first.weight", "conv_body.weight"),
        "broken.safetensors": header("conv_first.weight", "conv_body.weight"),
        "old.pth": b"PK\x03\x04",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    yield
    for name in files:
        (folder / name).unlink()


@pytest.fixture
def tab(open_page: Open, upscalers: None) -> Page:
    page = open_page()
    page.get_by_role("tab", name="Extras").click()
    expect(page.locator("#easel_extras_upscaler[data-ready]")).to_be_visible()
    return page


def test_pictures_are_enlarged_and_compared(
    tab: Page, server: Server, tmp_path: Path, picture: Picture
) -> None:
    state = tab.locator("#easel_extras_state")
    expect(form(tab).get_by_label("Upscaler 1")).to_have_value("4x_Sharp")
    expect(tab.locator("#easel_extras_problems")).to_contain_text("convert-upscaler old.pth")
    start = tab.get_by_role("button", name="Upscale", exact=True)
    start.click()
    expect_note(tab, "Choose a picture first.")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    files[0].write_bytes(png(parameters=TEXT))
    for number, file in enumerate(files[1:], start=1):
        Image.new("RGB", (120, 60 * number), ("navy", "teal")[number - 1]).save(file)
    tab.locator("#easel_extras_file").set_input_files(files)
    thumbs = tab.locator("#easel_extras_pictures li")
    expect(thumbs).to_have_count(3)
    tab.get_by_role("button", name="Remove picture 3").click()
    expect(thumbs).to_have_count(2)
    form(tab).get_by_label("Times").fill("9")
    start.click()  # the browser refuses it
    expect(state).to_contain_text("Enlarged pictures are shown here")
    form(tab).get_by_label("Times").fill("4")
    start.click()
    expect(state).to_have_text("Done: 2")
    results = tab.locator("#easel_extras_results li")
    expect(results).to_have_count(2)
    expect(results.first).to_contain_text("32 × 32")
    expect(results.nth(1)).to_contain_text("480 × 240")
    picture(tab, "extras")
    tab.get_by_role("tab", name="Text to image").click()
    expect(tab.locator("#easel_state")).not_to_contain_text("Done")  # it has a place of its own
    tab.get_by_role("tab", name="Extras").click()
    for scheme in ("dark", "light"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(tab.locator("body.dark")).to_have_count(1 if scheme == "dark" else 0)
        assert serious(tab) == []
    results.nth(1).get_by_role("button", name="Before and after").click()
    expect(tab.locator("#easel_compare")).to_be_visible()
    tab.wait_for_function(
        "[...document.querySelectorAll('#easel_compare .stage img')].filter(i => i.naturalWidth)"
        ".length === 2"
    )
    picture(tab, "extras-compare")
    tab.keyboard.press("Escape")
    results.first.get_by_role("button", name="Show large").click()
    expect(tab.locator("#easel_large")).to_be_visible()
    expect(tab.locator("#easel_large")).to_contain_text("32 × 32")
    tab.keyboard.press("Escape")
    # What was made is a picture of the library, with the source's parameters and what was done.
    tab.reload()
    tab.get_by_role("tab", name="Extras").click()
    expect(results).to_have_count(2)
    kept = [Image.open(path).info.get("parameters", "") for path in server.pictures()[-2:]]
    notes = "Postprocess upscale by: 4, Postprocess upscaler: 4x_Sharp"
    assert f"{TEXT}, {notes}" in kept
    tab.locator("#easel_queue_open").click()
    expect(tab.locator("#easel_queue li .prompt").first).to_contain_text("4x_Sharp: 8×8 → 32×32")
    with tab.expect_response("**/api/v1/upscale") as again:
        tab.get_by_role("button", name="Run again", exact=True).first.click()
    assert again.value.status in (200, 202)
    tab.keyboard.press("Escape")
    tab.set_viewport_size({"width": 360, "height": 780})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_other_parts_of_the_page_send_pictures_here(open_page: Open, server: Server) -> None:
    page = open_page()
    sent = """async (picture) => {
        const script = document.querySelector('link[rel=modulepreload][href$="/extras.js"]');
        const { sendToExtras } = await import(script.href);
        await sendToExtras(picture ?? new Blob([], { type: "image/png" }));
    }"""
    page.evaluate(sent, page.evaluate("document.querySelector('link[rel~=icon]')?.href"))
    expect(page.locator("#easel_extras_pictures li")).to_have_count(1)
    page.evaluate(sent, None)
    expect(page.locator("#easel_extras_pictures li")).to_have_count(2)
    page.evaluate(sent, "https://example.org/a.png")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#easel_extras_pictures li")).to_have_count(2)


def test_to_a_size_by_drop_and_what_fails_is_said(tab: Page, picture: Picture) -> None:
    state = tab.locator("#easel_extras_state")
    give("drop", tab.locator("#easel_extras_drop"), png_file(png()))
    expect(tab.locator("#easel_extras_pictures li")).to_have_count(1)
    form(tab).get_by_label("Scale to").check()
    form(tab).get_by_label("Width").fill("48")
    form(tab).get_by_label("Height").fill("32")
    form(tab).get_by_label("Height").press("Control+Enter")
    expect(state).to_have_text("Done: 1")
    expect(tab.locator("#easel_extras_results li")).to_contain_text("48 × 32")
    form(tab).get_by_label("Upscaler 1").select_option("broken")
    tab.get_by_role("button", name="Upscale", exact=True).click()
    expect(state).to_have_text("The upscaler broken is broken.")
    expect(tab.get_by_role("alert").filter(has_text="broken is broken")).to_be_visible()
    form(tab).get_by_label("Width").fill("65000")
    form(tab).get_by_label("Height").fill("65000")
    tab.get_by_role("button", name="Upscale", exact=True).click()
    expect(tab.get_by_role("alert").filter(has_text="the most is 50 million")).to_be_visible()
    picture(tab, "extras-refused")
