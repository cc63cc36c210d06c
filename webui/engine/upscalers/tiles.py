"""How a picture is cut into overlapping tiles, and put together again: pure functions of sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST = 16
"""Tiles are not made smaller than this, also where memory is short."""


@dataclass(frozen=True, slots=True)
class Span:
    """A tile's place along one side of a picture: ``start`` and ``end`` in pixels."""

    start: int
    end: int


def spans(side: int, tile: int, overlap: int) -> tuple[Span, ...]:
    """Tiles along a side: all of one length, evenly spread, neighbours at least ``overlap`` alike.

    ``tile`` 0, or one that is not shorter than the side, makes one span of all of it. An overlap of
    more than half a tile counts as half a tile.
    """
    if tile <= 0 or tile >= side:
        return (Span(0, side),)
    step = tile - min(overlap, tile // 2)
    count = math.ceil((side - tile) / step) + 1
    starts = [round(i * (side - tile) / (count - 1)) for i in range(count)]
    return tuple(Span(start, start + tile) for start in starts)


def weights(among: tuple[Span, ...], scale: int) -> list[Tensor]:
    """What each tile counts along a side of the enlarged picture: [length * scale] per span.

    Where two tiles overlap the one fades into the other in a straight line; everywhere the weights
    of all tiles add up to 1.
    """
    total = torch.zeros(among[-1].end * scale)
    ramps: list[Tensor] = []
    for number, span in enumerate(among):
        ramp = torch.ones((span.end - span.start) * scale)
        if number:
            shared = (among[number - 1].end - span.start) * scale
            ramp[:shared] *= _rise(shared)
        if number + 1 < len(among):
            shared = (span.end - among[number + 1].start) * scale
            if shared:
                ramp[-shared:] *= _rise(shared).flip(0)
        total[span.start * scale : span.end * scale] += ramp
        ramps.append(ramp)
    return [
        ramp / total[span.start * scale : span.end * scale]
        for ramp, span in zip(ramps, among, strict=True)
    ]


def smaller(tile: int, width: int, height: int) -> int | None:
    """The tile's side to try when there was no memory for ``tile`` (0: all); None: no smaller."""
    used = min(tile or max(width, height), max(width, height))
    half = used // 2
    return half if half >= SMALLEST else None


def _rise(length: int) -> Tensor:
    """From nearly 0 to nearly 1, never either, so that no pixel is without weight."""
    return (torch.arange(length) + 0.5) / max(length, 1)


class Assembly:
    """An enlarged picture being put together from its tiles, row by row.

    Only one row of tiles is held in float; what is done is kept as uint8 [H, W, 3] in ``result``.
    """

    def __init__(self, rows: tuple[Span, ...], columns: tuple[Span, ...], scale: int) -> None:
        self._rows, self._columns, self._scale = rows, columns, scale
        self._down, self._across = weights(rows, scale), weights(columns, scale)
        self.result = torch.empty(
            rows[-1].end * scale, columns[-1].end * scale, 3, dtype=torch.uint8
        )
        self._strip = self._carry = torch.zeros(0, self.result.shape[1], 3)

    def add(self, row: int, column: int, tile: Tensor) -> None:
        """Add the tile [h * scale, w * scale, 3] float32, 0..255; rows and columns in order."""
        if column == 0:
            self._strip = torch.zeros(tile.shape[0], self.result.shape[1], 3)
        span = self._columns[column]
        across = self._across[column][None, :, None] * self._down[row][:, None, None]
        self._strip[:, span.start * self._scale : span.end * self._scale] += tile * across
        if column == len(self._columns) - 1:
            self._finish(row)

    def _finish(self, row: int) -> None:
        """Write what no later row of tiles reaches; the rest is carried over to the next."""
        strip, carried = self._strip, len(self._carry)
        strip[:carried] += self._carry
        start = self._rows[row].start
        last = row + 1 == len(self._rows)
        until = self._rows[row].end if last else self._rows[row + 1].start
        done = (until - start) * self._scale
        place = start * self._scale
        self.result[place : place + done] = strip[:done].round_().clamp_(0, 255).to(torch.uint8)
        self._carry = strip[done:]
