"""How often the judges are right themselves, on rendered scenes, where the truth is known."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

import numpy as np

from tools.starter.captions import facts_of
from tools.starter.render import Frame, render_frame
from tools.starter.scene import MIXTURE, STYLES, Scene, draw_scene
from webui.evaluation.measure import measure
from webui.evaluation.questions import Question
from webui.evaluation.table import Answer, tabulate

FRAMES: tuple[Frame, ...] = ((128, 128), (96, 96), (192, 192), (192, 128), (128, 192))
SEED = 12


def scenes(count: int, style: str = "", seed: int = SEED) -> list[Scene]:
    """Random scenes in one style, '' for none."""
    rng = np.random.default_rng([seed, 5])
    mixture = replace(MIXTURE, style=0.0)
    return [replace(draw_scene(rng, mixture), style=style) for _ in range(count)]


def judge_scene(scene: Scene, frame: Frame) -> Answer:
    """What is measured in the scene's picture, with all its facts asked."""
    question = Question("", facts_of(scene), scene.subject.held_out)
    return Answer(question, measure(render_frame(scene, frame), scene.style))


def accuracy(count: int, frame: Frame, style: str = "", seed: int = SEED) -> dict[str, float]:
    """Share of right answers per attribute."""
    return tabulate([judge_scene(scene, frame) for scene in scenes(count, style, seed)])


def accuracies(count: int) -> dict[str, dict[str, float]]:
    """The table for every size, and for every style at the native size."""
    table = {
        f"{w}x{h}": accuracy(count if w == h == 128 else count // 4, (w, h)) for w, h in FRAMES
    }
    return table | {style: accuracy(count // 4, (128, 128), style) for style in STYLES}


def main(argv: list[str] | None = None) -> int:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000)
    options = parser.parse_args(argv)
    print(json.dumps(accuracies(options.scenes), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
