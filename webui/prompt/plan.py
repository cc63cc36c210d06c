"""A prompt and a negative prompt as what is to be encoded: parts, weights, texts over the steps.

The order is A1111's: comments go, extra networks are taken out, AND parts the prompt, schedules
give each part its texts; emphasis and BREAK are left in these for the text encoder's chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from webui.prompt.embeddings import EmbeddingNames
from webui.prompt.networks import ExtraNetwork, split_networks
from webui.prompt.schedules import Pieces, pieces_of
from webui.prompt.weights import MOST, sections

_COMMENT = re.compile(r"#[^\n]*")
_AND = re.compile(r"\bAND\b")
_MANY_STEPS = 150
_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """A prompt between ANDs and its weight, which may be negative."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """What guidance steers by: the texts over the steps, of each part with its weight.

    ``negative`` are those of the negative prompt. ``networks`` are the prompt's; as in A1111, a
    negative prompt has none.
    """

    positive: tuple[tuple[Pieces, float], ...]
    negative: Pieces
    networks: tuple[ExtraNetwork, ...] = ()


def plan_prompts(
    prompt: str, negative_prompt: str, steps: int, *, first_pass: int | None = None
) -> PromptPlan:
    """Both prompts over ``steps`` steps. Never fails; what cannot be read is text.

    In a second pass ``first_pass`` is how many steps the first one had.
    """

    def over(text: str) -> Pieces:
        return pieces_of(text, steps, first_pass=first_pass)

    parts, networks = split_prompt(prompt)
    positive = tuple((over(part.text), part.weight) for part in parts)
    return PromptPlan(positive, over(without_comments(negative_prompt)), networks)


def embeddings_in(
    prompt: str,
    negative_prompt: str,
    steps: int,
    emphasis: str,
    names: EmbeddingNames,
    first_pass: int | None = None,
) -> tuple[str, ...]:
    """The embeddings that both prompts call at some step, each once, the prompt's first.

    ``first_pass`` as in :func:`plan_prompts`.
    """
    if not names:
        return ()
    plan = plan_prompts(prompt, negative_prompt, steps, first_pass=first_pass)
    asked = [*(pieces for pieces, _ in plan.positive), plan.negative]
    texts = dict.fromkeys(piece.text for pieces in asked for piece in pieces)
    found = (one for text in texts for one in called_in(text, emphasis, names))
    return tuple(dict.fromkeys(found))


def called_in(text: str, emphasis: str, names: EmbeddingNames) -> tuple[str, ...]:
    """The embeddings that one text calls, in order, as the text encoder's tokens are made."""
    spans = (span for section in sections(text, emphasis) for span in section)
    return tuple(one.name for span in spans for one in names.find(span.text))


def split_prompt(prompt: str) -> tuple[tuple[Part, ...], tuple[ExtraNetwork, ...]]:
    """A prompt's parts, at least one, and its extra networks."""
    text, networks = split_networks(without_comments(prompt))
    return tuple(_part(one) for one in _AND.split(text)), networks


def without_comments(text: str) -> str:
    """``text`` without what stands between ``#`` and the end of a line."""
    return _COMMENT.sub("", text) if "#" in text else text


def plain_text(prompt: str) -> str:
    """What a prompt asks to see, in words alone: for a model that reads no syntax.

    Of what changes over the steps the last counts; parts of no or negative weight are left out.
    """
    parts, _ = split_prompt(prompt)
    shown = [part.text for part in parts if part.weight > 0]
    texts = [pieces_of(text, _MANY_STEPS)[-1].text for text in shown]
    spans = [[span.text for span in section] for text in texts for section in sections(text)]
    return " ".join(" ".join("".join(words) for words in spans).split())


def _part(text: str) -> Part:
    """A part's text and weight: "a cat : 1.5" is ``a cat`` ×1.5, the only part of a prompt too."""
    words, colon, number = text.rpartition(":")
    if colon and (match := _WEIGHT.fullmatch(number)):
        return Part(words.strip(), max(-MOST, min(MOST, float(match[1]))))
    return Part(text.strip())
