"""The real worker process, spoken to over its pipes."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest

from tests.fakes import tiny
from tests.fakes.drawing import pixels_of
from webui.core import wire
from webui.core.messages import (
    Command,
    JobFinished,
    JobImage,
    JobSpec,
    JobStep,
    RunJob,
    StopJob,
    WorkerEvent,
    WorkerReady,
    WorkerStats,
)
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img

FIRST = Txt2Img(
    prompt="a red circle", sampler="Euler a", steps=40, cfg_scale=7.0, seed=1, width=64, height=64
)
SECOND = replace(FIRST, prompt="a (blue:1.3) star", sampler="DPM++ 2M", steps=16, cfg_scale=3.5)
PRINTING = """
import os, threading
from webui.engine import worker
def stray():
    print("stray")
    os.write(1, b"stray")
threading.Timer(0.2, stray).start()
worker.main(["--device=cpu", "--batching=shared"])
"""


class Process:
    """A worker process that prints stray text on its standard output, and its events."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", PRINTING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._source = cast(BinaryIO, self._popen.stdout)
        self._sink = cast(BinaryIO, self._popen.stdin)
        self._events: queue.SimpleQueue[WorkerEvent] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with self._source, suppress(EOFError):
            while True:
                self._events.put(wire.read(self._source))

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, command: Command) -> None:
        wire.write(self._sink, command)

    def run(self, job_id: str, request: Txt2Img, model: ModelRef) -> None:
        self.send(RunJob(JobSpec(job_id, 1, request, model)))

    def until(self, wanted: Callable[[WorkerEvent], bool]) -> list[WorkerEvent]:
        """Everything said up to the first wanted event."""
        seen: list[WorkerEvent] = []
        while not seen or not wanted(seen[-1]):
            seen.append(self._events.get(timeout=60))
        return seen

    def until_idle(self, *jobs: str) -> list[WorkerEvent]:
        """Everything said until these jobs have ended and the figures after them."""
        waiting, seen = set(jobs), []
        while waiting:
            seen += self.until(lambda e: isinstance(e, JobFinished))
            waiting.discard(seen[-1].job_id)
        return seen + self.until(lambda e: isinstance(e, WorkerStats))

    def leave(self) -> float:
        """Close its standard input; seconds until it is gone."""
        begun = time.monotonic()
        self._sink.close()
        self._popen.wait(timeout=10)
        return time.monotonic() - begun

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()
        self._sink.close()


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    running = Process()
    yield running
    running.kill()


def picture(events: list[WorkerEvent], job_id: str) -> JobImage:
    return next(e for e in events if isinstance(e, JobImage) and e.job_id == job_id)


def forwards(events: list[WorkerEvent]) -> int:
    return next(e for e in reversed(events) if isinstance(e, WorkerStats)).forwards


def test_it_says_that_it_is_ready(process: Process) -> None:
    (ready,) = process.until(lambda e: isinstance(e, WorkerReady))
    assert isinstance(ready, WorkerReady)
    assert ready.pid == process.pid
    assert ready.device.startswith("CPU")


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux only")
def test_it_is_first_in_line_when_memory_runs_out(process: Process) -> None:
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"


def test_jobs_of_different_samplers_share_passes_and_draw_what_they_draw_alone(
    process: Process, folder_model: ModelRef
) -> None:
    process.run("warm", replace(FIRST, steps=1), folder_model)
    before = forwards(process.until_idle("warm"))
    process.run("first", FIRST, folder_model)
    process.until(lambda e: isinstance(e, JobStep) and e.step >= 5)
    process.run("second", SECOND, folder_model)
    together = process.until_idle("first", "second")
    process.run("first alone", FIRST, folder_model)
    alone = process.until_idle("first alone")
    process.run("second alone", SECOND, folder_model)
    alone += process.until_idle("second alone")

    for job_id in ("first", "second"):
        one, other = picture(together, job_id), picture(alone, f"{job_id} alone")
        assert np.abs(pixels_of(one) - pixels_of(other)).max() <= 2
        assert pixels_of(one).std() > 1
    passes_together = forwards(together) - before
    passes_alone = forwards(alone) - forwards(together)
    assert passes_alone == FIRST.steps + SECOND.steps
    assert passes_together <= 0.8 * passes_alone


def test_a_bad_file_does_not_end_it(process: Process, weights_folder: Path) -> None:
    bad = tiny.write_file(weights_folder / "cut.safetensors")
    os.truncate(bad.path, 5000)
    process.run("bad", FIRST, bad)
    process.run("unknown", FIRST, replace(bad, family="sd9"))
    events = process.until_idle("bad", "unknown")
    errors = {e.job_id: e.error for e in events if isinstance(e, JobFinished)}
    assert errors["bad"] is not None
    assert errors["unknown"] is not None
    assert errors["bad"].code == "model"
    assert "sd9" in errors["unknown"].message


def test_interrupt_is_answered_within_a_step(process: Process, folder_model: ModelRef) -> None:
    process.run("long", replace(FIRST, steps=150), folder_model)
    process.until(lambda e: isinstance(e, JobStep) and e.step >= 2)
    begun = time.monotonic()
    process.send(StopJob("long"))
    end = process.until(lambda e: isinstance(e, JobFinished))[-1]
    assert isinstance(end, JobFinished)
    assert end.stopped
    assert end.forwards < 100
    assert time.monotonic() - begun < 2


def test_it_leaves_with_its_server_in_the_middle_of_a_step(folder_model: ModelRef, process) -> None:
    large = replace(FIRST, steps=150, width=512, height=512, batch_size=4)
    process.run("large", large, folder_model)
    process.until(lambda e: isinstance(e, JobStep) and e.job_id == "large")
    time.sleep(0.2)
    assert process.leave() < 2
