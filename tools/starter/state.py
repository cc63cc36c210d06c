"""State that survives an interruption: atomic files, and randomness that follows the step."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch


def step_rng(seed: int, stage: str, step: int) -> np.random.Generator:
    """The numpy randomness of one step; nothing needs saving to repeat it after a resume."""
    return np.random.default_rng([seed, *stage.encode(), step])


def torch_rng(rng: np.random.Generator) -> torch.Generator:
    """A CPU torch generator seeded from a numpy one."""
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def save_atomically(value: Any, path: Path) -> None:
    """torch.save that leaves either the old file or the new one, never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save(value, temporary)
    temporary.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved dict, or None when there is none yet."""
    if not path.exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)


class Log:
    """One JSON line per entry, appended."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._start = time.monotonic()

    def write(self, **fields: Any) -> None:
        """Append one line and show it."""
        fields["elapsed_s"] = round(time.monotonic() - self._start, 1)
        line = json.dumps(fields)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


class StopRequest:
    """True once SIGTERM or SIGINT has arrived, so that a loop can save and leave."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """Ask for a stop."""
        self.asked = True

    def __bool__(self) -> bool:
        return self.asked
