from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webui.core.results import Pixels, SavedImage
from webui.library import Library
from webui.library.finding import Wanted
from webui.settings import Saving

NOON = 1_790_000_000.0
DAY = 86_400.0
Shelf = Callable[..., "Filled"]


class Filled:
    """A library whose clock is set by hand, and short ways to fill and search it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = NOON
        self.count = 0
        self.library = Library(folder / "outputs", folder / "data", Saving(), now=lambda: self.time)
        self.gallery = self.library.gallery

    def save(self, prompt: str = "a cat", **more: Any) -> SavedImage:
        self.count += 1
        self.time += 1
        size: tuple[int, int] = more.pop("size", (16, 8))
        pixels = Pixels(size[0], size[1], bytes([self.count % 256]) * (3 * size[0] * size[1]))
        values = {"infotext": prompt, "seed": self.count, "model": "m", "owner": "ann"} | more
        return self.library.save(pixels, prompt=prompt, job_id=f"j{self.count}", index=0, **values)

    def find(self, query: str = "", **more: Any) -> list[str]:
        """The prompts of what is found."""
        page = self.gallery.find(Wanted(query, **more))
        assert len(page.pictures) == page.total
        return [picture.infotext for picture in page.pictures]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Filled]:
    filled = Filled(tmp_path)
    yield filled
    filled.library.close()
