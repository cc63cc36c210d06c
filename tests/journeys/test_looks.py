"""How the page looks at four widths, light and dark, for fingers too; it asks no other host.

With ``EASEL_LOOKS`` set the screenshots of docs/looks.md are drawn anew, with the shipped
checkpoint and the real worker: ``EASEL_LOOKS=1 pytest tests/journeys/test_looks.py``.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.journeys.actions import fill, generate, wait_state
from tests.journeys.conftest import FULL_VIEW, STEP_MS, Open, wait_usable
from tests.journeys.serving import ROOT, Server
from tests.journeys.test_accessibility import open_tab, tabs

SIZES = {360: 780, 768: 1024, 1440: 900, 2560: 1440}
SHOTS = ROOT / "docs" / "screenshots"
SHOT_WIDTH = 1280
TOUCH_PX = 43.5  # 44 less what rounding takes
TOO_SMALL = """(least) => {
    const all = "button, a[href], input:not([type=hidden]), textarea, select, [role=tab]";
    const seen = { visibilityProperty: true, opacityProperty: true };
    const box = "[type=checkbox], [type=radio]";
    const target = (e) => (e.matches(box) && e.closest("label")) || e;
    const name = (e) => e.id || e.className || e.tagName;
    return [...document.querySelectorAll(all)]
        .filter((e) => e.checkVisibility(seen) && !e.closest(".easel-skips"))
        .map((e) => [target(e), target(e).getBoundingClientRect()])
        .filter(([, b]) => b.width > 0 && (b.height < least || b.width < least))
        .map(([e, b]) => [name(e), e.closest("[id]")?.id, b.width | 0, b.height | 0])
        .map((facts) => facts.join(" "));
}"""


@pytest.mark.parametrize("width", SIZES)
def test_nothing_runs_over_the_edge(open_page: Open, width: int) -> None:
    page = open_page()
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    fill(page, prompt="red " * 40, steps=2, batch_count=3)
    generate(page)
    wait_state(page, "done")
    for tab in tabs(page):
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    page.locator("#easel_queue_open").click()
    expect(page.locator("#easel_queue")).to_be_visible()
    box = page.locator("#easel_queue").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_width_and_height_stand_side_by_side_on_a_laptop(open_page: Open) -> None:
    page = open_page()
    page.set_viewport_size({"width": 1280, "height": 860})
    boxes = [
        page.locator(f"#txt2img_{name} input[type=number]").bounding_box()
        for name in ("width", "height")
    ]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]


def test_fingers_find_room(browser: Browser, server: Server) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(STEP_MS)
    context.add_init_script(FULL_VIEW)
    page = context.new_page()
    page.goto(server.url)
    wait_usable(page)
    fill(page, prompt="red", steps=2, batch_count=2)
    generate(page)
    wait_state(page, "done")
    assert page.evaluate(TOO_SMALL, TOUCH_PX) == []
    page.locator("#easel_queue_open").tap()
    expect(page.locator("#easel_queue li").first).to_be_visible()
    small = [line for line in page.evaluate(TOO_SMALL, TOUCH_PX) if "easel_queue" in line]
    assert small == []
    context.close()


def test_light_and_dark_follow_the_system_until_chosen(page: Page) -> None:
    dark = page.locator("body.dark")
    button = page.locator("#easel_theme")
    expect(dark).to_have_count(1)
    page.emulate_media(color_scheme="light")
    expect(dark).to_have_count(0)
    expect(button).to_have_attribute("title", "Light or dark: as the system")
    button.click()
    expect(button).to_have_attribute("title", "Light or dark: light")
    button.click()
    expect(dark).to_have_count(1)
    page.reload()
    wait_usable(page)
    expect(dark).to_have_count(1)
    expect(button).to_have_attribute("title", "Light or dark: dark")
    page.emulate_media(color_scheme="dark")
    button.click()
    page.emulate_media(color_scheme="light")
    expect(dark).to_have_count(0)


def test_no_tab_asks_another_host(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    wait_usable(page)
    for tab in tabs(page):
        open_tab(page, tab)
        page.wait_for_load_state("networkidle")
    assert len(asked) > 10
    own = f"http://127.0.0.1:{page.url.split(':')[2].split('/')[0]}/"
    assert [url for url in asked if not url.startswith((own, "data:", "blob:"))] == []


# ---- the pictures of docs/looks.md


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Server]:
    starter = Path("models", "checkpoints", "easel-starter")
    shutil.copytree(ROOT / starter, tmp_path / starter)
    server = Server(tmp_path, worker="webui.engine.worker")
    server.start()
    yield server
    server.stop()


@pytest.mark.skipif("EASEL_LOOKS" not in os.environ, reason="draws the documentation's pictures")
@pytest.mark.timeout(1800)
def test_draw_the_screenshots(gallery: Server, browser: Browser) -> None:
    visitor = browser.new_context()
    visitor.add_init_script(FULL_VIEW)
    page = opened(visitor, gallery)
    fill(page, prompt="a yellow star on a blue background", batch_count=4, seed=1)
    generate(page)
    done = "document.documentElement.dataset.easelState === 'done'"
    page.wait_for_function(done, timeout=600_000)
    remembered = visitor.storage_state()
    for scheme in ("light", "dark"):
        for width, height in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                storage_state=remembered,
            )
            shoot(opened(context, gallery), f"looks-{width}-{scheme}")
            context.close()
    assert sum(path.stat().st_size for path in SHOTS.glob("looks-*.webp")) <= 600_000


def opened(context: BrowserContext, server: Server) -> Page:
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    page.goto(server.url)
    wait_usable(page)
    return page


def shoot(page: Page, name: str) -> None:
    expect(page.locator("#txt2img_gallery img")).to_have_count(4)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.wait_for_timeout(500)
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    keep(page.screenshot(), SHOTS / f"{name}.webp")
    if name == "looks-1440-dark":
        page.locator("#easel_queue_open").click()
        page.wait_for_timeout(500)
        keep(page.screenshot(), SHOTS / "looks-queue.webp")


def keep(png: bytes, path: Path) -> None:
    """Save a screenshot as WebP, no wider than the documentation needs."""
    image: Any = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((SHOT_WIDTH, SHOT_WIDTH), Image.Resampling.LANCZOS)
    image.save(path, quality=72, method=6)
