"""Where a prompt says something else than it seems to: sentences for the person who writes it.

Nothing here is an error: a prompt that cannot be read is used as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from webui.prompt import networks, schedules, weights
from webui.prompt.loras import is_lora, read_call
from webui.prompt.plan import Part, split_prompt, without_comments

MOST = 10
_NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Files:
    """What is known of the files that a prompt calls by name.

    ``has_lora`` says whether there is a LoRA of that name; ``unfit`` are the embeddings that it
    calls and that cannot be used, with the reason as the middle of a sentence.
    """

    has_lora: Callable[[str], bool]
    unfit: Mapping[str, str] = field(default_factory=lambda: _NOBODY)


def problems(text: str, *, negative: bool = False, files: Files | None = None) -> tuple[str, ...]:
    """What the page should tell of a prompt, in its order; at most :data:`MOST` sentences.

    ``files`` are those that are there; without them nothing is said of calls.
    """
    found = _of_negative(text) if negative else _of_prompt(text)
    called = _of_files(text, files, negative=negative) if files else ()
    return tuple(islice(dict.fromkeys(chain(found, called)), MOST))


def _of_files(text: str, files: Files, *, negative: bool) -> Iterator[str]:
    """What is called by name, and is not there or cannot be applied."""
    _, found = networks.split_networks(without_comments(text))
    for one in () if negative else found:
        name = one.arguments[0].strip()[:60] if one.arguments else ""
        call = read_call(one)
        if not is_lora(one):
            yield f"“<{one.kind}:{name}…>” has no effect: only LoRAs are applied."
        elif call is None:
            yield f"“<{one.kind}:{name}…>” has no effect: write it as <lora:name:0.8>."
        elif not files.has_lora(call.name):
            yield f"There is no LoRA “{name}” in models/lora; it is left out."
    for name, reason in files.unfit.items():
        yield f"“{name}” is an embedding {reason}; its name is used as words."


def _of_prompt(text: str) -> Iterator[str]:
    parts, _ = split_prompt(text)
    if len(parts) == 1 and parts[0].weight != 1:
        yield (
            f"The number at the end, {parts[0].weight:g}, is the prompt's weight and no text; "
            "write a comma behind it to keep it."
        )
    if begun := networks.unclosed(without_comments(text)):
        yield f"“{begun}” is used as text: it is not closed with “>”."
    for part in parts:
        yield from _of_part(part)


def _of_negative(text: str) -> Iterator[str]:
    plain = without_comments(text)
    _, found = networks.split_networks(plain)
    if found:
        yield f"“<{found[0].kind}:…>” is used as text: in the negative prompt it does nothing."
    if len(split_prompt(plain)[0]) > 1:
        yield "AND is a word like others in the negative prompt; it joins parts of the prompt only."
    yield from _of_part(Part(plain))


def _of_part(part: Part) -> Iterator[str]:
    schedule = schedules.parse(part.text)
    for fault in schedule.faults:
        yield f"“{fault.excerpt}” is used as text: {fault.reason}."
    for number in schedule.shares():
        if number >= 1:
            yield (
                f"The {number:g} in square brackets is a share of a second pass, so it never "
                "comes; for a weight take round brackets."
            )
    for number in weights.bad_weights(part.text):
        yield f"“{number[:40]}” is no weight; write a number such as 1.3."
