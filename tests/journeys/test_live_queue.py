"""The queue as a list: the same on every page, in an order that can be changed, run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.journeys.actions import average_colour, fill, generate, wait_progress, wait_state
from tests.journeys.conftest import FULL_VIEW, STEP_MS, Open, Picture, wait_usable
from tests.journeys.serving import Server, running
from tests.journeys.test_following import NO_SOCKETS


@pytest.fixture
def easel(tmp_path: Path) -> Iterator[Server]:
    """A server whose queue holds nothing of other tests."""
    with running(tmp_path) as server:
        yield server


def draw(page: Page, prompt: str, **values: object) -> None:
    """Add a job to the queue, and wait until the page has it."""
    before = chip_count(page)
    fill(page, prompt=prompt, **values)
    generate(page)
    expect(page.locator("#easel_queue_open")).to_have_attribute("data-count", str(before + 1))


def chip_count(page: Page) -> int:
    return int(page.locator("#easel_queue_open").get_attribute("data-count") or 0)


def open_queue(page: Page) -> Locator:
    page.locator("#easel_queue_open").click()
    drawer = page.locator("#easel_queue")
    expect(drawer).to_be_visible()
    return drawer


def prompts(page: Page, state: str) -> list[str]:
    """The prompts of the listed jobs that are running, queued or ended, from the top."""
    return page.locator(f'#easel_queue li[data-kind="{state}"] .prompt').all_inner_texts()


def expect_prompts(page: Page, state: str, wanted: list[str]) -> None:
    expect(page.locator(f'#easel_queue li[data-kind="{state}"] .prompt')).to_have_text(wanted)


def fill_queue(page: Page) -> None:
    draw(page, "!slow red", steps=150, batch_count=50)
    wait_progress(page)
    for prompt in ("green", "blue", "yellow"):
        draw(page, prompt, steps=2, batch_count=1)


def test_order_by_keyboard_and_by_dragging(
    easel: Server, open_page: Open, picture: Picture
) -> None:
    page = open_page(easel)
    fill_queue(page)
    other = open_page(easel)
    for each in (page, other):
        open_queue(each)
        expect_prompts(each, "running", ["!slow red"])
        expect_prompts(each, "queued", ["green", "blue", "yellow"])
    page.bring_to_front()
    picture(page, "queue")
    handles = page.locator('#easel_queue li[data-kind="queued"] .handle')
    handles.nth(2).focus()
    page.keyboard.press("ArrowUp")
    expect_prompts(page, "queued", ["green", "yellow", "blue"])
    expect(handles.nth(1)).to_be_focused()
    expect(page.locator("#easel_queue_said")).to_have_text("Moved to place 2 of 3.")
    drag(page, handles.nth(2), handles.nth(0))
    expect_prompts(page, "queued", ["blue", "green", "yellow"])
    page.reload()
    wait_usable(page)
    open_queue(page)
    expect_prompts(page, "queued", ["blue", "green", "yellow"])
    expect_prompts(other, "queued", ["blue", "green", "yellow"])


def drag(page: Page, what: Locator, to: Locator) -> None:
    start, end = what.bounding_box(), to.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 10, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 10, end["y"] + end["height"] / 2, steps=6)
    page.mouse.move(end["x"] + 10, end["y"] + 2)
    page.mouse.up()


def test_cancel_and_run_again(easel: Server, open_page: Open) -> None:
    page = open_page(easel)
    fill_queue(page)
    open_queue(page)
    waiting = page.locator('#easel_queue li[data-kind="queued"]')
    waiting.nth(1).get_by_role("button", name="Cancel").click()
    expect_prompts(page, "queued", ["green", "yellow"])
    page.locator('#easel_queue li[data-kind="running"]').get_by_role(
        "button", name="Cancel"
    ).click()
    expect(page.locator("#easel_queue_open")).to_have_attribute("data-count", "0")
    assert set(prompts(page, "ended")) == {"!slow red", "blue", "green", "yellow"}
    green = page.locator('#easel_queue li[data-kind="ended"]', has_text="green")
    expect(green.locator("img")).to_have_count(1)
    first = seed_of(page, green)
    green.get_by_role("button", name="Run again", exact=True).click()
    expect(green).to_have_count(2)
    assert seed_of(page, green.first) == first
    green.first.get_by_role("button", name="Run again with a new seed").click()
    expect(green).to_have_count(3)
    assert seed_of(page, green.first) != first


def seed_of(page: Page, row: Locator) -> str:
    """The seed of a listed job's picture, once it is shown on the stage."""
    row.locator(".show").click()
    expect(row).to_have_attribute("aria-current", "true")
    wait_state(page, "done")
    infotext = page.locator("#easel_infotext")
    expect(infotext).to_contain_text("Seed: ")
    return infotext.inner_text().split("Seed: ")[1].split(",")[0]


@pytest.mark.parametrize("sockets", [True, False])
def test_a_phone_takes_up_what_the_desk_draws(
    easel: Server, browser: Browser, open_page: Open, sockets: bool
) -> None:
    desk = open_page(easel)
    phone_context = browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    phone_context.set_default_timeout(STEP_MS)
    phone_context.add_init_script(FULL_VIEW)
    if not sockets:
        phone_context.add_init_script(NO_SOCKETS)
    phone = phone_context.new_page()
    phone.goto(easel.url)
    wait_usable(phone)
    draw(desk, "!slow red", steps=150, batch_count=50)
    wait_state(phone, "running")
    expect(phone.locator("#easel_preview")).to_be_visible()
    draw(desk, "blue", steps=2, batch_count=1)
    expect(phone.locator("#easel_queue_open")).to_have_attribute("data-count", "2")
    phone.locator("#easel_queue_open").tap()
    expect_prompts(phone, "queued", ["blue"])
    phone.locator('#easel_queue li[data-kind="running"]').get_by_role("button", name="Cancel").tap()
    wait_state(desk, "done")
    expect_prompts(phone, "ended", ["blue", "!slow red"])
    phone.locator('#easel_queue li[data-kind="ended"] .show').first.tap()
    expect(phone.locator("#easel_queue")).to_be_hidden()
    wait_state(phone, "done")
    expect(phone.locator("#easel_infotext")).to_contain_text("blue")
    _, _, blue = average_colour(phone.locator("#easel_picture img"))
    assert blue > 200
    phone_context.close()


def test_other_people_see_their_own_and_change_no_order(
    tmp_path: Path, context: BrowserContext, browser: Browser
) -> None:
    with running(tmp_path, "--auth=ann:correct horse,bob:battery staple") as server:
        ann = sign_in(context, server, "ann", "correct horse")
        # Whoever comes from elsewhere, through a proxy, is no administrator by that alone.
        other = browser.new_context(extra_http_headers={"X-Forwarded-For": "192.0.2.7"})
        other.set_default_timeout(STEP_MS)
        other.add_init_script(FULL_VIEW)
        bob = sign_in(other, server, "bob", "battery staple")
        draw(ann, "!slow red", steps=150, batch_count=50)
        wait_progress(ann)
        draw(bob, "green", steps=2)
        draw(bob, "blue", steps=2)
        open_queue(bob)
        expect_prompts(bob, "queued", ["green", "blue"])
        expect_prompts(bob, "running", [])
        expect(bob.locator("#easel_queue .handle")).to_have_count(0)
        open_queue(ann)
        expect_prompts(ann, "queued", ["green", "blue"])
        expect(ann.locator("#easel_queue .handle")).to_have_count(2)
        expect(ann.locator("#easel_queue_open")).to_have_attribute("data-count", "1")
        other.close()


def sign_in(context: BrowserContext, server: Server, user: str, password: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.locator("input[name=user], input:not([type=hidden])").first.fill(user)
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    wait_usable(page)
    return page


def test_escape_closes_the_queue_and_stops_nothing(easel: Server, open_page: Open) -> None:
    page = open_page(easel)
    draw(page, "!slow red", steps=150, batch_count=50)
    wait_progress(page)
    page.locator("#easel_queue_open").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#easel_queue")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#easel_queue")).to_be_hidden()
    expect(page.locator("#easel_queue_open")).to_be_focused()
    expect(page.locator("#easel_queue_open")).to_have_attribute("aria-expanded", "false")
    wait_state(page, "running")
    page.locator("#txt2img_interrupt").click()
    wait_state(page, "cancelled")
