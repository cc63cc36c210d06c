"""The folded parts of the form: what they say unopened, and what is in them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.journeys.actions import control, fill, generate, wait_state
from tests.journeys.conftest import Picture, wait_usable

SECTIONS = ("advanced", "sampling", "guidance")
PARAMETERS = "a red house\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 3, Size: 64x64"


def section(page: Page, name: str) -> Locator:
    return page.locator(f"#txt2img_section_{name}")


def badge(page: Page, name: str) -> Locator:
    return section(page, name).locator(".easel-changed")


def toggle(page: Page, name: str) -> None:
    section(page, name).locator("button").first.click()


def test_sections_say_what_is_changed_in_them(page: Page, picture: Picture) -> None:
    sent: list[Any] = []
    page.on(
        "request",
        lambda asked: (
            sent.append(asked.post_data_json)
            if asked.url.endswith("/txt2img") and asked.method == "POST"
            else None
        ),
    )
    for name in SECTIONS:
        expect(section(page, name)).to_be_visible()
        expect(badge(page, name)).to_be_hidden()
    expect(page.locator("#txt2img_s_churn")).to_be_hidden()
    toggle(page, "sampling")
    fill(page, eta=0.5, s_churn=5)
    expect(badge(page, "sampling")).to_have_text("2 changed")
    expect(badge(page, "sampling")).to_have_attribute("title", "Eta, Sigma churn")
    toggle(page, "guidance")
    page.locator("#txt2img_emphasis").get_by_text("No norm").click()
    expect(badge(page, "guidance")).to_have_text("1 changed")
    picture(page, "form-sections")
    page.reload()
    wait_usable(page)
    expect(badge(page, "sampling")).to_have_text("2 changed")
    expect(badge(page, "guidance")).to_have_text("1 changed")
    expect(badge(page, "advanced")).to_be_hidden()
    expect(page.locator("#txt2img_s_churn")).to_be_hidden()
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")
    assert (sent[0]["eta"], sent[0]["s_churn"], sent[0]["emphasis"]) == (0.5, 5, "No norm")
    picture(page, "form-sections-folded")
    toggle(page, "sampling")
    expect(control(page, "s_churn")).to_have_value("5")
    fill(page, eta="")
    expect(badge(page, "sampling")).to_have_text("1 changed")
    # Parameters that do not name these fields mean their usual values.
    fill(page, prompt=PARAMETERS)
    page.locator("#paste").click()
    expect(control(page, "steps")).to_have_value("2")
    for name in ("sampling", "guidance"):
        expect(badge(page, name)).to_be_hidden()
    expect(control(page, "s_churn")).to_have_value("0")
    page.get_by_role("button", name="Simple").click()
    for name in SECTIONS:
        expect(section(page, name)).to_be_hidden()
    page.get_by_role("button", name="Full").click()
    expect(section(page, "sampling")).to_be_visible()


def test_the_size_of_a_seed_is_an_extra(page: Page) -> None:
    sent: list[Any] = []
    page.on(
        "request",
        lambda asked: (
            sent.append(asked.post_data_json)
            if asked.url.endswith("/txt2img") and asked.method == "POST"
            else None
        ),
    )
    expect(page.locator("#txt2img_seed_resize_from_w")).to_be_hidden()
    page.locator("#txt2img_subseed_show input").check()
    fill(page, prompt="red", steps=2, seed_resize_from_w=256, seed_resize_from_h=384)
    generate(page)
    wait_state(page, "done")
    page.locator("#txt2img_subseed_show input").uncheck()
    fill(page, seed=91)
    with page.expect_request(lambda asked: asked.url.endswith("/txt2img")):
        generate(page)
    assert (sent[0]["seed_resize_width"], sent[0]["seed_resize_height"]) == (256, 384)
    assert "seed_resize_width" not in sent[1]
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 91")
    page.locator("#txt2img_subseed_show input").check()
    page.locator("#easel_reuse_all").click()
    expect(page.locator("#txt2img_subseed_show input")).not_to_be_checked()
    expect(control(page, "seed_resize_from_w")).to_have_value("0")
