"""Two training processes on one machine, each on its own core, that meet now and then.

This is local SGD (Stich 2019): the assistant starts from the leader's weights, trains alone for a
while with its own randomness and hands its weights back; the leader then takes the mean of both
ways, weighted by how many steps each has gone. Unlike threads, neither waits for the other at every
layer, so other work on one of the cores slows down only the one that shares it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tools.starter.state import load_state, save_atomically

Weights = Sequence[torch.Tensor]


class Meeting:
    """The folder in which leader and assistant leave weights for each other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._base, self._gift = folder / "base.pt", folder / "gift.pt"
        self._number = 0
        self._start: list[torch.Tensor] = []
        self._steps = 0

    def lead(self, weights: Weights, step: int) -> int:
        """Called by the leader after each step; the number of the assistant's steps taken in."""
        if not self._start:
            self._number = int(time.time())
            self._publish(weights, step)
            return 0
        self._steps += 1
        if not self._gift.exists():
            return 0
        gift = load_state(self._gift)
        self._gift.unlink()
        if gift is None or gift["number"] != self._number:
            return 0
        share = gift["steps"] / (gift["steps"] + self._steps)
        own = [weight.detach() for weight in weights]
        torch._foreach_lerp_(own, [part.to(own[0].device) for part in gift["weights"]], share)
        self._number += 1
        self._publish(weights, step)
        return gift["steps"]

    def _publish(self, weights: Weights, step: int) -> None:
        self._start = [weight.detach().clone() for weight in weights]
        self._steps = 0
        entry = {"number": self._number, "step": step, "weights": self._start}
        save_atomically(entry, self._base)

    def take(self, weights: Weights) -> int | None:
        """Called by the assistant: wait for the leader's next weights, and its step number.

        None if the leader is gone.
        """
        patience = time.monotonic() + 120
        while time.monotonic() < patience:
            base = load_state(self._base)
            if base is not None and base["number"] != self._number:
                self._number = base["number"]
                for weight, value in zip(weights, base["weights"], strict=True):
                    weight.detach().copy_(value)
                return int(base["step"])
            time.sleep(0.1)
        return None

    def give(self, weights: Weights, steps: int) -> None:
        """Called by the assistant after so many steps."""
        entry = {"number": self._number, "steps": steps, "weights": [w.detach() for w in weights]}
        save_atomically(entry, self._gift)
