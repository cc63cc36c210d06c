"""Styles found again in prompts that they were written into, as A1111 does on pasting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webui.prompt.styles import PLACE, Style

MOST = 50
"""So many styles are looked for in one prompt; nobody chooses more."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Prompts without the text of the styles found in them, ``names`` in the order chosen."""

    prompt: str
    negative_prompt: str
    names: tuple[str, ...] = ()


def recognise(prompt: str, negative_prompt: str, styles: Iterable[Style]) -> Recognised:
    """The styles whose text stands around or behind the prompts, and the prompts without it.

    A style counts when both its texts are there, one of them at least not empty; of several that
    would do, the one with the most text. Spaces and line breaks count as one space. A prompt with
    no style in it is returned as it is. Never fails.
    """
    known = sorted(
        (s for s in styles if s.prompt.strip() or s.negative_prompt.strip()),
        key=lambda s: -len(s.prompt) - len(s.negative_prompt),
    )
    left = (_plain(prompt), _plain(negative_prompt))
    found: list[str] = []
    while len(found) < MOST:
        style, rest = _outermost(*left, known)
        if style is None:
            break
        found.append(style.name)
        left = rest
    if not found:
        return Recognised(prompt, negative_prompt)
    return Recognised(*left, tuple(reversed(found)))  # the outermost was applied last


def without(text: str, addition: str) -> str | None:
    """What ``text`` was before :func:`~webui.prompt.styles.merge` added ``addition``.

    None where it cannot have been. Both have single spaces only.
    """
    if not addition:
        return text
    if PLACE in addition:
        before, _, after = addition.partition(PLACE)
        if PLACE in after:  # its text stands there twice
            return None
        if not (text.startswith(before) and text.endswith(after)):
            return None
        return text[len(before) : len(text) - len(after)] if _fits(text, before, after) else None
    if text == addition:
        return ""
    return text.removesuffix(f", {addition}") if text.endswith(f", {addition}") else None


def _outermost(
    prompt: str, negative: str, styles: Iterable[Style]
) -> tuple[Style | None, tuple[str, str]]:
    for style in styles:
        rest = without(prompt, _plain(style.prompt))
        if rest is None:
            continue
        negative_rest = without(negative, _plain(style.negative_prompt))
        changed = (rest, negative_rest) != (prompt, negative)
        if negative_rest is not None and changed:
            return style, (rest, negative_rest)
    return None, (prompt, negative)


def _fits(text: str, before: str, after: str) -> bool:
    return len(text) >= len(before) + len(after)


def _plain(text: str) -> str:
    return " ".join(text.split())
