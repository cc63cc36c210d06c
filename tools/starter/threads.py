"""How many CPU threads pay off, measured while training, because other work may come and go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class ThreadTuner:
    """Tries one thread and all threads in turn, then stays with the faster for a while.

    With a thread per core, one busy neighbour makes every parallel region wait for it; a single
    thread is then faster. On a quiet machine it is the other way round.
    """

    def __init__(self, most: int, trial: int = 3, stay: int = 60) -> None:
        self._options = sorted({1, most})
        self._trial, self._stay = trial, stay
        self._count = 0
        self._times: dict[int, list[float]] = {}
        self.best = most
        torch.set_num_threads(most)

    def threads_for(self, count: int) -> int:
        """How many threads step number `count` of the current round uses."""
        tried = count // self._trial
        return self._options[tried] if tried < len(self._options) else self.best

    @contextmanager
    def step(self) -> Iterator[None]:
        """Time one training step, and give it its threads."""
        threads = self.threads_for(self._count)
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        start = time.monotonic()
        yield
        self._times.setdefault(threads, []).append(time.monotonic() - start)
        self._count += 1
        if self._count == self._trial * len(self._options):
            self.best = min(self._options, key=lambda n: min(self._times[n]))
        if self._count >= self._trial * len(self._options) + self._stay:
            self._count, self._times = 0, {}
