"""Extra networks: ``<kind:name:0.8:unet=0.5>`` in a prompt, taken out before it is encoded.

What a kind does (``lora``, ``hypernet``, …) is not decided here; any word is a kind, as in A1111.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN = re.compile(r"<(\w+):")


@dataclass(frozen=True, slots=True)
class ExtraNetwork:
    """One ``<kind:…>``: what is between its colons, by place, and by name where it says ``=``.

    ``<lora:ink:te=0.5:0.7>`` has the arguments ``("ink", "0.7")`` and the option te, "0.5".
    """

    kind: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str, default: str = "") -> str:
        """The option of that name; of two the last counts."""
        return dict(self.options).get(name, default)


def split_networks(text: str) -> tuple[str, tuple[ExtraNetwork, ...]]:
    """``text`` without its extra networks, and these in order; one that is not closed is text."""
    kept: list[str] = []
    found: list[ExtraNetwork] = []
    place = 0
    while (begin := _BEGIN.search(text, place)) is not None:
        end = text.find(">", begin.end())
        if end < 0:
            break
        if end == begin.end():  # "<a:>" says nothing and is text
            kept.append(text[place:end])
        else:
            kept.append(text[place : begin.start()])
            found.append(_network(begin[1], text[begin.end() : end]))
            end += 1
        place = end
    kept.append(text[place:])
    return "".join(kept), tuple(found)


def unclosed(text: str) -> str:
    """The beginning of an extra network that is never closed; "" if there is none."""
    rest, _ = split_networks(text)
    begin = _BEGIN.search(rest, rest.rfind(">") + 1)
    return "" if begin is None else rest[begin.start() : begin.start() + 40]


def _network(kind: str, inside: str) -> ExtraNetwork:
    items = [item.split("=") for item in inside.split(":")]
    arguments = tuple("=".join(item) for item in items if len(item) != 2)
    return ExtraNetwork(kind, arguments, tuple((i[0], i[1]) for i in items if len(i) == 2))
