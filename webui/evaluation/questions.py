"""Prompts with the facts that they state, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.core.errors import InvalidRequest, NotFound
from webui.evaluation.colour import COLOURS
from webui.evaluation.names import GLYPHS
from webui.evaluation.shapes import SHAPES

STANDARD = Path(__file__).with_name("prompts.jsonl")
"""The prompts that come with Easel: what the starter checkpoint is measured by."""

VALUES: dict[str, tuple[str, ...]] = {
    "object": (*SHAPES, *GLYPHS),
    "colour": COLOURS,
    "count": ("1", "2", "3"),
    "size": ("small", "large"),
    "place": ("left", "right", "top", "bottom", "centre"),
    "background": ("plain", "gradient", "night sky", "grass", "sea"),
    "background_colour": COLOURS,
    "style": ("pixel art", "outline", "watercolour"),
}
"""What can be stated, and the values that can be measured."""


@dataclass(frozen=True)
class Question:
    """A prompt, the facts it states, and whether training never saw their combination."""

    prompt: str
    facts: Mapping[str, str]
    held_out: bool = False

    @property
    def style(self) -> str:
        """The style that is asked for; '' for none."""
        return self.facts.get("style", "")


def parse_question(line: str, where: str) -> Question:
    """One line; `where` names it in errors. Raises InvalidRequest."""
    try:
        value = json.loads(line)
        question = Question(
            str(value["prompt"]),
            {str(k): str(v) for k, v in value["facts"].items()},
            bool(value.get("held_out", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidRequest(
            f'{where} is not like {{"prompt": "a red star", "facts": {{"object": "star"}}}}.',
            field="prompts",
        ) from None
    for name, fact in question.facts.items():
        if name not in VALUES:
            known = ", ".join(VALUES)
            raise InvalidRequest(f"{where}: no fact is called {name!r}; there are {known}.")
        if fact not in VALUES[name]:
            known = ", ".join(VALUES[name])
            raise InvalidRequest(f"{where}: {name} is {fact!r}, which is none of {known}.")
    return question


def read_questions(path: Path) -> list[Question]:
    """All questions of a JSON-lines file; raises NotFound, or InvalidRequest naming the line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"The prompts {path} cannot be read: {error}.") from None
    questions = [
        parse_question(line, f"Line {number} of {path}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not questions:
        raise InvalidRequest(f"{path} has no prompts.", field="prompts")
    return questions


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write what `read_questions` reads, under a temporary name first."""
    lines = []
    for question in questions:
        value: dict[str, object] = {"prompt": question.prompt, "facts": dict(question.facts)}
        if question.held_out:
            value["held_out"] = True
        lines.append(json.dumps(value, ensure_ascii=False))
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("\n".join(lines) + "\n", "utf-8")
    temporary.replace(path)
