"""Painting a mask while zoomed in: it lies where the pointer was, in the picture's pixels."""

from __future__ import annotations

import io
import json
import urllib.request
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.journeys.actions import generate
from tests.journeys.conftest import Picture
from tests.journeys.serving import Server
from tests.journeys.start_pictures import as_png, drop, open_img2img

WIDTH, HEIGHT = 256, 128
LAYER = "#img2maskimg .easel-start-layer"


@dataclass(frozen=True)
class Box:
    """A place on the screen, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def at(self, across: float, down: float) -> tuple[float, float]:
        return self.x + across * self.width, self.y + down * self.height


def box(where: Locator) -> Box:
    found = where.bounding_box()
    assert found is not None
    return Box(**found)


@pytest.fixture
def painting(page: Page) -> Page:
    """A page on which a mask can be painted over a picture of 256×128 pixels."""
    open_img2img(page)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    drop(page, as_png(np.dstack([x, 2 * y, x ^ y]).astype(np.uint8)))
    page.get_by_role("button", name="Inpaint", exact=True).click()
    page.locator("#img2maskimg").scroll_into_view_if_needed()
    return page


def frame(page: Page) -> Box:
    return box(page.locator("#img2maskimg"))


def zoom(page: Page) -> float:
    """How much larger than the whole picture it is shown."""
    return box(page.locator(LAYER)).width / frame(page).width


def pixel(page: Page, place: tuple[float, float]) -> tuple[float, float]:
    """The picture's pixel that is shown at a place of the screen."""
    layer = box(page.locator(LAYER))
    x, y = (place[0] - layer.x) / layer.width, (place[1] - layer.y) / layer.height
    return x * WIDTH, y * HEIGHT


def mask(page: Page, server: Server) -> np.ndarray:
    """The mask that the server is asked to draw with, as booleans by row and column."""
    with page.expect_response("**/api/v1/img2img") as posted:
        generate(page, "img2img")
    job = posted.value.json()["job"]["id"]
    with urllib.request.urlopen(f"{server.url}/api/v1/jobs/{job}") as answer:
        given = json.load(answer)["request"]["mask"]
    with urllib.request.urlopen(f"{server.url}/api/v1/inputs/{given}") as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("L")) > 127


def extent(painted: np.ndarray) -> tuple[float, float, float, float]:
    """Centre and size of what is painted: x, y, width, height in pixels."""
    rows, columns = np.nonzero(painted)
    left, right = columns.min(), columns.max() + 1
    top, bottom = rows.min(), rows.max() + 1
    return (left + right) / 2, (top + bottom) / 2, float(right - left), float(bottom - top)


def test_a_dot_painted_while_zoomed_in(painting: Page, server: Server, picture: Picture) -> None:
    place = frame(painting).at(0.75, 0.25)
    painting.mouse.move(*place)
    under = pixel(painting, place)
    painting.keyboard.down("Control")
    painting.mouse.wheel(0, -700)
    painting.keyboard.up("Control")
    expect(painting.get_by_role("button", name="Show the whole picture")).to_be_enabled()
    assert zoom(painting) == pytest.approx(np.exp(1.4), rel=0.01)
    assert pixel(painting, place) == pytest.approx(under, abs=0.5)  # it stays under the pointer
    other = frame(painting).at(0.3, 0.6)
    painting.mouse.move(*other)
    ring = box(painting.locator(".easel-brush"))
    centre = pixel(painting, other)
    painting.mouse.down()
    painting.mouse.up()
    picture(painting, "painting-zoomed")
    x, y, width, height = extent(mask(painting, server))
    assert (x, y) == pytest.approx(centre, abs=1)
    assert (width, height) == pytest.approx((25.6, 25.6), abs=2)  # 10 % of the longer side
    shown = ring.width / box(painting.locator(LAYER)).width * WIDTH
    assert shown == pytest.approx(width, abs=2)  # the circle is what is painted
    assert ring.at(0.5, 0.5) == pytest.approx(other, abs=1)


def test_keys_zoom_move_and_change_the_brush(painting: Page, server: Server) -> None:
    middle = frame(painting).at(0.5, 0.5)
    painting.mouse.move(*middle)
    for key in "+++[[[":
        painting.keyboard.press(key)
    assert zoom(painting) == pytest.approx(1.5**3, rel=0.01)
    expect(painting.get_by_label("Brush size")).to_have_value("5")
    painting.keyboard.press("]")
    ring = box(painting.locator(".easel-brush"))
    assert ring.width == pytest.approx(0.06 * box(painting.locator(LAYER)).width, abs=1)
    before = pixel(painting, middle)
    to = frame(painting).at(0.7, 0.6)
    painting.keyboard.down("Space")
    painting.mouse.down()
    painting.mouse.move(*to, steps=3)
    painting.mouse.up()
    painting.keyboard.up("Space")
    assert pixel(painting, to) == pytest.approx(before, abs=0.5)
    painting.mouse.down(button="middle")
    painting.mouse.move(*middle, steps=3)
    painting.mouse.up(button="middle")
    assert pixel(painting, middle) == pytest.approx(before, abs=0.5)
    painting.mouse.down()
    painting.mouse.up()
    x, y, width, _ = extent(mask(painting, server))  # moving has painted nothing
    assert (x, y) == pytest.approx(before, abs=1)
    assert width == pytest.approx(0.06 * WIDTH, abs=2)
    painting.mouse.move(*middle)
    painting.keyboard.press("-")
    assert zoom(painting) == pytest.approx(1.5**2, rel=0.01)
    painting.keyboard.press("0")
    assert zoom(painting) == 1
    whole = painting.get_by_role("button", name="Show the whole picture")
    expect(whole).to_be_disabled()
    painting.get_by_role("button", name="Zoom in").click()
    expect(whole).to_be_enabled()
    whole.click()
    assert zoom(painting) == 1


def test_keys_are_left_to_who_writes(painting: Page) -> None:
    """The pointer lies over the picture while a number is typed elsewhere."""
    prompt = painting.locator("#img2img_prompt textarea")
    prompt.click()
    painting.mouse.move(*frame(painting).at(0.5, 0.5))
    painting.keyboard.type("a [b] + 0 - c")
    expect(prompt).to_have_value("a [b] + 0 - c")
    assert zoom(painting) == 1
    expect(painting.get_by_label("Brush size")).to_have_value("10")
    painting.get_by_role("button", name="img2img", exact=True).click()
    painting.mouse.move(*frame(painting).at(0.5, 0.5))
    painting.keyboard.press("+")
    assert zoom(painting) == 1  # there is nothing to paint


def touch(session: CDPSession, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_two_fingers_zoom_and_one_paints(painting: Page, server: Server) -> None:
    session = painting.context.new_cdp_session(painting)
    area = frame(painting)
    first, second = area.at(0.4, 0.5), area.at(0.6, 0.5)
    middle = area.at(0.5, 0.5)
    touch(session, "touchStart", first)
    touch(session, "touchMove", area.at(0.41, 0.5))  # the beginning of a stroke
    touch(session, "touchStart", area.at(0.41, 0.5), second)
    touch(session, "touchMove", area.at(0.3, 0.5), area.at(0.7, 0.5))
    touch(session, "touchEnd")
    assert zoom(painting) == pytest.approx(0.4 / 0.19, rel=0.05)
    expect(painting.get_by_role("button", name="Undo the last stroke")).to_be_disabled()
    where = pixel(painting, middle)
    touch(session, "touchStart", middle)
    touch(session, "touchEnd")
    x, y, width, height = extent(mask(painting, server))
    assert (x, y) == pytest.approx(where, abs=1)
    assert (width, height) == pytest.approx((25.6, 25.6), abs=2)
