"""Things drawn from the glyphs of the Noto Color Emoji font (SIL Open Font Licence 1.1).

Only the training recipe reads the font; nothing of it is shipped.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GLYPHS: dict[str, str] = {
    "apple": "\U0001f34e",
    "cat": "\U0001f431",
    "dog": "\U0001f436",
    "fish": "\U0001f41f",
    "bird": "\U0001f426",
    "tree": "\U0001f333",
    "flower": "\U0001f33b",
    "house": "\U0001f3e0",
    "car": "\U0001f697",
    "rocket": "\U0001f680",
    "boat": "\u26f5",
    "sun": "\u2600",
    "moon": "\U0001f319",
    "cloud": "\u2601",
    "cake": "\U0001f382",
    "book": "\U0001f4d5",
    "key": "\U0001f511",
    "bell": "\U0001f514",
    "umbrella": "\u2602",
    "guitar": "\U0001f3b8",
    "ball": "\u26bd",
    "crown": "\U0001f451",
    "hat": "\U0001f3a9",
    "cup": "\u2615",
}
"""Name -> character."""

NATURAL_COLOURS: dict[str, str] = {
    "apple": "red",
    "fish": "blue",
    "bird": "blue",
    "tree": "green",
    "flower": "yellow",
    "car": "red",
    "sun": "yellow",
    "moon": "yellow",
    "cloud": "white",
    "book": "red",
    "key": "yellow",
    "bell": "yellow",
    "guitar": "red",
    "crown": "yellow",
    "hat": "black",
    "cup": "white",
}
"""The colour that people would call some of them by; a caption may say it."""

STRIKE = 109
"""The one pixel size that the font's bitmaps are made for."""

FONT_PLACES = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)


def font_file() -> Path:
    """Where the font is: EASEL_EMOJI_FONT, or where Linux distributions put it.

    Raises FileNotFoundError with what to install.
    """
    places = [os.environ.get("EASEL_EMOJI_FONT", ""), *FONT_PLACES]
    for place in places:
        if place and Path(place).is_file():
            return Path(place)
    raise FileNotFoundError(
        "The font Noto Color Emoji is missing; install fonts-noto-color-emoji, or name the file "
        "in EASEL_EMOJI_FONT."
    )


@functools.cache
def glyph(name: str) -> Image.Image:
    """The glyph cut to its ink and centred in a square: premultiplied RGBA."""
    font = ImageFont.truetype(str(font_file()), STRIKE)
    canvas = Image.new("RGBA", (2 * STRIKE, 2 * STRIKE))
    draw = ImageDraw.Draw(canvas)
    draw.text((STRIKE // 3, STRIKE // 3), GLYPHS[name], font=font, embedded_color=True)
    ink = canvas.crop(canvas.getbbox())
    side = max(ink.size)
    square = Image.new("RGBA", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return square.convert("RGBa")


@functools.cache
def main_colour(name: str) -> tuple[float, float, float]:
    """Mean sRGB of the glyph's opaque pixels, 0..255."""
    pixels = np.asarray(glyph(name).convert("RGBA"), np.float32).reshape(-1, 4)
    mean = pixels[pixels[:, 3] > 128, :3].mean(axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def glyph_layer(
    name: str, centre: tuple[float, float], radius: float, frame: tuple[int, int]
) -> np.ndarray:
    """The glyph laid into an empty frame: premultiplied float [height, width, 4], 0..255.

    Centre (x, y) and radius in pixels, frame (width, height) in pixels.
    """
    source = glyph(name)
    scale = source.width / (2 * radius)
    shrunk = source
    if scale > 1.5:  # an affine look-up alone would alias
        side = max(1, round(2 * radius))
        shrunk = source.resize((side, side), Image.Resampling.LANCZOS)
        scale = side / (2 * radius)
    left, top = centre[0] - radius, centre[1] - radius
    matrix = (scale, 0.0, -left * scale, 0.0, scale, -top * scale)
    layer = shrunk.transform(frame, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(layer, np.float32)
