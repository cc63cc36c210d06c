"""Verdicts to shares: how often the pictures show what their prompts state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from webui.evaluation.measure import Verdict
from webui.evaluation.questions import Question
from webui.evaluation.shapes import SHAPES

ATTRIBUTES = ("colour", "background", "shape", "glyph", "place", "size", "count", "one")
GATES: dict[str, float] = {
    "colour": 0.95,
    "background": 0.95,
    "shape": 0.90,
    "place": 0.85,
    "size": 0.85,
    "glyph": 0.70,
    "count": 0.60,
}
"""Least share of right answers that the starter checkpoint was made for, without a style."""
UNSEEN_MARGIN = 0.10
"""Combinations that training never saw may be worse by so much."""
NEGATION_FACTOR = 4.0
"""A negated colour comes up at most a fourth as often."""


@dataclass(frozen=True)
class Answer:
    """A question, what was measured in the picture drawn for it, and its CLIP score if known."""

    question: Question
    verdict: Verdict
    clip_score: float | None = None

    @property
    def right(self) -> dict[str, bool]:
        """Attribute -> whether the picture shows what is stated; only for what is stated.

        `count` is asked where two or three are stated and `one` where one is, so that the many
        single objects do not hide how well numbers are kept. A glyph has colours of its own, so
        its colour is not asked; neither are a styled picture's colours and background.
        """
        facts, seen = self.question.facts, self.verdict
        right: dict[str, bool] = {}
        thing = facts.get("object", "")
        if thing:
            kind = "shape" if thing in SHAPES else "glyph"
            right[kind] = getattr(seen, kind) == thing
        if "count" in facts:
            number = int(facts["count"])
            right["one" if number == 1 else "count"] = seen.count == number
        if "place" in facts:
            right["place"] = seen.place == facts["place"]
        if self.question.style:
            return right
        if "size" in facts:
            right["size"] = seen.size == facts["size"]
        if "colour" in facts and thing in ("", *SHAPES):
            right["colour"] = seen.colour == facts["colour"]
        if "background" in facts:
            right["background"] = seen.background == facts["background"] and (
                seen.background_colour == facts.get("background_colour", seen.background_colour)
            )
        return right


def share(values: Sequence[bool] | Sequence[float]) -> float:
    """Their mean to four places."""
    return round(float(sum(values)) / len(values), 4)


def tabulate(answers: Sequence[Answer]) -> dict[str, float]:
    """Share of right answers for each attribute that was asked, and how many were asked.

    `mean` is the mean of all single answers, `all` the share of pictures in which everything asked
    is right, `pictures` their number, `clip_score` the mean where there are any.
    """
    table: dict[str, float] = {"pictures": len(answers)}
    rights = [answer.right for answer in answers]
    for name in ATTRIBUTES:
        values = [right[name] for right in rights if name in right]
        if values:
            table[name] = share(values)
            table[f"{name}_asked"] = len(values)
    single = [value for right in rights for value in right.values()]
    if single:
        table["mean"] = share(single)
        table["all"] = share([all(right.values()) for right in rights if right])
    scores = [answer.clip_score for answer in answers if answer.clip_score is not None]
    if scores:
        table["clip_score"] = share(scores)
    return table


def full_table(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """The table of all unstyled pictures, of those seen and unseen in training, and per style."""
    groups = {"unstyled": [a for a in answers if not a.question.style]}
    groups["seen"] = [a for a in groups["unstyled"] if not a.question.held_out]
    groups["unseen"] = [a for a in groups["unstyled"] if a.question.held_out]
    for style in sorted({a.question.style for a in answers if a.question.style}):
        groups[style] = [a for a in answers if a.question.style == style]
    return {name: tabulate(group) for name, group in groups.items() if group}


def gates_missed(table: dict[str, dict[str, float]]) -> list[str]:
    """A sentence for each gate that a full table misses, the unseen combinations' included."""
    missed = []
    whole = table.get("unstyled", {})
    for name, least in GATES.items():
        if name in whole and whole[name] < least:
            missed.append(f"{name} is {whole[name]:.3f}, less than {least:.2f}")
    seen, unseen = table.get("seen", {}), table.get("unseen", {})
    missed.extend(
        f"{name} is {unseen[name]:.3f} unseen, {seen[name]:.3f} seen"
        for name in (*GATES, "mean")
        if name in seen and name in unseen and unseen[name] < seen[name] - UNSEEN_MARGIN
    )
    return missed


def guidance_missed(means: Mapping[float, float]) -> list[str]:
    """A sentence for each guidance scale at which the mean of all answers (by scale) is lower than
    at the next lower scale."""
    scales = sorted(means)
    return [
        f"mean is {means[higher]:.4f} at CFG {higher:g}, {means[lower]:.4f} at CFG {lower:g}"
        for lower, higher in pairwise(scales)
        if means[higher] < means[lower]
    ]


def negation_missed(kept: float) -> list[str]:
    """A sentence if too large a share of pictures keeps a colour that is the negative prompt."""
    most = 1 / NEGATION_FACTOR
    return [f"a negated colour stays in {kept:.3f}, more than {most:.2f}"] if kept > most else []
