"""The PNG Info tab: what a picture says, shown, copied, and sent to the form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.actions import control, expect_note
from tests.journeys.conftest import Open, Picture
from tests.journeys.giving import give as hand
from tests.journeys.giving import png_file
from tests.journeys.test_accessibility import serious
from tests.unit.metadata.pictures import hidden, png

PROMPT = "a lighthouse, <b>storm</b> <img src=x onerror=alert(1)>"
TEXT = (
    f"{PROMPT}\nNegative prompt: fog\nSteps: 9, Sampler: Zigzag, Schedule type: Karras, "
    "CFG scale: 5.5, Seed: 77, Size: 96x64, Model: first, Clip skip: 2, "
    "ADetailer model: face.pt, Version: f2.0.1v1.10.1-previous-669-gdfdcbab6"
)


def told(page: Page) -> Locator:
    return page.locator("#easel_pnginfo_told")


def state(page: Page) -> Locator:
    return page.locator("#easel_pnginfo_state")


def row(page: Page, key: str) -> Locator:
    return told(page).get_by_role("row").filter(has=page.get_by_role("rowheader", name=key))


def give(page: Page, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    page.locator("#easel_pnginfo_file").set_input_files(file)


@pytest.fixture
def tab(open_page: Open) -> Page:
    page = open_page()
    page.get_by_role("tab", name="PNG Info").click()
    expect(page.locator("#easel_pnginfo_choose")).to_be_visible()
    return page


def test_a_picture_is_read_shown_and_sent(tab: Page, tmp_path: Path, picture: Picture) -> None:
    give(tab, png(parameters=TEXT, Comment="x"), tmp_path)
    expect(state(tab)).to_have_text("Written by Forge · 8 × 8 PNG · found in “parameters”")
    expect(tab.locator("#easel_pnginfo_picture")).to_be_visible()
    expect(told(tab).get_by_role("listitem")).to_contain_text("There is no sampler 'Zigzag'")
    expect(told(tab).get_by_text(PROMPT, exact=True)).to_be_visible()
    assert told(tab).locator("img, b").count() == 0
    expect(row(tab, "Seed").get_by_role("cell")).to_have_text("77")
    unused = tab.get_by_role("heading", name="Parameters that mean nothing here")
    expect(unused.locator("xpath=following-sibling::table[1]")).to_have_text(
        "ADetailer modelface.pt"
    )
    expect(told(tab).locator("details[open] pre")).to_have_text(TEXT)
    expect(told(tab).locator("details")).to_have_count(2)
    picture(tab, "png-info")
    for scheme in ("dark", "light"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(tab.locator("body.dark")).to_have_count(1 if scheme == "dark" else 0)
        assert serious(tab) == []
    tab.get_by_role("button", name="Send to txt2img").click()
    expect(control(tab, "prompt")).to_be_visible()
    expect(control(tab, "prompt")).to_have_value(PROMPT)
    expect(control(tab, "seed")).to_have_value("77")
    expect(control(tab, "width")).to_have_value("96")
    expect(control(tab, "scheduler")).to_have_value("Karras")
    expect_note(tab, "no sampler 'Zigzag'")


def test_other_programs_and_pictures_that_say_nothing(tab: Page, tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "KSampler", "inputs": {
            "steps": 9, "seed": 1, "positive": ["2", 0], "latent_image": ["3", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cave"}},
    }  # fmt: skip
    give(tab, png(prompt=json.dumps(graph)), tmp_path)
    expect(state(tab)).to_contain_text("Written by ComfyUI")
    expect(told(tab).get_by_text("a cave", exact=True)).to_be_visible()
    give(tab, hidden(TEXT, packed=True), tmp_path)
    expect(state(tab)).to_contain_text("hidden in the picture's transparency")
    send = tab.get_by_role("button", name="Send to txt2img")
    expect(send).to_be_visible()
    give(tab, png(Software="GIMP"), tmp_path)
    expect(state(tab)).to_have_text("This picture does not say how it was made. 8 × 8 PNG")
    expect(told(tab).get_by_text("Software", exact=True)).to_be_visible()
    expect(send).to_be_hidden()
    give(tab, b"no picture", tmp_path)
    expect(state(tab)).to_contain_text("no picture that can be read")
    expect(told(tab).get_by_text("Software", exact=True)).to_have_count(0)


def test_with_the_keyboard_a_text_is_read_and_copied(tab: Page, picture: Picture) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.locator("#easel_pnginfo_choose").focus()
    tab.keyboard.press("Tab")
    tab.keyboard.insert_text(TEXT)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(state(tab)).to_have_text("Written by Forge")
    tab.get_by_role("button", name="Copy text").focus()
    tab.keyboard.press("Enter")
    expect_note(tab, "opied")
    assert tab.evaluate("navigator.clipboard.readText()") == TEXT
    tab.set_viewport_size({"width": 360, "height": 780})
    width = tab.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    picture(tab, "png-info-360")


def test_a_picture_can_be_dropped_and_pasted(tab: Page) -> None:
    for kind, target in (("drop", "#easel_pnginfo_drop"), ("paste", "#easel_pnginfo_text")):
        hand(kind, tab.locator(target), png_file(png(parameters=TEXT)))
        expect(state(tab)).to_contain_text("Written by Forge · 8 × 8 PNG")
        tab.locator("#easel_pnginfo_text").fill("only a prompt")
        tab.locator("#easel_pnginfo_read").click()
        expect(told(tab).locator(".easel-told-words")).to_have_text(["only a prompt"])
        expect(tab.locator("#easel_pnginfo_picture")).to_be_hidden()
