"""What the queue has done since it was opened, as numbers that only grow."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from webui.core.messages import JobStep
from webui.core.results import JobProgress

BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the classes that durations are counted in, in seconds; one more has the rest."""

Stage = Literal["waiting", "running", "saving"]
Outcome = Literal["done", "failed", "cancelled"]


@dataclass(slots=True)
class Spread:
    """How long something took, each time: ``counts`` by :data:`BOUNDS`, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one (the clock was set back) counts as 0."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """A tally at one moment."""

    finished: Mapping[str, int]
    stages: Mapping[str, Spread]
    steps: int
    pictures: int


class Tally:
    """Counts jobs, steps and seconds; every method may be called from any thread.

    A job's waiting lasts from its submission to its (first) start, its running from its last start
    to its end. Saving is how long keeping one picture took: encoding, file and library.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._finished: dict[str, int] = {"done": 0, "failed": 0, "cancelled": 0}
        self._stages: dict[str, Spread] = {
            "waiting": Spread(),
            "running": Spread(),
            "saving": Spread(),
        }
        self._steps = 0
        self._pictures = 0

    def took(self, stage: Stage, seconds: float) -> None:
        """Count a stage of a job."""
        with self._lock:
            self._stages[stage].add(seconds)

    def ended(self, outcome: Outcome) -> None:
        """Count a job's end."""
        with self._lock:
            self._finished[outcome] += 1

    def kept(self, seconds: float) -> None:
        """Count a picture that was saved."""
        with self._lock:
            self._pictures += 1
            self._stages["saving"].add(seconds)

    def stepped(self, before: JobProgress, step: JobStep) -> None:
        """Count the steps since the last report of the job."""
        same = before.image == step.image and before.step <= step.step
        done = step.step - before.step if same else step.step
        with self._lock:
            self._steps += max(done, 0)

    def figures(self) -> Figures:
        """Everything so far."""
        with self._lock:
            stages = {name: Spread(list(s.counts), s.total) for name, s in self._stages.items()}
            return Figures(dict(self._finished), stages, self._steps, self._pictures)
