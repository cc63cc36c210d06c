"""A full-size Stable Diffusion 1.5, 512×512, CFG 7: seconds per step through Easel ÷ bare loop.

The weights are random (``full_model.py``), so the pictures are noise and only speed is told. For
each dtype the two sides draw in turn in processes of their own; the first step of every run is left
out. Easel's default (``--dtype auto``) is reported as well, and how long Interrupt takes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import JsonChild, python, report
from benchmarks.full_model import make
from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.services import Services
from webui.settings import load_settings


def main() -> None:
    """Measure and write ``results/full_size.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="a folder for the model (2.1 GB), kept")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    checkpoint = make(args.models / "checkpoints" / "random-sd15")
    figures: dict[str, Any] = {}
    for dtype in ("float32", "bfloat16"):
        figures[dtype] = _both(args, checkpoint, dtype)
    figures["default"] = _default(args)
    report("full_size", figures)


def _both(args: argparse.Namespace, checkpoint: Path, dtype: str) -> dict[str, Any]:
    ours: list[float] = []
    bare: list[float] = []
    job = {"seed": 1, "steps": args.steps, "width": 512, "height": 512, "cfg_scale": 7.0}
    with tempfile.TemporaryDirectory() as folder, _easel(args, Path(folder), dtype) as services:
        job["output"] = str(Path(folder) / "bare.png")
        with JsonChild(python("bare.py", checkpoint, "--dtype", dtype)) as child:
            for _ in range(args.rounds):
                bare += child.ask(job)["steps"][1:]
                ours += _step_seconds(services, args.steps)
    return {
        "easel_s_per_step": statistics.median(ours),
        "bare_s_per_step": statistics.median(bare),
        "ratio": statistics.median(ours) / statistics.median(bare),
        "easel": ours,
        "bare": bare,
    }


def _default(args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _easel(args, Path(folder), "auto") as services:
        steps = _step_seconds(services, args.steps)
        return {
            "s_per_step": statistics.median(steps),
            "interrupt_s": _interrupt_seconds(services),
        }


@contextmanager
def _easel(args: argparse.Namespace, folder: Path, dtype: str) -> Iterator[Services]:
    settings = load_settings(
        {
            "paths.models": args.models,
            "paths.outputs": folder / "outputs",
            "paths.data": folder / "data",
            "device.dtype": dtype,
            "jobs.preview_every": 0,
        }
    )
    with open_services(settings) as services:
        yield services


def _request(steps: int) -> Txt2Img:
    return Txt2Img(
        prompt="a red circle", sampler="Euler", steps=steps, width=512, height=512, seed=1
    )


def _step_seconds(services: Services, steps: int) -> list[float]:
    """The seconds between the ends of consecutive steps, as published."""
    times: dict[int, float] = {}
    stop = services.queue.subscribe(
        lambda event: (
            times.setdefault(event.progress.step, time.perf_counter())
            if event.progress and event.progress.step
            else None
        )
    )
    job = services.queue.submit(_request(steps), caller=LOCAL_CALLER)
    ended = services.queue.wait(job.id, timeout=3600)
    stop()
    if ended.state != "done":
        raise RuntimeError(f"The job ended as {ended.state}: {ended.error}")
    ends = [times[step] for step in sorted(times)]
    return [b - a for a, b in itertools.pairwise(ends)]


def _interrupt_seconds(services: Services) -> float:
    """From asking to stop, in the middle of a step, to the end of the job."""
    job = services.queue.submit(_request(20), caller=LOCAL_CALLER)
    while services.queue.get(job.id).progress.step < 1:
        time.sleep(0.05)
    time.sleep(0.5)
    begun = time.perf_counter()
    services.queue.interrupt(job.id)
    services.queue.wait(job.id, timeout=600)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
