"""A grid with its legend: pictures in columns and rows, and what each column and row stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from webui.core.errors import EaselError
from webui.core.results import Pixels

MAX_PIXELS = 64_000_000
"""Larger grids are made of smaller pictures."""
MOST_LINES = 10
_GAP = 4  # pixels between pictures
_INK, _PAPER = (0, 0, 0), (255, 255, 255)
_LATIN = 0x250
# What may be there for characters that Pillow's own font lacks.
_OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "msyh.ttc",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class _Label:
    """A text broken into lines that fit, and its size in pixels."""

    lines: tuple[str, ...]
    width: int
    height: int


def plot(
    files: Sequence[Path | None],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    title: str = "",
) -> Pixels:
    """The pictures in ``files``, row by row, with texts above the columns and before the rows.

    A place whose file is None stays empty. Places are as large as the largest picture, and all
    become smaller where the whole would have more than 64 million pixels. Texts that are all empty
    take no room; ``title`` stands above everything. ``EaselError`` when a picture cannot be read.
    """
    try:
        width, height = _place_size(files, len(columns), len(rows))
        font = _font(max(9, min(30, (width + height) // 25)), [*columns, *rows, title])
        above = [_label(text, width, font) for text in columns]
        before = [_label(text, max(width * 3 // 4, 40), font) for text in rows]
        left = _room([label.width for label in before], any(rows))
        top = _room([label.height for label in above], any(columns))
        whole = (left + len(columns) * (width + _GAP) - _GAP, len(rows) * (height + _GAP) - _GAP)
        heading = _label(title, whole[0], font)
        head = _room([heading.height], bool(title))
        grid = Image.new("RGB", (whole[0], head + top + whole[1]), _PAPER)
        draw = ImageDraw.Draw(grid)
        _write(draw, heading, font, (0, 0, whole[0], head))
        for i, label in enumerate(above):
            x = left + i * (width + _GAP)
            _write(draw, label, font, (x, head, x + width, head + top))
        for i, label in enumerate(before):
            y = head + top + i * (height + _GAP)
            _write(draw, label, font, (0, y, left, y + height))
        for i, file in enumerate(files):
            row, column = divmod(i, len(columns))
            corner = (left + column * (width + _GAP), head + top + row * (height + _GAP))
            _paste(grid, file, corner, (width, height))
    except (OSError, Image.DecompressionBombError) as error:
        raise EaselError(f"A picture for the grid cannot be read ({error}).") from error
    return Pixels(*grid.size, grid.tobytes())


def _place_size(files: Sequence[Path | None], columns: int, rows: int) -> tuple[int, int]:
    """The largest picture's size, or so much less that the grid stays within the limit."""
    sizes: list[tuple[int, int]] = []
    for file in filter(None, files):
        with Image.open(file) as picture:
            sizes.append(picture.size)
    width = max((w for w, _ in sizes), default=1)
    height = max((h for _, h in sizes), default=1)
    scale = min(1.0, math.sqrt(MAX_PIXELS / (width * columns * height * rows)))
    return max(int(width * scale), 1), max(int(height * scale), 1)


def _paste(
    grid: Image.Image, file: Path | None, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    """A picture in the middle of its place."""
    if file is None:
        return
    with Image.open(file) as picture:
        shown = picture.convert("RGB")
    shown.thumbnail(size, Image.Resampling.LANCZOS)
    left = corner[0] + (size[0] - shown.width) // 2
    top = corner[1] + (size[1] - shown.height) // 2
    grid.paste(shown, (left, top))


def _room(sizes: Sequence[int], wanted: bool) -> int:
    return max(sizes) + 4 * _GAP if wanted else 0


def _label(text: str, width: int, font: Font) -> _Label:
    lines = wrapped(text, width, font)
    widest = max((math.ceil(font.getlength(line)) for line in lines), default=0)
    return _Label(lines, widest, len(lines) * _line_height(font))


def wrapped(text: str, width: int, font: Font) -> tuple[str, ...]:
    """``text`` in lines of at most ``width`` pixels, broken between words where that can be.

    At most :data:`MOST_LINES` of them; what is left out is an ellipsis.
    """
    lines: list[str] = []
    line = ""
    for word in text[:2000].split():
        joined = f"{line} {word}".strip()
        if font.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > 1 and font.getlength(line) > width and len(lines) <= MOST_LINES:
            fits = _fitting(line, width, font)
            lines.append(line[:fits])
            line = line[fits:]
        if len(lines) > MOST_LINES:
            break
    lines += [line] if line else []
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "…"]
    return tuple(lines)


def _fitting(line: str, width: int, font: Font) -> int:
    """How many signs of a line that is too long fit, at least 1; found by halving."""
    least, most = 1, len(line) - 1
    while least < most:
        middle = (least + most + 1) // 2
        if font.getlength(line[:middle]) <= width:
            least = middle
        else:
            most = middle - 1
    return least


def _write(
    draw: ImageDraw.ImageDraw, label: _Label, font: Font, box: tuple[int, int, int, int]
) -> None:
    """The label's lines in the middle of a box."""
    left, top, right, bottom = box
    y = top + (bottom - top - label.height) / 2
    for line in label.lines:
        x = left + (right - left - font.getlength(line)) / 2
        draw.text((x, y), line, fill=_INK, font=font)
        y += _line_height(font)


def _line_height(font: Font) -> int:
    size = getattr(font, "size", 10)
    return math.ceil(1.3 * size)


def _font(size: int, texts: Sequence[str]) -> Font:
    """Pillow's own font, or one of the system's where characters are beyond it."""
    if any(ord(sign) >= _LATIN and sign not in "–×…" for text in texts for sign in text):
        for name in _OTHER_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)
