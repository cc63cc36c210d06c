"""What latents are kept; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CachePlan:
    """What one cache holds: so many scenes at (width, height) pixels, or close-ups of them."""

    frame: tuple[int, int]
    count: int
    close: bool = False

    @property
    def name(self) -> str:
        """Part of a file name."""
        kind = "close-" if self.close else ""
        return f"{kind}{self.frame[0]}x{self.frame[1]}-{self.count}"
