"""The answer's header that names what of a request was passed over, as A1111 passes it over."""

from __future__ import annotations

from collections.abc import Iterable

HEADER = "x-easel-ignored"
MAX_CHARS = 2000
_MAX_NAME = 80


def ignored(names: Iterable[str]) -> dict[str, str]:
    """The header ``X-Easel-Ignored`` with these names, commas between; none where there is none.

    Names are cut after 80 characters, the list after 2000 (then it ends with "…" as "..."); what a
    header cannot hold becomes "?".
    """
    shown: list[str] = []
    left = MAX_CHARS
    for name in dict.fromkeys(names):
        text = "".join(c if " " < c < "\x7f" and c != "," else "?" for c in name[:_MAX_NAME])
        left -= len(text) + 2
        if left < 5:
            shown.append("...")
            break
        shown.append(text)
    return {HEADER: ", ".join(shown)} if shown else {}
