"""What a picture or a text says about how it was made, as the page is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from webui import metadata
from webui.core.errors import EaselError
from webui.metadata.dialects import is_known
from webui.metadata.parsing import MAX_CHARS, keys, written_pairs
from webui.metadata.reading import Told

if TYPE_CHECKING:
    from webui.catalog import Catalog

_LORA = re.compile(r"<(lora|lyco):([^:<>]+)", re.IGNORECASE)
MOST_TEXTS = 50
MOST_PAIRS = 500
MOST_CHARS = 100_000
"""Texts of a file are shown up to here."""


def view(told: Told, catalog: Catalog) -> dict[str, Any]:
    """JSON of what was read.

    ``values`` are request fields that can be used here, ``problems`` sentences about what cannot;
    ``pairs`` every key with its value, and whether it says something about a request; ``texts``
    what the file holds, as it is; ``exact`` says that the values are the whole request's, not only
    what its text can say.
    """
    parsed = metadata.parse(told.infotext)
    if told.exact is not None:
        parsed |= {"Prompt": told.exact.prompt, "Negative prompt": told.exact.negative_prompt}
    usable = metadata.usable(parsed)
    values, problems = dict(usable.values), list(usable.problems)
    if told.exact is not None:
        values |= _whole(told)
    if "prompt" in values:
        values["prompt"] = with_our_loras(catalog, values["prompt"], parsed.get("Lora hashes", ""))
    if "checkpoint" in values:
        try:
            wanted = parsed.get("Model hash", "")
            values["checkpoint"] = named(catalog, values["checkpoint"], wanted)
        except EaselError as error:
            del values["checkpoint"]
            problems.append(error.message)
    return {
        "values": values,
        "problems": problems,
        "has_parameters": "Steps" in parsed,
        "text": told.infotext[:MAX_CHARS],
        "exact": told.exact is not None,
        "program": told.program,
        "place": told.place,
        "prompt": parsed["Prompt"],
        "negative_prompt": parsed["Negative prompt"],
        "pairs": _pairs(told.infotext),
        "texts": _texts(told),
        "width": told.width,
        "height": told.height,
        "format": told.format,
    }


def named(catalog: Catalog, name: str, short_hash: str) -> str:
    """The checkpoint by its name, else by its hash; ``NotFound`` is about the name."""
    try:
        return catalog.resolve(name).name
    except EaselError:
        if not short_hash:
            raise
        try:
            return catalog.resolve(short_hash).name
        except EaselError:
            pass
        raise


def with_our_loras(catalog: Catalog, prompt: str, hashes: str) -> str:
    """``prompt`` with the LoRAs that are here under another name called by that, as A1111 does.

    ``hashes`` are those of "Lora hashes": ``name: digits, …``.
    """
    by_name: dict[str, str] = {}
    for one in hashes.split(",")[:MOST_PAIRS]:
        name, colon, digits = one.partition(":")
        if colon:
            by_name[name.strip()] = digits.strip()

    def renamed(match: re.Match[str]) -> str:
        digits = by_name.get(match[2].strip(), "")
        if not digits or catalog.lora(match[2].strip()) is not None:
            return match[0]
        found = catalog.lora_by_hash(digits)
        return f"<{match[1]}:{found.name}" if found else match[0]

    return _LORA.sub(renamed, prompt) if by_name else prompt


def _whole(told: Told) -> dict[str, Any]:
    """The fields of a whole request, but for a variation's seed without a variation."""
    found = {name: getattr(told.exact, name) for name in keys() if hasattr(told.exact, name)}
    unset = {"variation_seed"} if not found["variation_strength"] else set[str]()
    unset |= {name for name in ("width", "height") if found[name] is None}
    return {name: value for name, value in found.items() if name not in unset}


def _pairs(text: str) -> list[dict[str, Any]]:
    fields = set(keys().values())
    return [
        {"key": key, "value": value, "known": is_known(key, fields)}
        for key, value in written_pairs(text)[:MOST_PAIRS]
    ]


def _texts(told: Told) -> list[dict[str, str]]:
    found = list((told.texts or {}).items())[:MOST_TEXTS]
    return [{"name": name[:200], "text": text[:MOST_CHARS]} for name, text in found]
