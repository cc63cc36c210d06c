"""Seconds per picture through Easel ÷ a bare loop; the target is 1.03, and 1.06 with previews.

Both sides live in processes of their own and draw in turn, so that a machine whose speed drifts
treats them alike. Easel's side is everything a user waits for: submit, journal, worker, steps,
decode, PNG with its parameters, library row, done event. The bare side (``bare.py``) has its prompt
embeddings made beforehand and only steps, decodes and writes a PNG. Both use the same dtype,
number of threads, and memory layout.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import STARTER, JsonChild, median_interval, python, report
from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.services import Services
from webui.settings import Settings, load_settings

PROMPT = "a red circle on a white background"


def main() -> None:
    """Measure and write ``results/overhead*.json``."""
    args = _arguments()
    figures = {}
    for name, every in (("previews_off", 0), ("previews_on", args.preview_every)):
        figures[name] = _measure(args, every)
    report(f"overhead-{args.checkpoint.name}-{args.size}-{args.dtype}", figures)


def _measure(args: argparse.Namespace, preview_every: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(args, Path(folder), preview_every)
        bare = python("bare.py", args.checkpoint, "--dtype", args.dtype, "--prompt", PROMPT)
        if args.channels_last:
            bare.append("--channels-last")
        with open_services(settings) as services, JsonChild(bare) as child:
            pairs = _pairs(args, services, child, Path(folder))
    ratios = [easel / raw for easel, raw in pairs]
    return {
        "ratio": median_interval(ratios),
        "easel_seconds": median_interval([easel for easel, _ in pairs]),
        "bare_seconds": median_interval([raw for _, raw in pairs]),
        "size": args.size,
        "steps": args.steps,
        "dtype": args.dtype,
        "preview_every": preview_every,
    }


def _pairs(
    args: argparse.Namespace, services: Services, child: JsonChild, folder: Path
) -> list[tuple[float, float]]:
    request = Txt2Img(
        prompt=PROMPT,
        checkpoint=args.checkpoint.name,
        sampler="Euler",
        scheduler="Uniform",
        steps=args.steps,
        width=args.size,
        height=args.size,
    )
    raw = {
        "steps": args.steps,
        "width": args.size,
        "height": args.size,
        "cfg_scale": 7.0,
        "output": str(folder / "bare.png"),
    }
    pairs: list[tuple[float, float]] = []
    for index in range(args.pairs + 3):
        raw_seconds = child.ask({**raw, "seed": index})["seconds"]
        pairs.append((_through_easel(services, replace(request, seed=index)), raw_seconds))
    return pairs[3:]


def _through_easel(services: Services, request: Txt2Img) -> float:
    begun = time.perf_counter()
    job = services.queue.submit(request, caller=LOCAL_CALLER)
    job = services.queue.wait(job.id, timeout=3600)
    seconds = time.perf_counter() - begun
    if job.state != "done":
        raise RuntimeError(f"The job ended as {job.state}: {job.error}")
    return seconds


def _settings(args: argparse.Namespace, folder: Path, preview_every: int) -> Settings:
    return load_settings(
        {
            "paths.models": args.checkpoint.parent.parent,
            "paths.outputs": folder / "outputs",
            "paths.data": folder / "data",
            "device.dtype": args.dtype,
            "jobs.preview_every": preview_every,
        }
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=STARTER)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--preview-every", type=int, default=3)
    parser.add_argument("--channels-last", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
