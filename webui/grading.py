"""`webui eval`: draws prompts through the ordinary queue and worker, and measures the pictures.

Nothing of it reaches the user's library: pictures go to a temporary folder, or to a
named one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from webui.app import open_services, worker_module
from webui.core.errors import SetupError, StorageError
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.core.seeds import MAX_SEED, resolve_seed
from webui.evaluation.measure import measure
from webui.evaluation.questions import STANDARD, Question, read_questions
from webui.evaluation.table import ATTRIBUTES, GATES, Answer, full_table, gates_missed
from webui.jobs import JobQueue
from webui.metadata import parse
from webui.settings import Settings

AHEAD = 32
"""So many jobs are in the queue at once."""
SAY_EVERY = 50

Table = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Exam:
    """What is drawn and measured.

    ``template`` is every request but for prompt and seed; the first prompt is drawn with its seed,
    the next with the next one. ``prompts`` names a file (None: those that come with Easel), of
    which the first ``limit`` are taken. ``out`` gets the report, ``keep`` the pictures.
    """

    template: Txt2Img
    prompts: Path | None = None
    limit: int | None = None
    out: Path | None = None
    keep: Path | None = None


def grade(settings: Settings, exam: Exam, *, as_json: bool = False, strict: bool = False) -> int:
    """Draw, measure and print; returns 1 if ``strict`` and a gate is missed, else 0."""
    questions = read_questions(exam.prompts or STANDARD)[: exam.limit]
    answers = []
    with _workshop(settings, exam) as (queue, template):
        for answer in draw_all(queue, template, questions):
            answers.append(answer)
            if len(answers) % SAY_EVERY == 0:
                print(f"{len(answers)} of {len(questions)}", file=sys.stderr)  # noqa: T201
    table = full_table(answers)
    missed = gates_missed(table)
    report = {
        "checkpoint": template.checkpoint,
        "table": table,
        "misses": missed,
        "pictures": [_line(answer) for answer in answers],
    }
    if exam.out is not None:
        write_json(exam.out, report)
    brief = {name: value for name, value in report.items() if name != "pictures"}
    print(json.dumps(brief, ensure_ascii=False) if as_json else as_text(table, missed))  # noqa: T201
    return int(strict and bool(missed))


@contextmanager
def _workshop(settings: Settings, exam: Exam) -> Iterator[tuple[JobQueue, Txt2Img]]:
    """A queue with folders of its own, and the template with its checkpoint and seed filled in."""
    with TemporaryDirectory(prefix="easel-eval-") as folder:
        outputs = exam.keep or Path(folder, "outputs")
        paths = replace(settings.paths, outputs=outputs, data=Path(folder, "data"))
        jobs = replace(settings.jobs, preview_every=0, batching="shared")
        own = replace(settings, paths=paths, jobs=jobs)
        with open_services(own, journal=Path(folder), worker=worker_module()) as services:
            model = services.catalog.resolve(exam.template.checkpoint)
            seed = resolve_seed(exam.template.seed)
            yield services.queue, replace(exam.template, checkpoint=model.name, seed=seed)


def draw_all(queue: JobQueue, template: Txt2Img, questions: Sequence[Question]) -> Iterator[Answer]:
    """Each question's picture, measured, in order; raises what the first failed job failed of."""
    ids: list[str] = []
    for number, question in enumerate(questions):
        for later in range(len(ids), min(number + AHEAD, len(questions))):
            seed = (template.seed + later) % (MAX_SEED + 1)
            request = replace(template, prompt=questions[later].prompt, seed=seed)
            ids.append(queue.submit(request, caller=LOCAL_CALLER).id)
        job = queue.wait(ids[number])
        if job.error is not None:
            raise job.error.to_exception()
        if not job.images:
            raise SetupError(f"No picture was drawn for {question.prompt!r}.")
        image = job.images[0]
        with Image.open(image.path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        yield Answer(question, measure(pixels, question.style), clip_score_of(image.infotext))


def clip_score_of(text: str) -> float | None:
    """The CLIP score that a picture's infotext notes; None if it notes none."""
    noted = parse(text).get("CLIP score", "")
    try:
        return float(noted)
    except ValueError:
        return None


def _line(answer: Answer) -> dict[str, object]:
    """One picture of the report."""
    return {
        "prompt": answer.question.prompt,
        "facts": dict(answer.question.facts),
        "held_out": answer.question.held_out,
        "measured": asdict(answer.verdict),
        "right": answer.right,
        "clip_score": answer.clip_score,
    }


def write_json(path: Path, value: object) -> None:
    """Readable JSON, under a temporary name first; raises StorageError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from None


def as_text(table: Table, missed: Sequence[str]) -> str:
    """The table for a terminal: a row for each attribute, a column for each group of pictures."""
    groups = list(table)
    widths = [max(11, len(name) + 2) for name in groups]
    head = ["", *groups]
    rows = [
        ["pictures", *(f"{table[g]['pictures']:.0f}" for g in groups)],
        *([name, *(_cell(table[g], name) for g in groups)] for name in ATTRIBUTES),
        *([name, *(_cell(table[g], name) for g in groups)] for name in ("mean", "all")),
    ]
    if any("clip_score" in table[g] for g in groups):
        rows.append(["clip_score", *(f"{table[g].get('clip_score', 0):.1f}" for g in groups)])
    lines = [
        f"{line[0]:<12}" + "".join(f"{cell:>{w}}" for cell, w in zip(line[1:], widths, strict=True))
        for line in (head, *rows)
    ]
    least = ", ".join(f"{name} {value:.2f}" for name, value in GATES.items())
    lines += ["", f"Least shares: {least}."]
    lines += [f"Missed: {sentence}." for sentence in missed] or ["None is missed."]
    return "\n".join(lines)


def _cell(row: dict[str, float], name: str) -> str:
    asked = f" /{row[f'{name}_asked']:.0f}" if f"{name}_asked" in row else ""
    return f"{row[name]:.3f}{asked}" if name in row else "-"
