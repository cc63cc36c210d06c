"""The library: a long list that scrolls, is searched, sorted into boards, deleted, restored."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.actions import expect_note, fill, generate, wait_state
from tests.journeys.conftest import Open, Picture
from tests.journeys.libraries import (
    cell,
    cells,
    entry,
    expect_count,
    fill_library,
    open_library,
)
from tests.journeys.serving import Server, write_checkpoint

COUNT = 320


Filled = tuple[Server, list[str]]


def start_filled(folder: Path) -> Filled:
    """A server whose library has ``COUNT`` pictures, and their ids, newest first."""
    write_checkpoint(folder / "models" / "checkpoints" / "first", 64)
    server = Server(folder)
    ids = fill_library(server, COUNT)
    server.start()
    return server, ids


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A filled server for the tests that change nothing."""
    filled = start_filled(tmp_path_factory.mktemp("library"))
    yield filled
    filled[0].stop()


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """A filled server of one's own."""
    filled = start_filled(tmp_path)
    yield filled
    filled[0].stop()


@pytest.fixture
def ids(filled: Filled) -> list[str]:
    return filled[1]


@pytest.fixture
def library(filled: Filled, open_page: Open) -> Page:
    page = open_page(filled[0])
    open_library(page)
    return page


@pytest.fixture
def still(kept: Filled, open_page: Open) -> Page:
    """The library of the server that nobody changes."""
    page = open_page(kept[0])
    open_library(page)
    return page


def test_nothing_is_asked_for_before_the_tab_is_shown(
    kept: Filled, open_page: Open, context: BrowserContext
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = open_page(kept[0])
    page.wait_for_timeout(300)
    assert [
        url for url in asked if "/library" in url.split("/api/v1")[-1] and "api/v1" in url
    ] == []
    assert page.locator(".lib").count() == 0
    open_library(page)
    assert any("/api/v1/library?" in url for url in asked)


def test_only_what_is_in_sight_exists(still: Page, kept: Filled, picture: Picture) -> None:
    ids = kept[1]
    expect_count(still, "320 pictures")
    assert cells(still).first.get_attribute("data-id") == ids[0]
    assert cells(still).count() < COUNT / 2
    grid = still.locator("#library_grid")
    height, rows = grid.evaluate("(g) => [g.scrollHeight, Number(g.ariaRowCount)]")
    assert rows * 96 < height
    grid.evaluate("(g) => { g.scrollTop = g.scrollHeight }")
    expect(cell(still, ids[-1])).to_be_visible()
    assert cell(still, ids[0]).count() == 0
    assert cells(still).count() < COUNT / 2
    picture(still, "library-end")


def test_search(still: Page, kept: Filled, picture: Picture) -> None:
    ids = kept[1]
    box = still.get_by_role("combobox", name="Search")
    box.fill("lighthouse")
    expect_count(still, "80 pictures")
    box.fill("")
    box.press_sequentially("sam")
    expect(still.get_by_role("option", name="sampler:")).to_be_visible()
    still.keyboard.press("ArrowDown")
    still.keyboard.press("Enter")
    expect(still.get_by_role("option", name="Euler a")).to_be_visible()
    picture(still, "library-suggestions")
    still.get_by_role("option", name="Euler a").click()
    expect(box).to_have_value('sampler:"Euler a" ')
    expect_count(still, "160 pictures")
    box.fill("a unicorn")
    expect(still.get_by_text("Nothing found")).to_be_visible()
    box.press("Escape")
    expect_count(still, "320 pictures")
    expect(box).to_have_value("")
    still.locator(".lib-bar select").select_option("oldest")
    expect(cells(still).first).to_have_attribute("data-id", ids[-1])


def test_selecting(still: Page, kept: Filled, picture: Picture) -> None:
    ids = kept[1]
    selected = still.locator(".lib-bulk strong")
    cell(still, ids[2]).click()
    expect(selected).to_have_text("1 selected")
    cell(still, ids[5]).click(modifiers=["Control"])
    expect(selected).to_have_text("2 selected")
    expect(still.get_by_role("button", name="Compare the two")).to_be_visible()
    cell(still, ids[8]).click(modifiers=["Shift"])
    expect(selected).to_have_text("4 selected")
    still.keyboard.press("Escape")
    expect(still.locator(".lib-bulk")).to_be_hidden()
    still.keyboard.press("Home")
    still.keyboard.press("Space")
    still.keyboard.press("ArrowRight")
    still.keyboard.press("Space")
    expect(selected).to_have_text("2 selected")
    still.keyboard.press("Shift+ArrowRight")
    expect(selected).to_have_text("2 selected")
    expect(still.locator("#library_grid")).to_have_attribute("aria-activedescendant", "lib_cell_2")
    picture(still, "library-selected")
    still.keyboard.press("Control+a")
    expect(selected).to_have_text("320 selected")
    expect(still.locator('.lib-cell[aria-selected="false"]:not([hidden])')).to_have_count(0)


def test_delete_undo_and_trash(library: Page, ids: list[str], picture: Picture) -> None:
    cell(library, ids[0]).click()
    cell(library, ids[3]).click(modifiers=["Shift"])
    library.get_by_role("toolbar", name="What to do").get_by_role("button", name="Delete").click()
    expect_count(library, "316 pictures")
    expect(cells(library).first).to_have_attribute("data-id", ids[4])
    picture(library, "library-undo")
    library.get_by_role("button", name="Undo").click()
    expect_count(library, "320 pictures")
    cell(library, ids[1]).click()
    library.keyboard.press("Delete")
    expect_count(library, "319 pictures")
    entry(library, "Trash").click()
    expect_count(library, "1 picture")
    picture(library, "library-trash")
    cell(library, ids[1]).click()
    library.get_by_role("button", name="Restore").click()
    expect(library.get_by_text("The trash is empty")).to_be_visible()
    entry(library, "All pictures").click()
    expect(cell(library, ids[1])).to_be_visible()


def test_trash_is_emptied_for_good(library: Page, filled: Filled, picture: Picture) -> None:
    server, ids = filled
    before = len(server.pictures())
    cell(library, ids[0]).click()
    library.keyboard.press("Delete")
    expect_count(library, "319 pictures")
    entry(library, "Trash").click()
    library.get_by_role("button", name="Empty trash").click()
    picture(library, "library-empty-trash")
    library.get_by_role("dialog").get_by_role("button", name="Empty trash").click()
    expect(library.get_by_text("The trash is empty")).to_be_visible()
    assert len(server.pictures()) == before - 1


def test_favourites(library: Page, ids: list[str]) -> None:
    cell(library, ids[1]).hover()
    cell(library, ids[1]).locator(".lib-heart").click()
    expect(cell(library, ids[1])).to_have_class("lib-cell lib-active lib-loved")
    cell(library, ids[6]).click()
    library.keyboard.press("f")
    entry(library, "Favourites").click()
    expect_count(library, "2 pictures")
    library.reload()
    open_library(library)
    entry(library, "Favourites").click()
    expect_count(library, "2 pictures")
    cell(library, ids[6]).click()
    library.keyboard.press("f")
    expect_count(library, "1 picture")


def test_boards(library: Page, ids: list[str], picture: Picture) -> None:
    library.get_by_role("button", name="New board").click()
    library.keyboard.type("Sea")
    library.keyboard.press("Enter")
    expect(entry(library, "Sea")).to_be_visible()
    cell(library, ids[0]).click()
    cell(library, ids[4]).click(modifiers=["Control"])
    library.get_by_role("button", name="Add to board").click()
    picture(library, "library-board-menu")
    library.get_by_role("menuitem", name="Sea").click()
    expect(entry(library, "Sea").locator("small")).to_have_text("2")
    entry(library, "Sea").click()
    expect_count(library, "2 pictures")
    cell(library, ids[4]).click()
    library.get_by_role("button", name="Remove from board").click()
    expect_count(library, "1 picture")
    library.get_by_role("button", name="Rename or delete").click()
    library.get_by_role("menuitem", name="Rename").click()
    library.keyboard.press("Control+a")
    library.keyboard.type("Ocean")
    library.keyboard.press("Enter")
    expect(entry(library, "Ocean")).to_be_visible()
    library.get_by_role("button", name="Rename or delete").click()
    library.get_by_role("menuitem", name="Delete").click()
    library.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(entry(library, "Ocean")).to_have_count(0)
    expect_count(library, "320 pictures")


def test_tags_are_searched(library: Page, ids: list[str]) -> None:
    cell(library, ids[2]).click()
    library.get_by_role("toolbar", name="What to do").get_by_role("button", name="Tag").click()
    library.keyboard.type("for the wall")
    library.keyboard.press("Enter")
    expect_note(library, "1 tagged “for the wall”.")
    library.get_by_role("combobox", name="Search").fill('tag:"for the wall"')
    expect_count(library, "1 picture")
    expect(cells(library).first).to_have_attribute("data-id", ids[2])


def test_export(library: Page, filled: Filled) -> None:
    server, ids = filled
    cell(library, ids[0]).click()
    cell(library, ids[1]).click(modifiers=["Control"])
    with library.expect_download() as download:
        library.get_by_role("button", name="Save the selected").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        found = {packed.read(name) for name in packed.namelist()}
    newest = [path.read_bytes() for path in server.pictures()[-2:]]
    assert found == set(newest)


def test_import(library: Page, tmp_path: Path, picture: Picture) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    kept = sorted((tmp_path / "outputs").rglob("*.png"))[:3]
    for path in kept:
        (other / f"copy-{path.name}").write_bytes(path.read_bytes())
    (other / "notes.txt").write_text("no picture", encoding="utf-8")
    library.get_by_role("button", name="Import folder").click()
    picture(library, "library-import")
    library.get_by_role("textbox", name="Folder").fill(str(other))
    library.keyboard.press("Enter")
    expect_note(library, "3 pictures imported")
    expect_count(library, "323 pictures")
    library.get_by_role("button", name="Import folder").click()
    library.get_by_role("textbox", name="Folder").fill("/nowhere/at/all")
    library.keyboard.press("Enter")
    expect(library.get_by_role("alert").filter(has_text="/nowhere/at/all")).to_be_visible()


def test_new_pictures_move_nothing(
    library: Page, filled: Filled, open_page: Open, picture: Picture
) -> None:
    library.locator("#library_grid").evaluate("(g) => { g.scrollTop = 900 }")
    expect(cell(library, filled[1][30])).to_be_visible()
    before = cell(library, filled[1][30]).bounding_box()
    other = open_page(filled[0])
    fill(other, prompt="green")
    generate(other)
    wait_state(other, "done")
    library.bring_to_front()
    expect(library.locator(".lib-newer")).to_have_text("1 new")
    assert cell(library, filled[1][30]).bounding_box() == before
    expect_count(library, "321 pictures")
    picture(library, "library-new")
    library.locator(".lib-newer").click()
    expect(cells(library).nth(1)).to_have_attribute("data-id", filled[1][0])
    assert cells(library).first.get_attribute("data-id") not in filled[1]


def test_a_missing_file_shows_as_such(filled: Filled, open_page: Open, picture: Picture) -> None:
    server, ids = filled
    server.pictures()[-1].unlink()
    page = open_page(server)
    open_library(page)
    expect(cell(page, ids[0]).get_by_text("File missing")).to_be_visible()
    picture(page, "library-missing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_fits_every_width(still: Page, width: int, scheme: str, picture: Picture) -> None:
    still.set_viewport_size({"width": width, "height": 1440 if width > 2000 else 900})
    still.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
    cells(still).first.click()
    still.wait_for_selector(".lib-bulk:visible")
    picture(still, f"library-{width}-{scheme}")
    assert still.evaluate("document.documentElement.scrollWidth") <= width
    columns = still.locator(".lib-row").first.locator(".lib-cell").count()
    assert columns >= 3
    for selector in (".lib-search", ".lib-bulk", "#library_grid"):
        box = still.locator(selector).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
