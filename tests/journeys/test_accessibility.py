"""What the keyboard, a screen reader and axe find on every tab, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.journeys.actions import fill, generate, wait_state
from tests.journeys.conftest import LetGo, Open

SERIOUS = ("serious", "critical")
RULES = {"resultTypes": ["violations"]}
# Where the next Tab begins: blurring alone would go on from where the focus was.
TO_THE_TOP = """() => {
    window.scrollTo(0, 0);
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
}"""
REACHED = """() => {
    const e = document.activeElement;
    const style = getComputedStyle(e);
    const ring = (s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
    const wrap = e.closest(".wrap-inner") ?? e.closest("label");
    const name = e.id || e.textContent.trim().slice(0, 30) || e.tagName;
    return { name, body: e === document.body,
        seen: ring(style) || style.boxShadow !== "none" || (wrap && ring(getComputedStyle(wrap))) };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, scheme: Any) -> None:
    page = open_page()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # nothing is half faded in
    expect(page.locator("body.dark")).to_have_count(1 if scheme == "dark" else 0)
    fill(page, prompt="red", steps=2, batch_count=2)
    generate(page)
    wait_state(page, "done")
    found = []
    for tab in tabs(page):
        open_tab(page, tab)
        found += [f"{tab}: {line}" for line in serious(page)]
    open_tab(page, tabs(page)[0])
    page.locator("#easel_queue_open").click()
    expect(page.locator("#easel_queue li").first).to_be_visible()
    found += [f"queue: {line}" for line in serious(page)]
    assert found == []


def tabs(page: Page) -> list[str]:
    """The names of the page's tabs."""
    return page.locator("#easel_tabs > .tab-wrapper [role=tab]:visible").all_inner_texts()


def open_tab(page: Page, name: str) -> None:
    page.locator("#easel_tabs > .tab-wrapper").get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(400)  # what fades has faded


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical: rule and the elements at fault."""
    report = Axe().run(page, options=RULES).response
    return [
        f"{v['id']}: {[(n['target'], n.get('failureSummary', '')[-160:]) for n in v['nodes'][:4]]}"
        for v in report["violations"]
        if v["impact"] in SERIOUS
    ]


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")  # a ring that glides in is there at once
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")
    page.evaluate(TO_THE_TOP)
    reached: list[str] = []
    unseen: list[str] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        now = page.evaluate(REACHED)
        if now["body"]:
            break
        reached.append(now["name"])
        if not now["seen"]:
            unseen.append(now["name"])
    for name in ("txt2img_generate", "easel_queue_open", "easel_theme", "easel_picture"):
        assert name in reached, "\n".join(reached)
    for name in ("download", "copy_picture", "favourite", "delete", "reuse_all", "infotext"):
        assert f"easel_{name}" in reached, "\n".join(reached)
    assert unseen == []


def test_skip_links(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the prompt")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#txt2img_prompt textarea")).to_be_focused()
    page.get_by_role("link", name="Skip to the result").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#easel_results_title")).to_be_focused()


def test_who_wants_no_motion_gets_none(page: Page, let_go: LetGo) -> None:
    page.emulate_media(reduced_motion="reduce")
    fill(page, prompt="!hold red", steps=4)
    generate(page)
    wait_state(page, "running")
    page.locator("#easel_queue_open").click()
    moving = page.evaluate(
        """() => document.getAnimations().filter((a) => a.playState === "running")
            .map((a) => a.effect.target.id || a.effect.target.className)"""
    )
    assert moving == []
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('txt2img_interrupt').click()")
    wait_state(page, "cancelled")
