"""The styles that a request of A1111's API names, merged into its prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.prompt.styles import PLACE, Style, merge

MAX_STYLES = 100
HIRES_PROMPTS = ("hires_prompt", "hires_negative_prompt")
_MAX_STYLED_CHARS = 4 * MAX_PROMPT_CHARS


def styled(
    values: Mapping[str, Any], names: Sequence[str], styles: Sequence[Style]
) -> tuple[dict[str, str], list[str]]:
    """The prompts of ``values`` with their styles, in the order named, and the unknown names."""
    if len(names) > MAX_STYLES:
        raise InvalidRequest(
            f"There are {len(names)} styles; the most is {MAX_STYLES}.", field="styles"
        )
    known = {style.name: style for style in styles}
    prompts = {name: values.get(name, "") for name in ("prompt", "negative_prompt")}
    # Those of a second pass that are left empty are the first one's, which has the styles already.
    prompts |= {name: values[name] for name in HIRES_PROMPTS if values.get(name)}
    for style in (known[name] for name in names if name in known):
        for name, prompt in prompts.items():
            addition = style.negative_prompt if "negative" in name else style.prompt
            prompts[name] = _merged(prompt, addition)
    return prompts, [name for name in names if name not in known]


def _merged(prompt: str, addition: str) -> str:
    """A prompt with one style's text, told before a text of any length is made: a style may hold
    its place for the prompt many times."""
    length = addition.count(PLACE) * len(prompt) + len(addition)
    if length > _MAX_STYLED_CHARS:
        raise InvalidRequest("With these styles the prompt is too long.", field="styles")
    return merge(prompt, addition)
