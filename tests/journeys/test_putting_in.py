"""Pictures are put in the same way everywhere: dropped, pasted, chosen; what is none is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.giving import File, give, png_file
from tests.unit.metadata.pictures import png

NO_PICTURE: File = ("notes.txt", "text/plain", b"a red circle")
BYTES = "application/octet-stream"
REFUSED = "Only pictures from this computer or from this page can be put in here."


@dataclass(frozen=True)
class Place:
    """A place for pictures: what shows that one is held over it, and those that are in it."""

    tab: str
    drop: str
    marked: str
    shown: str


PLACES = [
    Place("Image to image", "#img2img_image", "#img2img_start", "#img2maskimg img:visible"),
    Place("Extras", "#easel_extras_drop", "#easel_extras_drop", "#easel_extras_pictures img"),
    Place("PNG Info", "#easel_pnginfo_drop", "#easel_pnginfo_drop", "#easel_pnginfo_picture[src]"),
]


@pytest.fixture(params=PLACES, ids=lambda place: place.tab)
def place(request: pytest.FixtureRequest) -> Place:
    return request.param


@pytest.fixture
def open_place(page: Page) -> Callable[[Place], Locator]:
    def open_place(place: Place) -> Locator:
        page.get_by_role("tab", name=place.tab).click()
        expect(page.locator(place.drop)).to_be_visible()
        return page.locator(place.drop)

    return open_place


def test_a_picture_is_dropped(page: Page, place: Place, open_place: Callable) -> None:
    drop = open_place(place)
    marked = page.locator(f"{place.marked}.easel-drop")
    give("dragover", drop, png_file(png()))
    expect(marked).to_have_count(1)
    give("dragleave", drop)
    expect(marked).to_have_count(0)
    give("dragover", drop, png_file(png()))
    give("drop", drop, address="https://example.org/a.png")
    expect(page.get_by_role("alert")).to_contain_text(REFUSED)
    expect(marked).to_have_count(0)
    answer = page.request.post(
        f"{page.url}api/v1/inputs", data=png(), headers={"Content-Type": BYTES}
    )
    kept = answer.json()["input"]["id"]
    give("drop", drop, address=f"{page.url}api/v1/inputs/{kept}")
    expect(page.locator(place.shown)).to_have_count(1)


def test_what_is_no_picture_is_refused_and_pictures_are_pasted_wherever_the_focus_is(
    page: Page, place: Place, open_place: Callable
) -> None:
    drop = open_place(place)
    alert = page.get_by_role("alert")
    for kind in ("drop", "paste"):
        give(kind, drop, NO_PICTURE)
        expect(alert).to_contain_text(REFUSED)
        alert.get_by_role("button").click()
        expect(alert).to_have_count(0)
    expect(page.locator(place.shown)).to_have_count(0)
    give("paste", page.locator("body"), NO_PICTURE, png_file(png()))
    expect(alert).to_contain_text(REFUSED)
    expect(page.locator(place.shown)).to_have_count(1)


def test_several_at_once_where_several_are_enlarged(page: Page, open_place: Callable) -> None:
    drop = open_place(PLACES[1])
    give("drop", drop, png_file(png()), png_file(png()))
    expect(page.locator(PLACES[1].shown)).to_have_count(2)
    give("paste", drop, png_file(png()), png_file(png()), png_file(png()))
    expect(page.locator(PLACES[1].shown)).to_have_count(5)


def test_words_beside_a_picture_are_pasted_as_words(page: Page, open_place: Callable) -> None:
    """What an office program copies is a text and a picture of it."""
    open_place(PLACES[2])
    box = page.locator("#easel_pnginfo_text")
    assert give("paste", box, png_file(png()), words="Steps: 9")  # the browser goes on
    expect(page.locator(PLACES[2].shown)).to_have_count(0)
