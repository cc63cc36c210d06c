"""The full-screen view: going on, zooming, keeping, deleting, comparing, using a picture again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.journeys.actions import average_colour, control, expect_note, fill, generate, wait_state
from tests.journeys.conftest import Open, Picture
from tests.journeys.libraries import SUBJECTS, cell, fill_library, open_library
from tests.journeys.serving import Server, write_checkpoint

COUNT = 140
Filled = tuple[Server, list[str]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A server whose library has ``COUNT`` pictures; their ids, newest first."""
    folder = tmp_path_factory.mktemp("viewer")
    write_checkpoint(folder / "models" / "checkpoints" / "first", 64)
    server = Server(folder)
    ids = fill_library(server, COUNT)
    server.start()
    yield server, ids
    server.stop()


@pytest.fixture
def library(filled: Filled, open_page: Open) -> Page:
    page = open_page(filled[0])
    open_library(page)
    return page


def large(page: Page) -> Locator:
    return page.locator("#easel_large")


def subject(number: int) -> str:
    """The prompt of the picture in that place of the list, counted from 0."""
    return SUBJECTS[(COUNT - 1 - number) % len(SUBJECTS)]


def facts(page: Page) -> Locator:
    """The line that says which picture it is."""
    return large(page).locator("header p")


def open_nth(page: Page, filled: Filled, number: int) -> None:
    """Open the picture in that place of the list, counted from 0."""
    cell(page, filled[1][number]).dblclick()
    expect(facts(page)).to_contain_text(f"seed {COUNT - 1 - number}")


def share(dialog: Locator) -> str:
    """How much of the left picture the comparison shows."""
    return dialog.locator(".stage").evaluate("(s) => s.style.getPropertyValue('--share')")


def scale(page: Page) -> float:
    return large(page).locator(".stage img").evaluate("(i) => new DOMMatrix(i.style.transform).a")


def test_going_through_the_library(library: Page, filled: Filled, picture: Picture) -> None:
    open_nth(library, filled, 2)
    expect(facts(library)).to_contain_text(f"3 / {COUNT}")
    picture(library, "viewer")
    library.keyboard.press("ArrowRight")
    expect(facts(library)).to_contain_text(f"4 / {COUNT}")
    large(library).get_by_role("button", name="Previous").click()
    expect(facts(library)).to_contain_text(f"3 / {COUNT}")
    library.keyboard.press("End")
    expect(facts(library)).to_contain_text(f"{COUNT} / {COUNT}")
    expect(facts(library)).to_contain_text("seed 0")
    expect(large(library).locator(".next")).to_be_hidden()
    library.keyboard.press("Escape")
    expect(large(library)).to_be_hidden()
    assert library.evaluate("document.activeElement.id") == "library_grid"
    expect(cell(library, filled[1][-1])).to_be_visible()


def test_zoom_and_pan(library: Page, filled: Filled, picture: Picture) -> None:
    open_nth(library, filled, 0)
    fitted = scale(library)
    assert fitted > 5
    library.keyboard.press("z")
    assert scale(library) == 1
    expect(large(library).locator(".percent")).to_have_text("100 %")
    library.keyboard.press("z")
    assert scale(library) == fitted
    stage = large(library).locator(".stage")
    library.mouse.move(700, 500)
    library.mouse.wheel(0, -600)
    library.wait_for_function("document.querySelector('#easel_large .stage.zoomed')")
    zoomed = scale(library)
    assert zoomed > fitted * 2
    before = stage.locator("img").bounding_box()
    library.mouse.down()
    library.mouse.move(760, 540, steps=4)
    library.mouse.up()
    after = stage.locator("img").bounding_box()
    assert before is not None
    assert after is not None
    assert round(after["x"] - before["x"]) == 60
    assert round(after["y"] - before["y"]) == 40
    picture(library, "viewer-zoomed")
    library.keyboard.press("0")
    assert scale(library) == fitted


def test_parameters_panel(library: Page, filled: Filled, picture: Picture) -> None:
    open_nth(library, filled, 1)
    library.keyboard.press("i")
    panel = large(library).get_by_role("complementary")
    expect(panel).to_contain_text(subject(1))
    expect(panel.locator("dt", has_text="CFG scale")).to_be_visible()
    expect(panel.locator("dd", has_text="6.5")).to_be_visible()
    library.keyboard.press("ArrowRight")
    expect(panel).to_contain_text(f"{COUNT - 3}")
    picture(library, "viewer-info")
    library.keyboard.press("i")
    expect(panel).to_be_hidden()


def test_save_copy_and_favourite(library: Page, filled: Filled, context: BrowserContext) -> None:
    server, _ = filled
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_nth(library, filled, 5)
    with library.expect_download() as download:
        library.keyboard.press("s")
    saved = Path(download.value.path()).read_bytes()
    assert saved in {path.read_bytes() for path in server.pictures()}
    library.keyboard.press("c")
    expect_note(library, "Picture copied.")
    width = library.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            return (await createImageBitmap(await item.getType("image/png"))).width;
        }"""
    )
    assert width == 64
    library.keyboard.press("f")
    heart = large(library).locator("button.favourite")
    expect(heart).to_have_attribute("aria-pressed", "true")
    library.keyboard.press("Escape")
    expect(cell(library, filled[1][5])).to_have_class("lib-cell lib-active lib-loved")


def test_delete_and_undo(library: Page, filled: Filled, picture: Picture) -> None:
    open_nth(library, filled, 7)
    library.keyboard.press("Delete")
    expect(facts(library)).to_contain_text(f"8 / {COUNT - 1}")
    expect(facts(library)).to_contain_text(f"seed {COUNT - 1 - 8}")
    large(library).get_by_role("button", name="Undo").click()
    expect(facts(library)).to_contain_text(f"8 / {COUNT} ")
    expect(facts(library)).to_contain_text(f"seed {COUNT - 1 - 7}")
    large(library).get_by_role("button", name="Delete").click()
    expect(facts(library)).to_contain_text(f"8 / {COUNT - 1}")
    picture(library, "viewer-undo")
    library.keyboard.press("Control+z")
    expect(facts(library)).to_contain_text(f"8 / {COUNT} ")


def test_compare(library: Page, filled: Filled, picture: Picture) -> None:
    cell(library, filled[1][0]).click()
    cell(library, filled[1][3]).click(modifiers=["Control"])
    library.get_by_role("button", name="Compare the two").click()
    dialog = library.locator("#easel_compare")
    expect(dialog.locator("header .left")).to_contain_text(f"Seed: {COUNT - 1}")
    expect(dialog.locator("header .right")).to_contain_text(f"Seed: {COUNT - 4}")
    assert share(dialog) == "50%"
    library.keyboard.press("ArrowRight")
    assert share(dialog) == "51%"
    box = dialog.locator(".stage").bounding_box()
    assert box is not None
    library.mouse.move(box["x"] + box["width"] / 2, 400)
    library.mouse.down()
    library.mouse.move(box["x"] + box["width"] / 4, 400, steps=3)
    library.mouse.up()
    assert share(dialog) == "25%"
    picture(library, "compare")
    dialog.get_by_role("button", name="Swap").click()
    expect(dialog.locator("header .left")).to_contain_text(f"Seed: {COUNT - 4}")
    library.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_send_to_the_form(library: Page, filled: Filled, picture: Picture) -> None:
    open_nth(library, filled, 4)
    large(library).get_by_role("button", name="Send to", exact=True).click()
    picture(library, "viewer-send")
    library.get_by_role("menuitem", name="txt2img: all parameters").click()
    expect(large(library)).to_be_hidden()
    expect(control(library, "prompt")).to_be_visible()
    expect(control(library, "prompt")).to_have_value(subject(4))
    expect(control(library, "neg_prompt")).to_have_value("blurry")
    expect(control(library, "seed")).to_have_value(str(COUNT - 5))
    expect(control(library, "cfg_scale")).to_have_value("6.5")
    fill(library, prompt="something else")
    open_library(library)
    cell(library, filled[1][6]).click()
    bar = library.get_by_role("toolbar", name="What to do")
    bar.get_by_role("button", name="Send to", exact=True).click()
    library.get_by_role("menuitem", name="txt2img: seed").click()
    expect(control(library, "seed")).to_have_value(str(COUNT - 7))
    expect(control(library, "prompt")).to_have_value("something else")
    open_library(library)
    bar.get_by_role("button", name="Send to", exact=True).click()
    library.get_by_role("menuitem", name="PNG Info").click()
    expect(library.locator("#easel_pnginfo_state")).to_contain_text("64 × 64 PNG")
    expect(library.locator("#easel_pnginfo_told .easel-told-words").first).to_have_text(subject(6))


def test_pictures_of_a_job(page: Page, picture: Picture) -> None:
    fill(page, prompt="red", seed=5, batch_count=3)
    generate(page)
    wait_state(page, "done")
    page.locator("#easel_picture").click()
    expect(facts(page)).to_contain_text("/ 3")
    shown = facts(page).inner_text()
    red, green, blue = average_colour(large(page).locator(".stage img"))
    assert red > 200
    assert max(green, blue) < 60
    page.keyboard.press("ArrowRight")
    expect(facts(page)).not_to_have_text(shown)
    page.keyboard.press("Delete")
    expect(facts(page)).to_contain_text("/ 2")
    page.keyboard.press("Control+z")
    expect(facts(page)).to_contain_text("/ 3")
    page.keyboard.press("Escape")
    expect(large(page)).to_be_hidden()


def test_every_button_has_a_name_and_a_hint(library: Page, filled: Filled) -> None:
    open_nth(library, filled, 0)
    library.keyboard.press("i")
    nameless = library.evaluate(
        """() => [...document.querySelectorAll("#easel_large button, .lib button")]
            .filter((e) => e.checkVisibility())
            .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim()))
            .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    hints = (
        large(library).locator(".tools > button").evaluate_all("(all) => all.map((b) => b.title)")
    )
    assert all(hints)


def test_on_a_phone(library: Page, filled: Filled, picture: Picture) -> None:
    library.set_viewport_size({"width": 360, "height": 780})
    open_nth(library, filled, 0)
    picture(library, "viewer-360")
    for button in large(library).locator(".tools > button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    stage = large(library).locator(".stage").bounding_box()
    assert stage is not None
    middle = stage["y"] + stage["height"] / 2
    library.mouse.move(300, middle)
    library.mouse.down()
    library.mouse.move(100, middle + 5, steps=4)
    library.mouse.up()
    expect(facts(library)).to_contain_text(f"2 / {COUNT}")
