"""Eight jobs together ÷ eight jobs in turn: forward passes and seconds.

The same eight requests (different prompts, samplers, step counts) run once with
``batching=exact``, one after another, and once with ``batching=shared``, where the step loop
evaluates them in common batches.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import STARTER, report
from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.services import Services
from webui.settings import load_settings

SAMPLERS = ("Euler a", "DPM++ 2M", "Euler", "DDIM", "LMS", "DPM++ 2M SDE", "Euler a", "DPM++ 2M")
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "black", "pink")


def requests(size: int) -> list[Txt2Img]:
    """Eight requests that differ in everything that does not change the shape of a batch."""
    return [
        Txt2Img(
            prompt=f"a {colour} star on a white background",
            sampler=sampler,
            steps=16 + 2 * (index % 4),
            cfg_scale=5.0 + index,
            seed=index,
            width=size,
            height=size,
        )
        for index, (colour, sampler) in enumerate(zip(COLOURS, SAMPLERS, strict=True))
    ]


def run(batching: str, size: int) -> dict[str, Any]:
    """Run the eight jobs once warm; returns seconds and forward passes."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            {
                "paths.models": STARTER.parent.parent,
                "paths.outputs": Path(folder) / "outputs",
                "paths.data": Path(folder) / "data",
                "jobs.batching": batching,
                "jobs.preview_every": 0,
            }
        )
        with open_services(settings) as services:
            queue = services.queue
            queue.wait(queue.submit(Txt2Img(prompt="warm", steps=2), caller=LOCAL_CALLER).id, 600)
            before = forwards_so_far(services)
            begun = time.perf_counter()
            jobs = [queue.submit(r, caller=LOCAL_CALLER) for r in requests(size)]
            states = [queue.wait(job.id, 3600).state for job in jobs]
            seconds = time.perf_counter() - begun
            time.sleep(0.5)
            forwards = forwards_so_far(services) - before
    if set(states) != {"done"}:
        raise RuntimeError(f"The jobs ended as {states}.")
    return {"seconds": seconds, "forwards": forwards}


def forwards_so_far(services: Services) -> int:
    """Forward passes of the worker, as of its last finished job."""
    stats = services.queue.status.stats
    return stats.forwards if stats else 0


def main() -> None:
    """Measure and write ``results/together.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rounds = [(run("exact", args.size), run("shared", args.size)) for _ in range(args.rounds)]
    report(
        "together",
        {
            "rounds": [{"in_turn": turn, "together": both} for turn, both in rounds],
            "seconds_ratio": [both["seconds"] / turn["seconds"] for turn, both in rounds],
            "forwards_ratio": [both["forwards"] / turn["forwards"] for turn, both in rounds],
        },
    )


if __name__ == "__main__":
    main()
