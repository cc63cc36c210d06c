"""How the page looks at four widths, light and dark, for fingers too; it asks no other host.

With ``EASEL_LOOKS`` set the screenshots of docs/looks.md and the README are drawn anew, with the
shipped checkpoint and the real worker: ``EASEL_LOOKS=1 pytest tests/journeys/test_looks.py``.
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
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

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


# ---- the pictures of docs/looks.md and of the README

DRAWS = pytest.mark.skipif("EASEL_LOOKS" not in os.environ, reason="draws documentation")
STATE = "async (id) => (await (await fetch(`api/v1/jobs/${id}`)).json()).state === 'done'"
DONE = "document.documentElement.dataset.easelState === 'done'"
DRAW_MS = 600_000
DESK: ViewportSize = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gallery")
    starter = Path("models", "checkpoints", "easel-starter")
    shutil.copytree(ROOT / starter, folder / starter)
    server = Server(folder, worker="webui.engine.worker")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def desk(request: pytest.FixtureRequest, browser: Browser, gallery: Server) -> Iterator[Page]:
    """A page for shots at a desk, light or dark."""
    context = browser.new_context(viewport=DESK, color_scheme=request.param)
    context.add_init_script(FULL_VIEW)
    yield opened(context, gallery)
    context.close()


@DRAWS
@pytest.mark.timeout(1800)
def test_draw_the_screenshots(gallery: Server, browser: Browser) -> None:
    visitor = browser.new_context()
    visitor.add_init_script(FULL_VIEW)
    page = opened(visitor, gallery)
    fill(page, prompt="a yellow star on a blue background", batch_count=4, seed=1)
    draw(page)
    remembered = visitor.storage_state()
    for scheme in ("light", "dark"):
        for width, height in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                storage_state=remembered,
            )
            page = opened(context, gallery)
            expect(page.locator("#txt2img_gallery img")).to_have_count(4)
            shoot(page, f"looks-{width}-{scheme}")
            if (width, scheme) == (1440, "dark"):
                page.locator("#easel_queue_open").click()
                shoot(page, "looks-queue")
            context.close()


@DRAWS
@pytest.mark.parametrize("desk", ["dark"], indirect=True)
@pytest.mark.timeout(1800)
def test_draw_the_screenshots_of_drawing_over_pictures(desk: Page) -> None:
    fill(desk, prompt="a red circle on a white background", seed=1)
    draw(desk)
    shoot(desk, "first-picture")
    desk.locator("#easel_send").click()
    desk.get_by_role("menuitem", name="inpaint").click()
    expect(desk.locator("#img2maskimg img")).to_be_visible()
    desk.get_by_label("Brush size").fill("50")
    box = desk.locator("#img2img_mask").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(((0.35, 0.4), (0.6, 0.5), (0.35, 0.62))):
        desk.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
        if number == 0:
            desk.mouse.down()
    desk.mouse.up()
    words = {"prompt": "a green heart on a white background", "denoising_strength": 1}
    fill(desk, "img2img", **words, mask_blur=8, seed=7)
    draw(desk, "img2img")
    shoot(desk, "looks-inpaint")
    desk.locator("#easel_send").click()
    desk.get_by_role("menuitem", name="extras").click()
    expect(desk.locator("#easel_extras_pictures img")).to_be_visible()
    desk.get_by_role("button", name="Upscale", exact=True).click()
    expect(desk.locator("#easel_extras_state")).to_have_text("Done: 1", timeout=DRAW_MS)
    shoot(desk, "looks-extras")


@DRAWS
@pytest.mark.parametrize("desk", ["light"], indirect=True)
@pytest.mark.timeout(1800)
def test_draw_the_screenshots_of_a_second_pass(desk: Page) -> None:
    desk.locator("#txt2img_section_hires button").first.click()
    desk.get_by_label("Hires. fix", exact=True).check()
    fill(desk, prompt="a red boat on the sea", seed=5, denoising_strength=0.6)
    draw(desk)
    shoot(desk, "looks-hires", "#txt2img_body")


def test_the_screenshots_are_small() -> None:
    assert sum(path.stat().st_size for path in SHOTS.iterdir()) <= 600_000


def opened(context: BrowserContext, server: Server) -> Page:
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    page.goto(server.url)
    wait_usable(page)
    return page


def draw(page: Page, tab: str = "txt2img") -> None:
    """Press Generate and wait until what it draws is shown."""
    with page.expect_response(f"**/api/v1/{tab}") as posted:
        generate(page, tab)
    job = posted.value.json()["job"]["id"]
    page.wait_for_function(STATE, arg=job, timeout=DRAW_MS, polling=500)
    page.wait_for_function(DONE)


def shoot(page: Page, name: str, part: str = "") -> None:
    """Keep a screenshot of the page's beginning, or of a whole part of it."""
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    page.evaluate("document.querySelectorAll('.easel-toast .close').forEach((x) => x.click())")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.wait_for_timeout(500)
    keep(page.locator(part).screenshot() if part else page.screenshot(), SHOTS / f"{name}.webp")


def keep(png: bytes, path: Path) -> None:
    """Save a screenshot as WebP, no wider than the documentation needs."""
    image: Any = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((SHOT_WIDTH, SHOT_WIDTH), Image.Resampling.LANCZOS)
    image.save(path, quality=72, method=6)
