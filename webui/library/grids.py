"""Several pictures as one: how a grid is laid out, and the grid itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from webui.core.errors import EaselError
from webui.core.results import Pixels

MAX_PIXELS = 200_000_000
"""The largest grid, as A1111's; larger ones are not worth the memory."""


def layout(
    count: int, *, rows: int = -1, batch_size: int = 1, full: bool = False
) -> tuple[int, int]:
    """Rows and columns of a grid of ``count`` ≥ 1 pictures, as A1111 lays it out.

    ``rows`` above 0 is taken as it is, 0 means ``batch_size``, -1 about the square root of
    ``count``; then ``full`` takes the next smaller number that leaves no place empty.
    """
    if rows > 0:
        wanted = rows
    elif rows == 0:
        wanted = batch_size
    elif full:
        wanted = next(n for n in range(math.isqrt(count), 0, -1) if count % n == 0)
    else:
        wanted = round(math.sqrt(count))
    wanted = min(max(wanted, 1), count)
    return wanted, math.ceil(count / wanted)


def compose(files: Sequence[Path], rows: int, columns: int) -> Pixels:
    """The pictures in ``files``, row by row on white, each in the middle of its place.

    Places are as large as the largest picture. ``EaselError`` when the grid would be too large, or
    a picture cannot be read.
    """
    try:
        width, height = _largest(files)
        size = (columns * width, rows * height)
        if size[0] * size[1] > MAX_PIXELS:
            raise EaselError(
                f"A grid of {size[0]}×{size[1]} pixels is too large; the most is "
                f"{MAX_PIXELS // 1_000_000} million pixels."
            )
        grid = Image.new("RGB", size, "white")
        for place, file in enumerate(files):
            row, column = divmod(place, columns)
            with Image.open(file) as picture:
                left = column * width + (width - picture.width) // 2
                top = row * height + (height - picture.height) // 2
                grid.paste(picture.convert("RGB"), (left, top))
    except (OSError, Image.DecompressionBombError) as error:
        raise EaselError(f"A picture for the grid cannot be read ({error}).") from error
    return Pixels(*grid.size, grid.tobytes())


def _largest(files: Sequence[Path]) -> tuple[int, int]:
    sizes: list[tuple[int, int]] = []
    for file in files:
        with Image.open(file) as picture:
            sizes.append(picture.size)
    return max(width for width, _ in sizes), max(height for _, height in sizes)
