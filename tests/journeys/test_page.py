"""The page itself: input it refuses, text it escapes, keys, login, weight and width."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.actions import (
    control,
    expect_toast,
    fill,
    generate,
    state,
    wait_progress,
    wait_state,
)
from tests.journeys.conftest import LetGo, Open, Picture, wait_usable
from tests.journeys.serving import Server, running

HTML_LIMIT = 120_000
FIRST_VISIT_LIMIT = 3_000_000
SECOND_VISIT_LIMIT = 300_000
EVIL = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script> & 'quotes'"


def test_bad_input_is_one_sentence(page: Page, picture: Picture) -> None:
    for values, field, sentence in (
        ({"width": 70}, "width", "multiple of 8"),
        ({"prompt": "word " * 20_000}, "prompt", "the most is 20000"),
        ({"seed": 99_999_999_999}, "seed", "the most is"),
        ({"batch_count": 100, "batch_size": 64}, "batch_count", "the most is 1000"),
        ({"width": 4096, "height": 4096}, "width", "smaller size"),
    ):
        fill(page, **values)
        generate(page)
        expect_toast(page, sentence)
        expect(page.locator(f"#txt2img_{field}.easel-wrong")).to_have_count(1)
        assert state(page) == "idle"
        fill(page, prompt="x", seed=-1, width=64, height=64, batch_count=1, batch_size=1)
        expect(page.locator(".easel-wrong")).to_have_count(0)
    picture(page, "bad-input")
    fill(page, prompt="", steps=2)
    generate(page)
    wait_state(page, "done")


def test_markup_in_a_prompt_is_text(page: Page) -> None:
    fill(page, prompt=EVIL, steps=2)
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text(EVIL)
    page.reload()
    wait_usable(page)
    expect(page.locator("#easel_infotext")).to_contain_text(EVIL)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src='x']").count() == 0


def test_keyboard_alone(page: Page, let_go: LetGo) -> None:
    control(page, "prompt").focus()
    page.keyboard.type("!hold red")
    control(page, "steps").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("60")
    page.keyboard.press("Control+Enter")
    wait_progress(page)
    expect(page.locator("#easel_detail")).to_contain_text("of 60")
    page.keyboard.press("Escape")
    wait_state(page, "cancelled")


def test_every_control_has_a_name(page: Page) -> None:
    page.locator("#txt2img_section_advanced button").first.click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, a, [role=progressbar]")]
            .filter((e) => e.checkVisibility() && !e.disabled)
            .filter((e) => !(e.getAttribute("aria-label") || e.title || e.textContent.trim() ||
                e.labels?.[0]?.textContent.trim() || e.getAttribute("aria-labelledby")))
            .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    expect(page.locator("#easel_state")).to_have_attribute("aria-live", "polite")
    expect(page.locator("#easel_progress")).to_have_attribute("role", "progressbar")


def test_size_follows_the_checkpoint_unless_it_was_typed(page: Page) -> None:
    expect(control(page, "width")).to_have_value("64")
    choose_checkpoint(page, "second")
    expect(control(page, "width")).to_have_value("128")
    expect(control(page, "height")).to_have_value("128")
    fill(page, height=96)
    choose_checkpoint(page, "first")
    page.wait_for_timeout(300)
    assert control(page, "width").input_value() == "128"
    assert control(page, "height").input_value() == "96"


def choose_checkpoint(page: Page, name: str) -> None:
    control(page, "checkpoint").click()
    page.get_by_role("option", name=name).click()


def test_login(tmp_path: Path, context: BrowserContext, picture: Picture) -> None:
    with running(tmp_path, "--auth=ann:correct horse") as server:
        page = context.new_page()
        page.goto(server.url)
        picture(page, "login")
        fields = page.locator("input:not([type=hidden])")
        fields.nth(0).fill("ann")
        fields.nth(1).fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        fields.nth(0).fill("ann")
        fields.nth(1).fill("correct horse")
        page.keyboard.press("Enter")
        wait_usable(page)
        fill(page, prompt="red", steps=2)
        generate(page)
        wait_state(page, "done")
        expect(page.locator("#easel_picture img")).to_be_visible()
        stranger = page.locator("#easel_picture img").get_attribute("src") or ""
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(stranger)
        assert refused.value.code == 401


@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_fits_every_width(open_page: Open, width: int, picture: Picture) -> None:
    page = open_page()
    page.set_viewport_size({"width": width, "height": 1440 if width > 2000 else 900})
    fill(page, prompt="a yellow star on a black background", batch_count=3, steps=2)
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#txt2img_gallery button")).to_have_count(3)
    picture(page, f"width-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("generate", "prompt", "gallery", "steps"):
        box = page.locator(f"#txt2img_{name}").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_result_pane_does_not_jump(page: Page) -> None:
    heights = {pane_height(page)}
    fill(page, prompt="!slow red", steps=20, batch_count=3)
    generate(page)
    wait_progress(page)
    heights.add(pane_height(page))
    wait_state(page, "done")
    heights.add(pane_height(page))
    assert len(heights) == 1


def pane_height(page: Page) -> float:
    return page.locator(".easel-results").evaluate("(pane) => pane.getBoundingClientRect().height")


def test_weight_of_the_page(context: BrowserContext, server: Server) -> None:
    request = urllib.request.Request(server.url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    assert b"easel_config" in gzip.decompress(body)
    assert len(body) <= HTML_LIMIT
    assert visit(context, server.url) <= FIRST_VISIT_LIMIT
    assert visit(context, server.url) <= SECOND_VISIT_LIMIT


def visit(context: BrowserContext, url: str) -> int:
    """Open a page; how many bytes came over the wire."""
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    sizes: list[float] = []
    tools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(url)
    wait_usable(page)
    page.wait_for_load_state("networkidle")
    page.close()
    return round(sum(sizes))
