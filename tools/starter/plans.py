"""What latents are kept; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CachePlan:
    """What one cache holds: so many scenes at (width, height) pixels.

    `close` makes close-ups of them, `styled` gives each a style, `edition` makes other scenes.
    """

    frame: tuple[int, int]
    count: int
    close: bool = False
    styled: bool = False
    edition: int = 0

    @property
    def name(self) -> str:
        """Part of a file name."""
        kind = "close-" if self.close else "styled-" if self.styled else ""
        edition = f"-{self.edition}" if self.edition else ""
        return f"{kind}{self.frame[0]}x{self.frame[1]}-{self.count}{edition}"
