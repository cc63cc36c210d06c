"""The main journey, and its variants: drawing, looking, stopping."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.journeys.actions import (
    average_colour,
    control,
    fill,
    generate,
    shown_picture,
    wait_progress,
    wait_state,
)
from tests.journeys.conftest import LetGo, Picture
from tests.journeys.serving import Server
from webui.metadata import read_infotext

SLOW = "!slow a red circle"
HELD = "!hold a red circle"  # drawn to its middle, and on when it is let go
FINISHED = "#txt2img_gallery button:not(:disabled)"
COUNT_FINISHED = """selector => {
    const seen = (window.seenCounts = [0]);
    new MutationObserver(() => {
        const count = document.querySelectorAll(selector).length;
        if (count !== seen.at(-1)) seen.push(count);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
"""From now on ``window.seenCounts`` holds how many finished pictures the page showed, in order: a
test that looks now and then may miss one."""


def test_a_prompt_becomes_a_picture(
    page: Page, server: Server, let_go: LetGo, picture: Picture
) -> None:
    expect(page.locator("#easel_hint")).to_be_visible()
    before = len(server.pictures())
    fill(page, prompt=HELD, neg_prompt="blue", steps=30, seed=7)
    generate(page)
    wait_progress(page)
    expect(page.locator("#easel_detail")).to_contain_text("of 30")
    expect(page.locator("#easel_preview")).to_be_visible()
    picture(page, "draw-running")
    let_go()
    wait_state(page, "done")
    expect(shown_picture(page)).to_be_visible()
    red, green, blue = average_colour(shown_picture(page))
    assert red > 200
    assert max(green, blue) < 60
    saved = server.pictures()[before:]
    assert len(saved) == 1
    infotext = page.locator("#easel_infotext").inner_text()
    assert infotext == read_infotext(saved[0])
    assert "Negative prompt: blue" in infotext
    assert "Seed: 7" in infotext
    expect(page.locator("#easel_state")).to_contain_text("Done in")
    picture(page, "draw-done")


def test_download_and_seed(page: Page, server: Server) -> None:
    fill(page, prompt="green", seed=99)
    generate(page)
    wait_state(page, "done")
    with page.expect_download() as download:
        page.locator("#easel_download").click()
    assert download.value.path().read_bytes() == server.pictures()[-1].read_bytes()
    fill(page, seed=3)
    page.locator("#easel_use_seed").click()
    expect(control(page, "seed")).to_have_value("99")
    page.locator("#txt2img_random_seed").click()
    expect(control(page, "seed")).to_have_value("-1")
    page.locator("#txt2img_reuse_seed").click()
    expect(control(page, "seed")).to_have_value("99")


def test_pictures_appear_one_by_one_and_are_looked_at(page: Page, picture: Picture) -> None:
    fill(page, prompt="!slow a lighthouse at dusk", steps=10, batch_count=4, seed=1)
    page.evaluate(COUNT_FINISHED, FINISHED)
    generate(page)
    thumbnails = page.locator(FINISHED)
    expect(page.locator("#txt2img_gallery button")).to_have_count(4)
    wait_state(page, "done")
    expect(thumbnails).to_have_count(4)
    assert page.evaluate("window.seenCounts") == [0, 1, 2, 3, 4]
    picture(page, "gallery")
    thumbnails.nth(1).click()
    expect(thumbnails.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 3")
    page.locator("#easel_picture").click()
    large = page.locator("#easel_large")
    expect(large).to_be_visible()
    picture(page, "large-view")
    page.keyboard.press("ArrowLeft")
    expect(large.locator("p")).to_contain_text("2 / 4")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 2")


def test_interrupt_keeps_what_is_finished(page: Page, server: Server) -> None:
    before = len(server.pictures())
    fill(page, prompt=SLOW, steps=20, batch_count=20)
    generate(page)
    expect(page.locator(FINISHED).first).to_be_visible()
    page.locator("#txt2img_interrupt").click()
    wait_state(page, "cancelled")
    told = page.locator("#easel_state")
    expect(told).to_contain_text("finished")
    kept = re.search(r"Interrupted: (\d+) finished", told.inner_text())
    assert kept
    assert 1 <= int(kept[1]) < 20
    assert len(server.pictures()) == before + int(kept[1])
    expect(page.locator("#txt2img_interrupt")).to_be_disabled()
    expect(shown_picture(page)).to_be_visible()
    fill(page, prompt="blue", steps=2, batch_count=1)
    generate(page)
    wait_state(page, "done")


def test_skip_goes_on_with_the_next_batch(page: Page, let_go: LetGo) -> None:
    fill(page, prompt=HELD, steps=4, batch_count=2, seed=10)
    generate(page)
    wait_progress(page)
    page.locator("#txt2img_skip").click()
    expect(page.locator("#easel_detail")).to_contain_text("2 of 2")
    let_go()
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 11")
    expect(page.locator("#easel_state")).to_contain_text("Done in")


def test_jobs_wait_in_line(page: Page, let_go: LetGo) -> None:
    fill(page, prompt=HELD, steps=4)
    generate(page)
    wait_progress(page)
    fill(page, prompt="blue", steps=2)
    generate(page)
    expect(page.locator("#easel_detail")).to_contain_text("+1 waiting")
    page.locator("#txt2img_interrupt").click()
    wait_state(page, "done")
    _, _, blue = average_colour(shown_picture(page))
    assert blue > 200
