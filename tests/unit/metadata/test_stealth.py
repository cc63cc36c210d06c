"""Texts hidden in a picture's transparency."""

from __future__ import annotations

import gzip

import pytest
from PIL import Image

from tests.unit.metadata.pictures import hidden, png, saved
from webui.metadata import read_picture
from webui.metadata.reading import HIDDEN, Told
from webui.metadata.stealth import MAX_BYTES

TEXT = "a cat, ünïcode 猫\nNegative prompt: dog\nSteps: 9, Sampler: Euler, CFG scale: 5, Seed: 3"


def told(data: bytes) -> Told:
    found = read_picture(data)
    assert found is not None
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("fmt", ["PNG", "WEBP"])
def test_a_hidden_text_is_read(fmt: str, packed: bool) -> None:
    found = told(hidden(TEXT, packed=packed, fmt=fmt))
    assert found.infotext == TEXT
    assert found.place == HIDDEN
    assert found.program == "A1111 format"


@pytest.mark.parametrize("size", [(200, 9), (9, 200), (37, 53)])
def test_it_lies_column_by_column_whatever_the_shape(size: tuple[int, int]) -> None:
    assert told(hidden(TEXT, packed=True, size=size)).infotext == TEXT


def test_texts_of_the_file_count_before_it() -> None:
    plain = TEXT.replace("a cat", "a bird")
    found = told(hidden(TEXT, packed=True, parameters=plain))
    assert (found.infotext, found.place) == (plain, "parameters")
    assert told(hidden(TEXT, packed=True, Software="GIMP")).infotext == TEXT


@pytest.mark.parametrize(
    "data",
    [
        hidden(TEXT, packed=False, signature=b"stealth_rgbinfo"),
        hidden(TEXT, packed=False, length=0),
        hidden(TEXT, packed=False, length=7),
        hidden(TEXT, packed=False, length=2**32 - 8),
        hidden(TEXT, packed=False, length=8 * 500),  # more than the picture holds
        hidden(b"\xff\xfe\xfd", packed=False),
        hidden(b"no gzip", packed=False, signature=b"stealth_pngcomp"),
        hidden(gzip.compress(TEXT.encode())[:-9], packed=False, signature=b"stealth_pngcomp"),
        hidden("", packed=False, size=(3, 3)),
        saved(Image.new("RGBA", (1, 1)), "PNG"),
        saved(Image.new("LA", (300, 300), (0, 255)), "PNG"),
        png(),
    ],
)
def test_what_is_damaged_or_none_is_no_text(data: bytes) -> None:
    assert told(data).infotext == ""


def test_a_text_that_unpacks_to_too_much_is_none() -> None:
    bomb = gzip.compress(b"a" * (MAX_BYTES + 1))
    size = (200, 8 * len(bomb) // 200 + 2)
    data = hidden(bomb, packed=False, signature=b"stealth_pngcomp", size=size)
    assert told(data).infotext == ""
