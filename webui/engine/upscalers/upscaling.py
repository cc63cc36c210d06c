"""One picture made larger, by any upscaler, in the turns of a job's script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import cast

from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.core.models import ModelRef
from webui.core.upscalers import TILE, TILE_OVERLAP, is_model
from webui.engine.denoise import is_out_of_memory
from webui.engine.families.upscaler import UpscalingModel
from webui.engine.models.manager import ModelManager
from webui.engine.pipelines.waiting import Script, patiently
from webui.engine.upscalers.resize import METHODS, lanczos
from webui.engine.upscalers.tiles import Assembly, smaller, spans

MAX_PASSES = 3
_ROUNDED = 8
MAX_PIXELS = 200_000_000
"""Of what a model makes of a picture on the way to the size that is wanted: 600 MB as uint8."""


_Tell = Callable[[int, int, int], None]
"""Is told the tiles' side, how many are done in this pass, and of how many."""


def _nobody(done: int, count: int) -> None:
    """Tell nobody."""


def _silent() -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Bench:
    """What a job gives :func:`upscaled` to work with.

    A model stays leased until ``leases`` closes. ``tile`` is the side of the squares it sees at
    once in pixels, 0 for all of the picture, ``overlap`` by how much neighbours share.
    ``on_loading`` is called before a model is loaded, ``on_tile`` with how many tiles are done and
    how many there are in all (which may grow, where memory asks for smaller ones).
    """

    manager: ModelManager
    leases: ExitStack
    tile: int = TILE
    overlap: int = TILE_OVERLAP
    on_tile: Callable[[int, int], None] = _nobody
    on_loading: Callable[[], None] = _silent


def upscaled(
    pixels: Tensor, upscaler: ModelRef, width: int, height: int, bench: Bench
) -> Script[Tensor]:
    """``pixels`` uint8 [H, W, 3] on the CPU as [height, width, 3]; for ``yield from``.

    A built-in method resizes in one go ("None" by Lanczos). A model enlarges by its own scale,
    again while that is smaller than what is wanted, three times at most; Lanczos then makes the
    size that is wanted (A1111's ``Upscaler.upscale``). It gives others their turn between tiles,
    so whoever wants to stop closes it there. Raises ``ModelError`` for a file that cannot be used
    and ``OutOfMemory`` when even small tiles do not fit.
    """
    if not is_model(upscaler):
        yield "turn"
        return METHODS[upscaler.name](pixels, width, height)
    model = yield from patiently(partial(_leased, upscaler, bench))
    high, wide, _ = pixels.shape
    sizes = passes((wide, high), (width, height), model.scale)
    tile, finished = 0 if model.whole else bench.tile, 0
    for number in range(len(sizes)):
        _check(sizes[number], model.scale)
        tell = partial(_tell, bench, finished, sizes[number + 1 :])
        tiled = yield from _enlarged(pixels, model, tile, bench, tell)
        pixels, tile, finished = tiled.pixels, tiled.tile, finished + tiled.count
    return lanczos(pixels, width, height)


def passes(
    size: tuple[int, int], wanted: tuple[int, int], scale: int
) -> tuple[tuple[int, int], ...]:
    """The sizes a picture has before each pass of a model with ``scale``.

    None where both sides are large enough already, but one where the size is to stay (A1111: a
    model may clean a picture that it does not enlarge; there sides were rounded down to multiples
    of 8). A model of scale 1 has nothing to gain from a second pass.
    """
    width, height = size
    found: list[tuple[int, int]] = []
    for number in range(1 if scale == 1 else MAX_PASSES):
        over = (width - wanted[0], height - wanted[1])
        stays = number == 0 and max(over) < _ROUNDED
        if min(over) >= 0 and not stays:
            break
        found.append((width, height))
        width, height = width * scale, height * scale
    return tuple(found)


def _leased(upscaler: ModelRef, bench: Bench) -> UpscalingModel:
    if not bench.manager.is_loaded(upscaler, "upscaler"):
        bench.on_loading()
    leased = bench.leases.enter_context(bench.manager.lease(upscaler, "upscaler"))
    return cast(UpscalingModel, leased.parts["upscaler"])


def _check(size: tuple[int, int], scale: int) -> None:
    width, height = size[0] * scale, size[1] * scale
    if width * height > MAX_PIXELS:
        raise OutOfMemory(
            f"The model would make {width}×{height} pixels on the way, more than "
            f"{MAX_PIXELS // 1_000_000} million; enlarge less, or a smaller picture."
        )


def _tell(
    bench: Bench, before: int, later: Sequence[tuple[int, int]], tile: int, done: int, count: int
) -> None:
    """Say how many tiles are done; ``later`` are the sizes before the passes that will follow."""
    rest = sum(
        len(spans(width, tile, bench.overlap)) * len(spans(height, tile, bench.overlap))
        for width, height in later
    )
    bench.on_tile(before + done, before + count + rest)


@dataclass(frozen=True)
class _Tiled:
    """What a pass made, and the number of its tiles and their side."""

    pixels: Tensor
    tile: int
    count: int


def _enlarged(
    pixels: Tensor, model: UpscalingModel, tile: int, bench: Bench, tell: _Tell
) -> Script[_Tiled]:
    """One pass, with smaller tiles where memory is short."""
    high, wide, _ = pixels.shape
    has_released = False
    while True:
        tiled = yield from _pass(pixels, model, tile, bench.overlap, tell)
        if tiled is not None:
            return tiled
        if not has_released:
            has_released = True
            if bench.manager.release_unused():
                continue  # the same once more, now that there is more room
        less = smaller(tile, wide, high)
        if less is None or model.whole:
            raise OutOfMemory("There is not enough memory for this upscaler; enlarge less.")
        tile = less


def _pass(
    pixels: Tensor, model: UpscalingModel, tile: int, overlap: int, tell: _Tell
) -> Script[_Tiled | None]:
    """One pass with tiles of that side; None where there was no memory for it."""
    high, wide, _ = pixels.shape
    rows, columns = (spans(side, tile, overlap) for side in (high, wide))
    assembly = Assembly(rows, columns, model.scale)
    count = len(rows) * len(columns)
    for number in range(count):
        yield "turn"
        row, column = divmod(number, len(columns))
        down, across = rows[row], columns[column]
        try:
            piece = model(pixels[down.start : down.end, across.start : across.end])
            assembly.add(row, column, piece)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        tell(tile, number + 1, count)
    return _Tiled(assembly.result, tile, count)
