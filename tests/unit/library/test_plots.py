"""What is written beside a grid."""

from __future__ import annotations

from typing import Any, cast

from webui.library.plots import MOST_LINES, wrapped


class Font:
    """Every sign is ten pixels wide; notes how often it was asked."""

    asked = 0

    def getlength(self, text: str) -> int:
        self.asked += 1
        return 10 * len(text)


def lines(text: str, width: int) -> tuple[tuple[str, ...], int]:
    font = Font()
    return wrapped(text, width, cast(Any, font)), font.asked


def test_lines_break_between_words_and_in_long_ones() -> None:
    assert lines("a red cat", 50)[0] == ("a red", "cat")
    assert lines("abcdefg hi", 30)[0] == ("abc", "def", "g", "hi")
    assert lines("abc", 5)[0] == ("a", "b", "c")
    assert lines("", 30)[0] == ()


def test_a_long_word_is_measured_few_times() -> None:
    found, asked = lines("x" * 2000, 40)
    assert found == ("xxxx",) * (MOST_LINES - 1) + ("…",)
    assert asked < 500
