"""Draw DDPM, DDIM and PLMS side by side for the page about samplers: steps against quality.

    python -m tools.draw_samplers [CHECKPOINT]

Writes ``docs/samplers.webp`` (one prompt: a row for each sampler, a column for each number of
steps) and prints a Markdown table: how many pictures show what their prompts say, measured in the
pixels, and how far they are from what the same sampler draws with the most steps.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.evaluation.measure import measure
from webui.evaluation.questions import Question
from webui.evaluation.table import Answer
from webui.services import Services
from webui.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "samplers.webp"
SAMPLERS = ("DDPM", "DDIM", "PLMS")
STEPS = (3, 5, 10, 20, 40)
SIDE, LEFT, TOP = 96, 44, 16
BYTES = 150_000


def question(prompt: str, **facts: str) -> Question:
    """A prompt, and what its picture has to show."""
    return Question(prompt, {"count": "1", "background": "plain", **facts})


QUESTIONS = (
    question("a large yellow star on a blue background",
             object="star", colour="yellow", background_colour="blue"),
    question("a red circle on a white background",
             object="circle", colour="red", background_colour="white"),
    question("a green triangle on a black background",
             object="triangle", colour="green", background_colour="black"),
    question("a cat on a blue background", object="cat", background_colour="blue"),
)  # fmt: skip

Picture = NDArray[np.uint8]
Drawn = dict[tuple[str, int], list[Picture]]
"""By sampler and steps: the picture of each question."""


def main(checkpoint: str = "easel-starter") -> int:
    """Draw, write and print; returns the exit status."""
    with TemporaryDirectory(prefix="easel-samplers-") as folder:
        drawn = draw_all(checkpoint, Path(folder))
    data = as_webp(sheet(drawn))
    if len(data) > BYTES:
        print(f"The picture has {len(data)} bytes; the most is {BYTES}.")
        return 1
    PICTURE.write_bytes(data)
    print(f"{PICTURE.relative_to(ROOT)}: {len(data)} bytes\n")
    print("\n".join(table(drawn)))
    return 0


def draw_all(checkpoint: str, folder: Path) -> Drawn:
    """Every question by every sampler with every number of steps; jobs share batches."""
    places = {"models": ROOT / "models", "outputs": folder / "outputs", "data": folder / "data"}
    values = {f"paths.{name}": str(place) for name, place in places.items()}
    quick = {"device.inline": True, "jobs.preview_every": 0, "jobs.batching": "shared"}
    with open_services(load_settings(values | quick, environ={})) as services:
        jobs = {
            (sampler, steps): [ask(services, one, sampler, steps, checkpoint) for one in QUESTIONS]
            for sampler in SAMPLERS
            for steps in STEPS
        }
        return {key: [picture_of(services, job) for job in ids] for key, ids in jobs.items()}


def ask(services: Services, one: Question, sampler: str, steps: int, checkpoint: str) -> str:
    """Queue a question's picture; returns the job's id. DDPM takes the timesteps of the others."""
    request = Txt2Img(
        prompt=one.prompt,
        sampler=sampler,
        scheduler="DDIM",
        steps=steps,
        seed=1,
        checkpoint=checkpoint,
    )
    return services.queue.submit(request, caller=LOCAL_CALLER).id


def picture_of(services: Services, job_id: str) -> Picture:
    """A job's picture once it is done."""
    job = services.queue.wait(job_id, timeout=3600)
    if job.error is not None:
        raise SystemExit(job.error.message)
    with Image.open(job.images[0].path) as image:
        return np.asarray(image.convert("RGB"))


def sheet(drawn: Drawn) -> Image.Image:
    """The first question's pictures with the names of their rows and columns."""
    size = (LEFT + SIDE * len(STEPS), TOP + SIDE * len(SAMPLERS))
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for column, steps in enumerate(STEPS):
        pen.text((LEFT + SIDE * column + 4, 2), f"{steps} steps", fill="black")
    for row, sampler in enumerate(SAMPLERS):
        pen.text((4, TOP + SIDE * row + SIDE // 2 - 6), sampler, fill="black")
        for column, steps in enumerate(STEPS):
            cell = Image.fromarray(drawn[sampler, steps][0]).resize((SIDE, SIDE))
            image.paste(cell, (LEFT + SIDE * column, TOP + SIDE * row))
    return image


def as_webp(image: Image.Image) -> bytes:
    """The picture as WebP without loss."""
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=True, quality=100, method=6)
    return out.getvalue()


def table(drawn: Drawn) -> list[str]:
    """Markdown: shares of right answers, and distances from the last column's pictures."""
    lines = [
        "| | " + " | ".join(f"{steps} steps" for steps in STEPS) + " |",
        "|---" * (len(STEPS) + 1) + "|",
    ]
    for sampler in SAMPLERS:
        cells = [f"{right(drawn[sampler, steps]):.0%}" for steps in STEPS]
        lines.append(f"| {sampler}: what is asked | " + " | ".join(cells) + " |")
    for sampler in SAMPLERS:
        last = drawn[sampler, STEPS[-1]]
        cells = [f"{distance(drawn[sampler, steps], last):.3f}" for steps in STEPS[:-1]]
        lines.append(
            f"| {sampler}: distance from {STEPS[-1]} steps | " + " | ".join(cells) + " | |"
        )
    apart = distance(drawn["PLMS", STEPS[-1]], drawn["DDIM", STEPS[-1]])
    return [*lines, "", f"PLMS and DDIM with {STEPS[-1]} steps are {apart:.3f} apart."]


def right(pictures: list[Picture]) -> float:
    """The share of facts that the pictures show."""
    answers = [Answer(one, measure(shown)) for one, shown in zip(QUESTIONS, pictures, strict=True)]
    facts = [shown for answer in answers for shown in answer.right.values()]
    return sum(facts) / len(facts)


def distance(pictures: list[Picture], others: list[Picture]) -> float:
    """Root of the mean squared difference, of values from 0 to 1."""
    gaps = np.stack(pictures).astype(float) - np.stack(others).astype(float)
    return float(np.sqrt(np.mean((gaps / 255) ** 2)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
