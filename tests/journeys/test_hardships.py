"""What a page has to bear: hostile names, models that come and go, odd storage, very many jobs."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.actions import control, expect_toast, fill, generate, wait_progress, wait_state
from tests.journeys.conftest import LetGo, Open, wait_usable
from tests.journeys.serving import running, write_checkpoint

EVIL = "<img src=x onerror=window.hacked=1>"
FULL = """() => {
    Storage.prototype.setItem = () => { throw new DOMException("", "QuotaExceededError"); };
}"""
FOREIGN = """() => {
    localStorage.setItem("easel.jobs", '"some text"');
    localStorage.setItem("easel.form.txt2img", '{"sampler": "gone", "steps": 7}');
}"""


def checkpoints(page: Page) -> list[str]:
    """The names to choose from; the list stays open."""
    page.locator("#txt2img_checkpoint input").click()
    return [o.inner_text().lstrip("✓\n") for o in page.get_by_role("option").all()]


def test_checkpoints_come_and_go_whatever_they_are_called(tmp_path: Path, open_page: Open) -> None:
    with running(tmp_path) as server:
        page = open_page(server)
        assert checkpoints(page) == ["first", "second"]
        folder = tmp_path / "models" / "checkpoints" / EVIL
        write_checkpoint(folder, 64)
        page.reload()
        wait_usable(page)
        assert checkpoints(page) == [EVIL, "first", "second"]
        page.get_by_role("option", name=EVIL).click()
        fill(page, prompt="red", steps=2)
        generate(page)
        wait_state(page, "done")
        expect(page.locator("#easel_infotext")).to_contain_text(f"Model: {EVIL}")
        shutil.rmtree(folder)
        generate(page)
        expect_toast(page, f"There is no checkpoint '{EVIL}'")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src='x']").count() == 0


def test_a_models_folder_that_goes(tmp_path: Path, open_page: Open) -> None:
    with running(tmp_path) as server:
        page = open_page(server)
        shutil.rmtree(tmp_path / "models")
        generate(page)
        expect_toast(page, "There is no checkpoint")
        page.reload()
        wait_usable(page)
        expect_toast(page, "There is no checkpoint yet")


def test_a_worker_that_cannot_start_is_said_before_anything_is_asked(
    tmp_path: Path, open_page: Open
) -> None:
    with running(tmp_path, worker="no_such_worker") as server:
        page = open_page(server)
        expect(page.locator("#easel_banner")).to_contain_text("No module named no_such_worker")
        generate(page)
        wait_state(page, "failed")
        expect_toast(page, "The drawing process could not start.")


def test_of_very_many_jobs_the_one_being_drawn_is_shown(page: Page, let_go: LetGo) -> None:
    fill(page, prompt="!hold red", steps=150)  # still at it when all others wait
    generate(page)
    wait_progress(page)
    fill(page, prompt="blue", steps=1)
    for count in range(1, 25):
        generate(page)
        expect(page.locator("#easel_detail")).to_contain_text(f"+{count} waiting")
    wait_state(page, "running")
    page.reload()
    wait_usable(page)
    wait_state(page, "running")
    expect(page.locator("#easel_detail")).to_contain_text("of 150")
    page.locator("#txt2img_interrupt").click()
    wait_state(page, "done")


def test_storage_that_is_full_or_holds_what_others_wrote(page: Page) -> None:
    here = page.url
    page.goto(f"{here.rstrip('/')}/healthz")  # where no page writes what it has in mind meanwhile
    page.evaluate(FOREIGN)
    page.goto(here)
    wait_usable(page)
    expect(control(page, "steps")).to_have_value("7")
    fill(page, prompt="red", steps=2, seed=1)
    generate(page)
    expect_toast(page, "There is no sampler 'gone'")
    page.locator("#txt2img_sampling input").click()
    page.get_by_role("option", name="Euler", exact=True).click()
    generate(page)
    wait_state(page, "done")
    page.evaluate(FULL)
    fill(page, prompt="blue", seed=2)
    generate(page)
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 2")


def test_a_browser_that_stores_nothing(context: BrowserContext, open_page: Open) -> None:
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    )
    page = open_page()
    page.locator("#easel_view").get_by_role("button", name="Full").click()
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")
