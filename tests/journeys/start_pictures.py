"""What a person does with the picture that image to image starts from."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.journeys.giving import give, png_file


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def open_img2img(page: Page) -> None:
    page.get_by_role("tab", name="Image to image").click()
    expect(page.locator("#img2img_start")).to_be_visible()


def start_picture(page: Page) -> Locator:
    return page.locator("#img2maskimg img")


def drop(page: Page, data: bytes) -> None:
    give("drop", page.locator("#img2img_image"), png_file(data))
    expect(start_picture(page)).to_be_visible()


def stroke(page: Page, share: float) -> None:
    """Paint from top to bottom at so much of the picture's width."""
    box = page.locator("#img2img_mask").bounding_box()
    assert box is not None
    x = box["x"] + share * box["width"]
    page.mouse.move(x, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 1, steps=4)
    page.mouse.up()
