"""The model card, from what was measured: `python -m tools.starter.card REPORT.json --log LOG`.

The report is what `python -m tools.starter.evaluate --out` wrote. Beside the card it puts the loss
curves (SVG) and the sample sheet (WebP) that the evaluation saved.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from tools.starter.config import DEFAULT_OUT
from tools.starter.curves import draw, read_curves
from tools.starter.report import all_missed
from webui.evaluation.table import ATTRIBUTES, GATES, NEGATION_FACTOR, UNSEEN_MARGIN

INTRODUCTION = """---
license: apache-2.0
---
# Easel's starter checkpoint

A small Stable Diffusion in diffusers' folder layout, trained from scratch by this project
with the recipe in [tools/starter](../../../tools/starter/README.md): CLIP text encoder (128
wide, 4 layers, a vocabulary of its own), UNet of 7.4 M weights (v-prediction), autoencoder of
1.6 M (8 times smaller latents, 4 channels), and a tiny decoder for previews. Half precision,
safetensors only.

It draws one to three circles, squares, triangles, stars or hearts in eleven colours, or
apples, cats, dogs, fish, birds, trees, flowers, houses, cars, rockets, boats, suns, moons,
clouds, cakes, books, keys, bells, umbrellas, guitars, balls, crowns, hats or cups; small or
large; on the left, right, top, bottom or in the centre; on a plain or gradient background, in
the night sky, on grass or on the sea; also as pixel art, outline or watercolour. Native size
128×128. It knows nothing else.

"two small blue stars on the left, night sky" · "a cat on grass" · "three red apples, yellow
gradient background, watercolor"

## Measured

Share of pictures that show what the prompt says, Euler, 20 steps. The prompts
(`webui/evaluation/prompts.jsonl`) were drawn with a fixed seed and each states all there is
to say of its scene; *unseen* are combinations of object, colour and background that training
never had. Objects, colours, places, sizes and numbers are measured by geometry and colour;
the things are named by a small classifier trained on rendered pictures, which shares no
weights with the model.
"""

LICENCE = """
## What it was made from

Every training picture was drawn by this project's code. The twenty-four things are rendered
from the glyphs of Noto Color Emoji (Google, SIL Open Font License 1.1); the font itself is
not part of this project, and the licence does not extend to documents made with a font. The
weights are under this project's licence.
"""

Table = Mapping[str, float]


def percent(table: Table, name: str) -> str:
    """'0.912', or a dash where it was not asked."""
    return f"{table[name]:.3f}" if name in table else "–"


def row(title: str, table: Table, names: tuple[str, ...]) -> str:
    """One line of the table."""
    cells = " | ".join(percent(table, name) for name in names)
    return f"| {title} | {table['pictures']} | {cells} |"


def main_table(report: Mapping[str, Any]) -> str:
    """Guidance scales, unseen combinations, styles and other sizes, one row each."""
    names = (*ATTRIBUTES, "mean", "all")
    lines = [f"| | pictures | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    gates = " | ".join(f"≥ {GATES[n]:.2f}" if n in GATES else "" for n in names)
    lines.append(f"| *gate* | | {gates} |")
    scales = [key for key in report if key.startswith("cfg_") and not key.endswith("_misses")]
    scales.sort(key=lambda name: float(name[4:]))
    for key in reversed(scales):
        groups = report[key]
        title = f"CFG {key[4:]}"
        lines.append(row(title, groups["unstyled"], names))
        if key == scales[-1]:
            lines += [
                row(f"{title}, {group}", groups[group], names)
                for group in groups
                if group != "unstyled"
            ]
    for key, table in report.items():
        if key[0].isdigit():
            lines.append(row(f"{key.replace('x', '×')} px", table, names))
    return "\n".join(lines)


def gates_line(report: Mapping[str, Any]) -> str:
    """Which gates are missed at the highest guidance scale, over the scales, and of negation."""
    highest = max(float(key[4:]) for key in report if key.startswith("cfg_") and key[4:].isdigit())
    asked = (
        "Asked besides: that the mean does not fall from one guidance scale to the next, that "
        f"unseen combinations are at most {UNSEEN_MARGIN:.2f} behind the seen ones, and that a "
        f"negated colour stays in at most {1 / NEGATION_FACTOR:.2f}."
    )
    missed = all_missed(report, highest)
    return f"{asked} {'Missed: ' + '; '.join(missed) if missed else 'No gate is missed'}."


def card(report: Mapping[str, Any]) -> str:
    """The whole card."""
    parts = [INTRODUCTION, main_table(report), ""]
    parts.append(
        "`count` is asked where two or three are stated, `one` where one is; `all` is the share "
        "of pictures in which everything is right. Styled prompts are asked for object, number "
        "and place."
    )
    if negated := report.get("negated_colour"):
        parts.append(
            f"\nNegative prompt: of {negated['pictures']} pictures of shapes without a stated "
            f"colour, the one that came up by itself stays in {negated['keep_the_colour']:.3f} "
            "when it is the negative prompt and the noise is the same."
        )
    parts.append(f"\n{gates_line(report)}")
    if judges := report.get("judges"):
        parts.append("\n### The judges themselves, on rendered scenes\n")
        names = [n for n in ATTRIBUTES if any(n in table for table in judges.values())]
        parts.append(f"| | scenes | {' | '.join(names)} |")
        parts.append("|---" * (len(names) + 2) + "|")
        parts += [row(group, table, tuple(names)) for group, table in judges.items()]
    parts.append("\n![Pictures of the first 96 prompts, failures included](samples.webp)\n")
    parts.append("The first 96 of the prompts in order, nothing chosen.\n")
    parts.append("![Loss curves](curves.svg)")
    parts.append(LICENCE)
    return "\n".join(parts)


def main(argv: list[str] | None = None) -> None:
    """Write the card and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--log", type=Path, help="the training's log.jsonl")
    parser.add_argument("--sheet", type=Path, help="the evaluation's contact sheet")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    options = parser.parse_args(argv)
    report = json.loads(options.report.read_text("utf-8"))
    (options.out / "README.md").write_text(card(report), "utf-8")
    if options.log:
        (options.out / "curves.svg").write_text(draw(read_curves(options.log)), "utf-8")
    if options.sheet:
        with Image.open(options.sheet) as sheet:
            sheet.save(options.out / "samples.webp", quality=70, method=6)


if __name__ == "__main__":
    main()
