"""What a person does on the page, and what they see."""

from __future__ import annotations

import os

from playwright.sync_api import Locator, Page, expect

DONE_MS = 20000 * float(os.environ.get("EASEL_PATIENCE", "1"))


def control(page: Page, name: str, tab: str = "txt2img") -> Locator:
    """The input of a field: the number beside a slider, the text of a prompt."""
    block = page.locator(f"#{tab}_{name}")
    return block.locator("textarea, input[type=number], input[role=combobox], input").first


def fill(page: Page, tab: str = "txt2img", /, **values: object) -> None:
    """Type values into fields."""
    for name, value in values.items():
        control(page, name, tab).fill(str(value))


def wait_remembered(page: Page, tab: str = "txt2img", /, **values: object) -> None:
    """Until the browser has stored these values of the form, as numbers and texts by field name."""
    page.wait_for_function(
        """([key, values]) => {
            const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
            return Object.entries(values).every(([name, value]) => kept[name] === value);
        }""",
        arg=[f"easel.form.{tab}", values],
    )


def generate(page: Page, tab: str = "txt2img") -> None:
    page.locator(f"#{tab}_generate").click()


def state(page: Page) -> str:
    """What the shown job is: idle, queued, running, done, failed or cancelled."""
    return page.evaluate("document.documentElement.dataset.easelState")


def wait_state(page: Page, *states: str) -> None:
    """Until the shown job is in one of these states."""
    page.wait_for_function(
        "states => states.includes(document.documentElement.dataset.easelState)",
        arg=list(states),
        timeout=DONE_MS,
    )


def wait_progress(page: Page) -> None:
    """Until the bar has moved."""
    page.wait_for_function(
        "Number(document.getElementById('easel_progress').getAttribute('aria-valuenow')) > 0"
    )


def expect_toast(page: Page, text: str) -> None:
    """An error that contains ``text`` is shown, and Generate can be pressed."""
    expect(page.get_by_role("alert").filter(has_text=text).first).to_be_visible()
    expect(page.locator("#txt2img_generate")).to_be_enabled()


def expect_note(page: Page, text: str) -> None:
    """A message that contains ``text`` and goes by itself is shown, or was since the page came."""
    page.wait_for_function(
        "text => window.shownNotes.some((note) => note.includes(text))", arg=text, timeout=DONE_MS
    )


def shown_picture(page: Page) -> Locator:
    """The large picture in the result pane."""
    return page.locator("#easel_picture img")


def average_colour(image: Locator) -> list[int]:
    """The mean red, green and blue of what an image element shows."""
    return image.evaluate(
        """async (image) => {
            await image.decode();
            const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
            const brush = canvas.getContext("2d");
            brush.drawImage(image, 0, 0, 1, 1);
            return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
    )
