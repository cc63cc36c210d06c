"""Loss curves of a training's log as one SVG picture: `python -m tools.starter.curves LOG OUT`."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

STAGES = {
    "vae": "Autoencoder: L1 + gradient L1",
    "text": "Text encoder: cross entropy",
    "unet": "UNet: mean square of v",
    "edged": "UNet, outlines counting more: mean square of v",
    "calibrate": "UNet, guidance calibrated: mean square of v",
    "sharpen": "Autoencoder, sharpened: L1 with edges",
    "decoder": "Decoder alone: L1 + gradient L1",
    "tiny": "Preview decoder",
    "image": "Image tower: contrastive",
}
"""Stage in the log -> title of its curve."""

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 30, 28

Point = tuple[float, float]


def read_curves(log: Path) -> dict[str, list[Point]]:
    """(step, loss) by stage; where a run was resumed the later line counts."""
    curves: dict[str, dict[float, float]] = {}
    for line in log.read_text("utf-8").splitlines():
        entry = json.loads(line)
        if "loss" in entry and "step" in entry:
            curves.setdefault(entry["stage"], {})[entry["step"]] = entry["loss"]
    return {stage: sorted(points.items()) for stage, points in curves.items()}


def ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers of a logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [m * 10.0**p for p in powers for m in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def panel(title: str, points: Sequence[Point], left: float, top: float) -> str:
    """One curve with axes; the loss is logarithmic."""
    last = max(step for step, _ in points)
    losses = [loss for _, loss in points]
    low, high = min(losses) * 0.9, max(losses) * 1.1

    def x(step: float) -> float:
        return left + LEFT + step / last * (WIDTH - LEFT - RIGHT)

    def y(loss: float) -> float:
        share = (math.log(loss) - math.log(low)) / (math.log(high) - math.log(low))
        return top + HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text x="{left + LEFT}" y="{top + 18}" font-weight="bold">{title}</text>']
    parts += [
        f'<line x1="{x(0):.1f}" y1="{y(value):.1f}" x2="{x(last):.1f}" y2="{y(value):.1f}" '
        f'stroke="#ccc"/><text x="{x(0) - 4:.1f}" y="{y(value) + 4:.1f}" '
        f'text-anchor="end">{value:g}</text>'
        for value in ticks(low, high)
    ]
    path = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    foot = top + HEIGHT - 10
    parts += [
        f'<polyline points="{path}" fill="none" stroke="#4756d6" stroke-width="1.5"/>',
        f'<text x="{x(0):.1f}" y="{foot:.1f}">0</text>',
        f'<text x="{x(last):.1f}" y="{foot:.1f}" text-anchor="end">{last:g} steps</text>',
    ]
    return "".join(parts)


def draw(curves: dict[str, list[Point]]) -> str:
    """The SVG of all stages that the log has, two panels in a row."""
    shown = [(STAGES[stage], curves[stage]) for stage in STAGES if len(curves.get(stage, ())) > 1]
    rows = math.ceil(len(shown) / 2)
    panels = "".join(
        panel(title, points, (i % 2) * WIDTH, (i // 2) * HEIGHT)
        for i, (title, points) in enumerate(shown)
    )
    size = f'width="{2 * WIDTH}" height="{rows * HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/>{panels}</svg>\n'
    )


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(argv)
    options.out.write_text(draw(read_curves(options.log)), "utf-8")


if __name__ == "__main__":
    main()
