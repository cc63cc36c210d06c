"""Bad situations: files that are gone, a login that ran out, full storage, a server that goes."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.journeys.actions import fill, generate, shown_picture, wait_progress, wait_state
from tests.journeys.conftest import LetGo, Open, Picture, wait_usable
from tests.journeys.serving import running
from tests.journeys.test_following import NO_SOCKETS
from tests.journeys.test_hardships import FULL
from tests.journeys.test_live_queue import open_queue, sign_in


def test_a_picture_whose_file_is_gone(tmp_path: Path, open_page: Open, picture: Picture) -> None:
    with running(tmp_path) as server:
        page = open_page(server)
        fill(page, prompt="red", steps=2, batch_count=2, seed=8)
        generate(page)
        wait_state(page, "done")
        expect(shown_picture(page)).to_be_visible()
        for path in server.pictures():
            path.unlink()
        context = page.context
        context.clear_cookies()
        tools = context.new_cdp_session(page)
        tools.send("Network.enable")
        tools.send("Network.clearBrowserCache")
        tools.send("Network.setCacheDisabled", {"cacheDisabled": True})
        page.reload()
        wait_usable(page)
        expect(page.locator("#easel_hint strong")).to_have_text("This picture's file is gone")
        expect(page.locator("#easel_frame")).to_be_hidden()
        picture(page, "picture-gone")
        page.get_by_role("button", name="Try again").click()
        expect(shown_picture(page)).to_be_visible()
        wait_state(page, "done")  # of the job that the picture is of
        assert len(server.pictures()) == 2


def test_a_login_that_has_run_out(
    tmp_path: Path, context: BrowserContext, picture: Picture
) -> None:
    with running(tmp_path, "--auth=ann:correct horse") as server:
        page = sign_in(context, server, "ann", "correct horse")
        fill(page, prompt="red", steps=2)
        context.clear_cookies()
        generate(page)
        line = page.locator("#easel_banner")
        expect(line).to_contain_text("You are signed out.")
        picture(page, "signed-out")
        with context.expect_page() as opened:
            line.get_by_role("link", name="Sign in again").click()
        beside = opened.value
        beside.locator("input:not([type=hidden])").first.fill("ann")
        beside.locator("input[type=password]").fill("correct horse")
        beside.keyboard.press("Enter")
        wait_usable(beside)
        beside.close()
        expect(page.locator("#txt2img_prompt textarea")).to_have_value("red")
        generate(page)
        wait_state(page, "done")
        expect(line).to_be_hidden()


def test_full_storage_and_no_sockets(
    context: BrowserContext, open_page: Open, let_go: LetGo
) -> None:
    context.add_init_script(NO_SOCKETS)
    page = open_page()
    page.evaluate(FULL)
    open_queue(page)
    fill(page, prompt="!hold red", steps=20, batch_count=2)
    page.evaluate("document.getElementById('txt2img_generate').click()")
    expect(page.locator("#easel_preview")).to_be_visible()
    expect(page.locator('#easel_queue li[data-kind="running"]')).to_have_count(1)
    page.get_by_label("Play a sound").check()
    expect(page.get_by_label("Play a sound")).to_be_checked()
    let_go()
    wait_state(page, "done")
    expect(page.locator("#txt2img_gallery button:not(:disabled)")).to_have_count(2)


def test_the_queue_comes_back_with_the_server(tmp_path: Path, open_page: Open) -> None:
    with running(tmp_path) as server:
        page = open_page(server)
        fill(page, prompt="!slow red", steps=60)
        generate(page)
        wait_progress(page)
        fill(page, prompt="blue", steps=2)
        generate(page)
        open_queue(page)
        expect(page.locator("#easel_queue li")).to_have_count(2)
        server.kill()
        expect(page.locator("#easel_banner")).to_be_visible()
        assert page.locator("html[data-easel-offline]").count() == 1
        server.start()
        expect(page.locator('#easel_queue li[data-kind="ended"]')).to_have_count(2, timeout=60_000)
        expect(page.locator("#easel_banner")).to_be_hidden()
