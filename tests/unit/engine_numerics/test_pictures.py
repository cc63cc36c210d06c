"""Pictures resized and masks applied: pure functions, asserted on pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from webui.core.requests import Img2Img
from webui.engine import inpainting
from webui.engine.inpainting import Box
from webui.engine.pipelines.source import prepare
from webui.engine.resizing import CROP, FILL, JUST, LATENT, resized


def halves(width: int = 40, height: int = 20) -> NDArray[np.uint8]:
    """Red on the left, blue on the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = picture[:, width // 2 :, 2] = 255
    return picture


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("size", [(40, 20), (16, 16), (64, 24), (24, 64), (8, 80), (41, 7)])
@pytest.mark.parametrize("mode", [JUST, CROP, FILL])
def test_a_picture_has_the_size_that_was_asked_for(mode: str, size: tuple[int, int]) -> None:
    found = resized(halves(), mode, *size)
    assert found.shape == (size[1], size[0], 3)
    left, right = found[:, : size[0] // 4].mean(axis=(0, 1)), found[:, -size[0] // 4 :]
    assert left[0] > left[2]
    assert right.mean(axis=(0, 1))[2] > right.mean(axis=(0, 1))[0]


def test_what_is_cut_off_and_what_is_filled() -> None:
    dots = np.zeros((20, 40, 3), np.uint8)
    dots[:, :4] = dots[:, -4:] = 255
    assert resized(dots, CROP, 20, 20).max() == 0, "the ends are cut off"
    wide = resized(dots, FILL, 80, 20)
    assert (wide[:, :20] == 255).all(), "the margins have the colours of the edge"
    assert (wide[:, 30:50] == 0).all()
    assert resized(dots, JUST, 20, 20)[:, :1].min() > 100


def test_masks_are_read_from_light_or_from_opacity() -> None:
    grey = Image.fromarray(np.array([[0, 200], [255, 10]], np.uint8))
    assert inpainting.mask_of(png(grey)).tolist() == [[0, 200], [255, 10]]
    alpha = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    alpha.putpixel((1, 0), (0, 0, 0, 200))
    assert inpainting.mask_of(png(alpha)).tolist() == [[0, 255]]
    opaque = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    assert inpainting.mask_of(png(opaque)).tolist() == [[255, 255]]
    half = Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    assert inpainting.picture_of(png(half)).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("shape", [(100_000, 8), (8, 100_000)])
def test_a_long_narrow_picture_is_cut_before_it_is_enlarged(shape: tuple[int, int]) -> None:
    """Enlarged first it would be 6,400,000 × 512 pixels."""
    long = halves(*shape) if shape[0] > shape[1] else halves(*shape[::-1]).transpose(1, 0, 2)
    found = resized(np.ascontiguousarray(long), CROP, 512, 512)
    assert found.shape == (512, 512, 3)
    first, last = (found[:, :99], found[:, -99:]) if shape[0] > 8 else (found[:99], found[-99:])
    assert (first[..., 0] > 200).all()
    assert (last[..., 2] > 200).all()


def test_what_is_enlarged_as_latents_is_never_larger_than_what_can_be_drawn() -> None:
    data = png(Image.new("RGB", (6000, 2000)))
    request = Img2Img(init_image="a", resize_mode=LATENT, width=64, height=64)
    source = prepare(request, lambda _: data, (64, 64))
    assert source.picture.shape == (1672, 5016, 3)


def test_a_blur_reaches_as_far_from_a_spot_as_from_anything() -> None:
    """Only the part around a mask is blurred; what comes of that is what comes of the whole."""
    mask = np.zeros((90, 70), np.uint8)
    mask[0:3, 60:70] = mask[40:60, 20:24] = 255
    alone = [
        np.where(np.arange(90)[:, None] < 20, mask, 0),
        np.where(np.arange(90)[:, None] < 20, 0, mask),
    ]
    soft = [inpainting.softened(one.astype(np.uint8), 3).astype(int) for one in (mask, *alone)]
    assert np.abs(soft[0] - soft[1] - soft[2]).max() <= 1
    padded = inpainting.softened(np.pad(mask, 30, mode="symmetric"), 3)[30:-30, 30:-30]
    assert np.abs(padded.astype(int) - soft[0]).max() <= 1


def test_a_blurred_edge_is_a_gaussian() -> None:
    mask = np.zeros((41, 61), np.uint8)
    mask[:, 30:] = 255
    assert inpainting.softened(mask, 0) is mask
    soft = inpainting.softened(mask, 4)
    assert abs(int(soft[20, 29]) + int(soft[20, 30]) - 255) <= 1
    assert (np.diff(soft[20].astype(int)) >= 0).all()
    assert (soft[:, :20] == 0).all()
    assert (soft[:, 40:] == 255).all()
    assert (soft == soft[:1]).all(), "along the edge, and at the border, nothing changes"
    assert 0.8 < (soft[20, 34] / 255) < 0.9, "one deviation inside: 0.84"


@pytest.mark.parametrize(
    ("masked", "padding", "shape", "box"),
    [
        ((40, 60, 30, 50), 0, (1, 1), Box(30, 40, 50, 60)),
        ((40, 60, 30, 50), 10, (1, 1), Box(20, 30, 60, 70)),
        ((40, 60, 30, 50), 0, (2, 1), Box(20, 40, 60, 60)),
        ((40, 60, 30, 50), 0, (1, 2), Box(30, 30, 50, 70)),
        ((0, 10, 0, 10), 32, (1, 1), Box(0, 0, 42, 42)),
        ((90, 100, 0, 10), 0, (4, 1), Box(0, 90, 40, 100)),
        ((0, 100, 0, 200), 8, (1, 3), Box(0, 0, 200, 100)),
    ],
)
def test_the_part_that_is_drawn(
    masked: tuple[int, int, int, int], padding: int, shape: tuple[int, int], box: Box
) -> None:
    mask = np.zeros((100, 200), np.uint8)
    top, bottom, left, right = masked
    mask[top:bottom, left:right] = 255
    found = inpainting.masked_box(mask, padding)
    assert found is not None
    assert inpainting.widened(found, shape, (200, 100)) == box
    assert inpainting.masked_box(np.zeros((9, 9), np.uint8), 4) is None


def test_a_hole_is_filled_with_the_colours_around_it() -> None:
    picture, mask = halves(80, 40), np.zeros((40, 80), np.uint8)
    picture[15:25, 10:20] = 255
    mask[13:27, 8:22] = 255
    filled = inpainting.without_masked(picture, mask)
    assert np.abs(filled[mask == 0].astype(int) - picture[mask == 0]).max() <= 2
    inside = filled[15:25, 10:20].reshape(-1, 3).astype(int)
    assert (inside[:, 0] > 200).all()
    assert (inside[:, 1] < 40).all()


def test_the_rest_is_put_back_as_it_was() -> None:
    below, mask = halves(), np.zeros((20, 40), np.uint8)
    mask[5:15, 10:30] = 255
    part = np.full((64, 64, 3), 7, np.uint8)
    found = inpainting.put_back(part, Box(8, 3, 32, 17), below, mask)
    assert (found[mask > 0] == 7).all()
    assert (found[mask == 0] == below[mask == 0]).all()
    half = inpainting.overlaid(np.full_like(below, 100), below, np.full((20, 40), 128, np.uint8))
    assert half[0, 0].tolist() == [177, 50, 50]


def test_a_mask_in_latents_is_all_or_nothing() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 30:] = 255
    found = inpainting.latent_mask(mask, 8, 8)
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
