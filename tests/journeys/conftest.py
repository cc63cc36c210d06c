"""A browser, a server, and a page that reports what it must never do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.journeys.serving import Server, running

ARTEFACTS = Path(__file__).resolve().parents[1] / "artefacts"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = float(os.environ.get("EASEL_PATIENCE", "1"))  # how much slower this machine may be
STEP_MS = 20000 * PATIENCE
expect.set_options(timeout=15000 * PATIENCE)
# What a returning visitor's browser remembers; a first visitor's view shows the prompt only.
FULL_VIEW = """try {
    if (!localStorage.getItem("easel.view")) localStorage.setItem("easel.view", '"full"');
} catch {}"""

# The texts of messages that go by themselves, from the first: a slow test may look too late.
NOTES = """window.shownNotes = [];
new MutationObserver(() => {
    for (const { textContent } of document.querySelectorAll(".easel-toast > span")) {
        if (!window.shownNotes.includes(textContent)) window.shownNotes.push(textContent);
    }
}).observe(document, { subtree: true, childList: true, characterData: true });"""

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]
LetGo = Callable[[], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("easel")) as server:
        yield server


@pytest.fixture
def let_go(server: Server) -> Iterator[LetGo]:
    """Lets the server's jobs with ``!hold`` in their prompt go on, which stand still until then: a
    test sees what it waits for, however slow the machine is."""
    yield server.let_go
    server.hold()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser's profile; fails the test when a page asks another host or raises an error."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    context.set_default_timeout(STEP_MS)
    context.add_init_script(FULL_VIEW)
    context.add_init_script(NOTES)
    problems: list[str] = []
    context.on("request", lambda request: problems.extend(foreign(request.url)))
    context.on("weberror", lambda error: problems.append(f"script error: {error.error}"))
    yield context
    context.close()
    assert not problems, problems


@pytest.fixture
def open_page(context: BrowserContext, server: Server) -> Open:
    """Opens a page of the server and waits until it can be used."""

    def open_page(where: Server | None = None) -> Page:
        page = context.new_page()
        page.goto((where or server).url)
        wait_usable(page)
        return page

    return open_page


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()


@pytest.fixture
def picture() -> Picture:
    """Keeps a screenshot under ``tests/artefacts`` for people to look at."""

    def picture(page: Page, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        page.wait_for_timeout(300)  # what glides has arrived
        page.screenshot(path=ARTEFACTS / f"{name}.png")

    return picture


def foreign(url: str) -> list[str]:
    """What is wrong with a page's request for ``url``."""
    parts = urlsplit(url)
    own = parts.scheme in ("data", "blob") or parts.hostname == "127.0.0.1"
    return [] if own else [f"asked another host: {url[:200]}"]


def wait_usable(page: Page) -> None:
    """Until the form is there and its scripts have filled it in."""
    page.wait_for_selector("#txt2img_generate")
    page.wait_for_function("document.querySelector('#txt2img_width input[type=number]')?.value > 0")
    page.wait_for_selector("#easel_state:not(:empty)", state="attached")
