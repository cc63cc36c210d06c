"""Styles in what was read of a pasted text or picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webui.prompt.style_search import recognise
from webui.prompt.styles import Style
from webui.settings.sections import InfotextStyles


def infer_styles(
    found: dict[str, Any], styles: Sequence[Style], mode: InfotextStyles
) -> dict[str, Any]:
    """``found`` with the text of styles taken out of its prompts.

    ``styles`` is added to it: the names to choose instead, or None where the choice is to be left
    to the page. ``mode`` as A1111's option ``infotext_styles``.
    """
    values = found["values"]
    if mode == "ignore" or not (values.get("prompt") or values.get("negative_prompt")):
        return {**found, "styles": None}
    told = recognise(values.get("prompt", ""), values.get("negative_prompt", ""), styles)
    prompts = {"prompt": told.prompt, "negative_prompt": told.negative_prompt}
    changed = {name: prompts[name] for name in prompts if name in values}
    chosen = None if mode == "discard" or (mode != "apply" and not told.names) else told.names
    return {
        **found,
        "values": {**values, **changed},
        "styles": None if chosen is None else list(chosen),
    }
