"""The prompts that the checkpoint is measured by: `python -m tools.starter.prompts` writes them."""

from __future__ import annotations

import sys

import numpy as np

from tools.starter.captions import write_caption
from tools.starter.scene import MIXTURE, draw_scene, draw_subject
from webui.evaluation.questions import STANDARD, Question, write_questions

SEED = 99
PROMPTS, HELD_OUT = 500, 120


def make_questions(
    seed: int = SEED, count: int = PROMPTS, held_out: int = HELD_OUT
) -> list[Question]:
    """Fresh captions that state all facts of their scenes, no two alike.

    So many of them are of subjects (object, colour and background) that training never sees, spread
    evenly among the others, so that any beginning of the list has its share.
    """
    rng = np.random.default_rng([seed, 4])
    questions: dict[str, Question] = {}
    while len(questions) < count:
        done = len(questions)
        unseen = (done + 1) * held_out // count > done * held_out // count
        scene = draw_scene(rng, MIXTURE, draw_subject(rng, MIXTURE, held_out=unseen))
        caption = write_caption(rng, scene, everything=True)
        question = Question(caption.text, caption.facts, scene.subject.held_out)
        questions.setdefault(caption.text, question)
    return list(questions.values())


def main() -> int:
    """Write them to where `webui eval` looks."""
    write_questions(STANDARD, make_questions())
    print(STANDARD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
