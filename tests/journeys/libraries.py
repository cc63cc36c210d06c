"""A library full of small pictures, written before the server starts."""

from __future__ import annotations

import atexit
import colorsys
import shutil
import tempfile
from functools import cache
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.journeys.serving import Server
from webui.core.results import Pixels
from webui.library import Library
from webui.settings import Saving

SIDE = 64
FIRST_TIME = 1_760_000_000.0
SUBJECTS = ("a lighthouse at dusk", "a red boat", "portrait of a cat", "mountains in the morning")


def fill_library(server: Server, count: int) -> list[str]:
    """Save ``count`` pictures as if they had been drawn a minute apart; their ids, newest first."""
    filled, ids = _filled(count)
    for name in ("outputs", "data"):
        shutil.copytree(filled / name, server.folder / name, dirs_exist_ok=True)
    return list(ids)


@cache
def _filled(count: int) -> tuple[Path, tuple[str, ...]]:
    """A folder that has been filled once, and the ids."""
    folder = Path(tempfile.mkdtemp(prefix="easel-filled-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clock = [FIRST_TIME]
    library = Library(
        folder / "outputs",
        folder / "data",
        Saving(),
        sync=lambda _: None,
        now=lambda: clock[0],
    )
    ids: list[str] = []
    for number in range(count):
        clock[0] += 60
        ids.append(_save(library, number))
    library.close()
    return folder, tuple(ids[::-1])


def _save(library: Library, number: int) -> str:
    prompt = SUBJECTS[number % len(SUBJECTS)]
    sampler = ("Euler", "Euler a")[number % 2]
    text = (
        f"{prompt}\nNegative prompt: blurry\nSteps: {10 + number % 3}, Sampler: {sampler}, "
        f"Schedule type: Automatic, CFG scale: 6.5, Seed: {number}, Size: {SIDE}x{SIDE}, "
        "Model: first, RNG: CPU, Version: easel"
    )
    return library.save(
        Pixels(SIDE, SIDE, picture(number)),
        infotext=text,
        job_id=f"job{number}",
        index=0,
        seed=number,
        prompt=prompt,
        negative_prompt="blurry",
        model="first",
        sampler=sampler,
        owner="local",
    ).id


def picture(number: int) -> bytes:
    """A slope of colour with a square: no two numbers below a hundred look the same."""
    hue = (number * 0.381966) % 1
    shades = [colorsys.hsv_to_rgb(hue, 0.5, 0.35 + 0.5 * y / SIDE) for y in range(SIDE)]
    square = bytes(int(255 * c) for c in colorsys.hsv_to_rgb((hue + 0.4) % 1, 0.6, 0.9))
    left, top = 8 + number * 7 % 24, 8 + number * 11 % 24
    rows = bytearray()
    for y, shade in enumerate(shades):
        row = bytearray(bytes(int(255 * c) for c in shade) * SIDE)
        if top <= y < top + 22:
            row[3 * left : 3 * (left + 22)] = square * 22
        rows += row
    return bytes(rows)


def open_library(page: Page) -> None:
    """Change to the library's tab and wait until there is something to see, pictures or not."""
    tab = page.get_by_role("tab", name="Library")
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    page.wait_for_selector(".lib-cell img.lib-here, .lib-empty:visible")


def cells(page: Page) -> Locator:
    """The cells that exist in the page, in the order of the list from the top."""
    return page.locator(".lib-cell[data-id]:not([hidden])")


def cell(page: Page, image_id: str) -> Locator:
    return page.locator(f'.lib-cell[data-id="{image_id}"]')


def expect_count(page: Page, count: str) -> None:
    """The number of pictures that the library says it shows."""
    expect(page.locator(".lib-count")).to_have_text(count)


def entry(page: Page, name: str) -> Locator:
    """A part of the library at its side: "Trash", a board."""
    return page.locator(".lib-entry").filter(has_text=name)
