"""The form's simple and full view, examples, sizes, seeds, quick bar and the Generate menu."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.journeys.actions import (
    control,
    expect_toast,
    fill,
    generate,
    wait_remembered,
    wait_state,
)
from tests.journeys.conftest import STEP_MS, Open, Picture, wait_usable
from tests.journeys.serving import ROOT, Server, running

HIDDEN_AT_FIRST = ("neg_prompt", "settings", "tools", "interrupt", "skip", "results")
BLOCKED = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"


EXAMPLES = [
    example["prompt"]
    for example in json.loads(
        (ROOT / "webui" / "ui" / "assets" / "examples" / "examples.json").read_text("utf-8")
    )
]


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(STEP_MS)
    yield context
    context.close()


def visit(context: BrowserContext, server: Server) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_selector("#txt2img_generate")
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea')?.value")
    return page


def test_first_visit_is_calm(visitor: BrowserContext, server: Server, picture: Picture) -> None:
    page = visit(visitor, server)
    expect(control(page, "prompt")).to_have_value(EXAMPLES[0])
    for name in HIDDEN_AT_FIRST:
        expect(page.locator(f"#txt2img_{name}")).to_be_hidden()
    expect(page.locator("#easel_quick_fields")).to_be_hidden()
    picture(page, "form-first-visit")
    examples = page.locator("#txt2img_examples button")
    assert 0 < examples.count() <= 8
    loaded = "(image) => image.decode().then(() => image.naturalWidth)"
    assert examples.nth(1).locator("img").evaluate(loaded) >= 32
    examples.nth(1).click()
    expect(control(page, "prompt")).to_have_value(EXAMPLES[1])
    page.locator("#easel_simple_count button").nth(1).click()
    expect(page.locator("#easel_simple_count button").nth(1)).to_have_attribute(
        "aria-pressed", "true"
    )
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#txt2img_results")).to_be_visible()
    expect(page.locator("#easel_infotext")).to_contain_text(EXAMPLES[1])
    picture(page, "form-simple-done")


def test_view_is_remembered(visitor: BrowserContext, server: Server) -> None:
    page = visit(visitor, server)
    wait_remembered(page, prompt=EXAMPLES[0])
    page.reload()
    expect(page.locator("#txt2img_examples")).to_be_visible()
    page.get_by_role("button", name="Full").click()
    expect(page.locator("#txt2img_settings")).to_be_visible()
    page.reload()
    expect(page.locator("#txt2img_settings")).to_be_visible()
    page.get_by_role("button", name="Simple").click()
    page.reload()
    expect(page.locator("#txt2img_examples")).to_be_visible()
    expect(page.locator("#txt2img_settings")).to_be_hidden()


@pytest.mark.parametrize("storage", [BLOCKED, FULL])
def test_views_without_storage(visitor: BrowserContext, server: Server, storage: str) -> None:
    visitor.add_init_script(storage)
    page = visit(visitor, server)
    page.get_by_role("button", name="Full").click()
    expect(page.locator("#txt2img_settings")).to_be_visible()
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")


def test_values_survive_a_reload(page: Page) -> None:
    fill(page, prompt="a lighthouse", neg_prompt="fog", steps=33, seed=12)
    page.locator("#txt2img_sampling input").click()
    page.get_by_role("option", name="Euler", exact=True).click()
    page.locator("#txt2img_subseed_show input").check()
    fill(page, subseed=77)
    wait_remembered(page, prompt="a lighthouse", variation_seed=77, sampler="Euler")
    page.reload()
    wait_usable(page)
    for name, value in {
        "prompt": "a lighthouse",
        "neg_prompt": "fog",
        "steps": "33",
        "seed": "12",
        "sampling": "Euler",
        "subseed": "77",
    }.items():
        expect(control(page, name)).to_have_value(value)
    expect(page.locator("#txt2img_subseed")).to_be_visible()


def test_what_is_typed_before_the_form_is_filled_in_stays(
    context: BrowserContext, server: Server
) -> None:
    page = context.new_page()
    held: list[Route] = []
    page.route("**/api/v1/options", lambda route: held.append(route))
    page.goto(server.url)
    control(page, "width").wait_for()
    fill(page, width=96, prompt="typed early")
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(control(page, "checkpoint")).not_to_have_value("")
    expect(control(page, "height")).to_have_value("64")
    page.wait_for_timeout(500)  # long enough for anything that would be written over it
    expect(control(page, "width")).to_have_value("96")
    expect(control(page, "prompt")).to_have_value("typed early")


def test_shapes_have_the_native_area(page: Page) -> None:
    shapes = page.locator("#txt2img_ratios button")
    expect(shapes.nth(0)).to_have_attribute("aria-pressed", "true")
    for index, (width, height) in {1: ("72", "56"), 3: ("88", "48"), 6: ("48", "88")}.items():
        shapes.nth(index).click()
        expect(control(page, "width")).to_have_value(width)
        expect(control(page, "height")).to_have_value(height)
        expect(shapes.nth(index)).to_have_attribute("aria-pressed", "true")
    page.locator("#txt2img_res_switch_btn").click()
    expect(shapes.nth(3)).to_have_attribute("aria-pressed", "true")


def test_variation_counts_only_while_extra_is_open(page: Page) -> None:
    sent: list[Any] = []
    page.on(
        "request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/txt2img") else None
    )
    expect(page.locator("#txt2img_subseed")).to_be_hidden()
    page.locator("#txt2img_subseed_show input").check()
    fill(page, prompt="red", steps=2, seed=5, subseed=77, subseed_strength=0.5)
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("Variation seed: 77")
    page.locator("#txt2img_random_subseed").click()
    expect(control(page, "subseed")).to_have_value("-1")
    page.locator("#txt2img_reuse_subseed").click()
    expect(control(page, "subseed")).to_have_value("77")
    page.locator("#txt2img_subseed_show input").uncheck()
    generate(page)
    expect(page.locator("#easel_infotext")).not_to_contain_text("Variation seed")
    assert sent[0]["variation_strength"] == 0.5
    assert "variation_strength" not in sent[1]


def test_quick_bar_holds_what_is_picked(page: Page, picture: Picture) -> None:
    bar = page.locator("#easel_quick_fields")
    expect(bar.locator("#txt2img_checkpoint")).to_be_visible()
    page.locator("#easel_quick_edit").click()
    page.get_by_role("checkbox", name="Sampling steps").check()
    page.get_by_role("checkbox", name="Checkpoint").uncheck()
    page.keyboard.press("Escape")
    expect(bar.locator("#txt2img_steps")).to_be_visible()
    expect(page.locator("#txt2img_settings #txt2img_checkpoint")).to_be_visible()
    page.reload()
    wait_usable(page)
    expect(bar.locator("#txt2img_steps")).to_be_visible()
    fill(page, prompt="red", steps=3)
    picture(page, "form-quick-bar")
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("Steps: 3")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose settings may be changed."""
    with running(tmp_path) as server:
        yield server


def test_quick_bar_changes_settings_at_once(
    own_server: Server, open_page: Open, picture: Picture
) -> None:
    page = open_page(own_server)
    page.locator("#easel_quick_edit").click()
    page.get_by_role("checkbox", name="File format for images").check()
    page.get_by_role("checkbox", name="Quality for saved jpeg").check()
    page.keyboard.press("Escape")
    bar = page.locator("#easel_quick_fields")
    bar.get_by_label("File format for images").select_option("webp")
    expect_setting(page, "saving.format", "webp")
    picture(page, "form-quick-settings")
    bar.get_by_label("Quality for saved").fill("500")
    bar.get_by_label("Quality for saved").press("Enter")
    expect(bar.get_by_role("alert").filter(has_text="the most is 100")).to_be_visible()
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")
    assert len(list(own_server.outputs.rglob("*.webp"))) == 1
    page.reload()
    wait_usable(page)
    expect(bar.get_by_label("File format for images")).to_have_value("webp")


def expect_setting(page: Page, name: str, value: str) -> None:
    script = """([name, value]) => fetch("/api/v1/settings").then((r) => r.json())
        .then((all) => all.settings.find((s) => s.name === name).value === value)"""
    page.wait_for_function(script, arg=[name, value])


def test_generate_forever_until_told_to_stop(page: Page, server: Server) -> None:
    fill(page, prompt="red", steps=2)
    before = len(server.pictures())
    page.locator("#txt2img_generate").click(button="right")
    page.get_by_role("menuitem", name="Generate forever", exact=True).click()
    chip = page.locator("#txt2img_forever")
    expect(chip).to_be_visible()
    for _ in range(100):
        if len(server.pictures()) >= before + 3:
            break
        page.wait_for_timeout(100)
    assert len(server.pictures()) >= before + 3
    page.locator("#txt2img_generate").focus()
    page.keyboard.press("Shift+F10")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(chip).to_be_hidden()
    expect(page.locator("#easel_queue_open")).to_have_attribute("data-count", "0")
    wait_state(page, "done")
    drawn = len(server.pictures())
    page.wait_for_timeout(800)
    assert len(server.pictures()) == drawn


def test_forever_ends_with_what_is_refused(page: Page) -> None:
    fill(page, prompt="red", width=70)
    page.locator("#txt2img_generate").click(button="right")
    page.keyboard.press("Enter")
    expect_toast(page, "multiple of 8")
    expect(page.locator("#txt2img_forever")).to_be_hidden()


def test_a_long_press_opens_the_menu(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    context.set_default_timeout(STEP_MS)
    page = visit(context, server)
    tools = context.new_cdp_session(page)
    box = page.locator("#txt2img_generate").bounding_box()
    assert box is not None
    point = {"x": box["x"] + 20, "y": box["y"] + 20}
    tools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(page.get_by_role("menu")).to_be_visible()
    tools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(400)  # a click would come now
    expect(page.get_by_role("menu")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.easelState") == "idle"
    page.get_by_role("menuitem").last.click()
    expect(page.get_by_role("menu")).to_have_count(0)
    context.close()


def test_the_shipped_examples_are_small() -> None:
    folder = Path("webui/ui/assets/examples")
    sizes = [path.stat().st_size for path in folder.glob("*.webp")]
    assert 0 < len(sizes) <= 8
    assert sum(sizes) <= 60_000


@pytest.mark.parametrize("width", [360, 1440])
def test_simple_view_fits(
    visitor: BrowserContext, server: Server, width: int, picture: Picture
) -> None:
    page = visit(visitor, server)
    page.set_viewport_size({"width": width, "height": 800})
    picture(page, f"form-simple-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_field_is_within_reach(open_page: Open) -> None:
    page = open_page()
    page.locator("#txt2img_section_advanced button").first.click()
    for name in ("clip_skip", "noise_source", "tiling", "steps", "cfg_scale", "batch_size"):
        expect(page.locator(f"#txt2img_{name}")).to_be_visible()
