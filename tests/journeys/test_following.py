"""A job outlives its page: reloads, second tabs, lost connections, killed processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.journeys.actions import (
    average_colour,
    expect_toast,
    fill,
    generate,
    shown_picture,
    wait_progress,
    wait_state,
)
from tests.journeys.conftest import LetGo, Open, Picture, wait_usable
from tests.journeys.serving import running

SLOW = "!slow a red circle"
HELD = "!hold a red circle"  # drawn to its middle, and on when it is let go
NO_SOCKETS = """
window.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.(new CloseEvent("close")), 5); }
  close() {}
};
"""


def test_reload_during_a_run(page: Page, let_go: LetGo) -> None:
    fill(page, prompt=HELD, steps=20, seed=5)
    generate(page)
    wait_progress(page)
    page.reload()
    wait_usable(page)
    wait_state(page, "running")
    expect(page.locator("#easel_detail")).to_contain_text("of 20")
    expect(page.locator("#easel_preview")).to_be_visible()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value(HELD)
    let_go()
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 5")
    page.reload()
    wait_usable(page)
    expect(shown_picture(page)).to_be_visible()
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 5")


def test_two_tabs_show_the_same(open_page: Open, let_go: LetGo) -> None:
    first = open_page()
    second = open_page()
    fill(first, prompt=HELD, steps=20)
    generate(first)
    wait_progress(second)
    expect(second.locator("#easel_preview")).to_be_visible()
    second.locator("#txt2img_interrupt").click()
    wait_state(first, "cancelled")
    fill(second, prompt="green", steps=2, seed=77)
    generate(second)
    for tab in (first, second):
        wait_state(tab, "done")
        expect(tab.locator("#easel_infotext")).to_contain_text("Seed: 77")


def test_long_polling_where_no_socket_opens(
    context: BrowserContext, open_page: Open, let_go: LetGo
) -> None:
    context.add_init_script(NO_SOCKETS)
    page = open_page()
    fill(page, prompt=HELD, steps=20, seed=4)
    generate(page)
    wait_progress(page)
    expect(page.locator("#easel_preview")).to_be_visible()
    let_go()
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 4")
    expect(page.locator("#easel_banner")).to_be_hidden()


def test_worker_that_dies_once_is_not_noticed(page: Page) -> None:
    fill(page, prompt="!die-once red", steps=10)
    generate(page)
    wait_state(page, "done")
    red, _, _ = average_colour(shown_picture(page))
    assert red > 200


@pytest.mark.parametrize("prompt", ["!die", "!fail"])
def test_failed_job_says_why(page: Page, prompt: str, picture: Picture) -> None:
    fill(page, prompt=prompt, steps=10)
    generate(page)
    wait_state(page, "failed")
    expect_toast(page, "told to fail" if prompt == "!fail" else "drawing process ended")
    picture(page, f"failed-{prompt.strip('!')}")
    fill(page, prompt="blue", steps=2)
    generate(page)
    wait_state(page, "done")


@pytest.mark.parametrize("told", ["queued", "failed"])
def test_job_that_fails_before_the_page_knows_of_it_says_why(page: Page, told: str) -> None:
    def late(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        own = {"state": ""}
        while own["state"] != "failed":
            own = page.request.get(f"{page.url}api/v1/jobs/{body['job']['id']}").json()
        body["job"] = {**(own if told == "failed" else body["job"]), "state": told}
        route.fulfill(response=answer, json=body)

    page.route("**/api/v1/txt2img", late)
    fill(page, prompt="!fail", steps=2)
    generate(page)
    wait_state(page, "failed")
    expect_toast(page, "told to fail")


def test_server_killed_during_a_run(tmp_path: Path, open_page: Open, picture: Picture) -> None:
    with running(tmp_path) as server:
        page = open_page(server)
        fill(page, prompt=SLOW, steps=40, seed=6)
        generate(page)
        wait_progress(page)
        server.kill()
        expect(page.locator("#easel_banner")).to_have_text("Connection lost; trying again…")
        picture(page, "connection-lost")
        generate(page)
        expect_toast(page, "does not answer")
        server.start()
        expect(page.locator("#easel_banner")).to_be_hidden()
        wait_state(page, "done")
        expect(page.locator("#easel_infotext")).to_contain_text("Seed: 6")
        fill(page, prompt="green", steps=2)
        generate(page)
        expect(page.locator("#easel_infotext")).to_contain_text("green")
