"""The pictures of a job that are drawn together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from torch import Tensor

from webui.engine.preview import PreviewBudget


@dataclass(slots=True, eq=False)
class Batch:
    """The pictures being drawn together: which are not ready, and what is known of each."""

    indices: range
    drawing: set[int]
    first: int = 0
    """The first picture that its candidates are for."""
    round: int = 0
    rounds: int = 1
    """Which of how many rounds of candidates for the same pictures this is."""
    done: dict[int, Tensor] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    said: tuple[int, float] = (-1, 0.0)
    begun: float = field(default_factory=time.perf_counter)
    begun_pass: float = 0.0
    number: int = 0
    """Which pass is drawn."""
    previews: PreviewBudget = field(default_factory=PreviewBudget)

    def begin(self, number: int) -> None:
        """Begin a pass: none of its steps is done."""
        self.number, self.begun_pass = number, time.perf_counter()
        self.steps.clear()
        self.said = (-1, 0.0)
