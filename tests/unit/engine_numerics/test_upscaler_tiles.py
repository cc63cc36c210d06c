"""How pictures are cut for upscaling models, and put together again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from webui.engine.upscalers.resize import blended, cropped, lanczos, nearest
from webui.engine.upscalers.tiles import Assembly, Span, smaller, spans, weights
from webui.engine.upscalers.upscaling import passes


@pytest.mark.parametrize(
    ("side", "tile", "overlap", "starts"),
    [
        (100, 0, 8, [0]),
        (100, 192, 8, [0]),
        (192, 192, 8, [0]),
        (193, 192, 8, [0, 1]),
        (376, 192, 8, [0, 184]),  # just two with the smallest overlap
        (377, 192, 8, [0, 92, 185]),
        (512, 192, 8, [0, 160, 320]),
        (100, 20, 0, [0, 20, 40, 60, 80]),
        (40, 20, 19, [0, 10, 20]),  # more than half a tile counts as half
        (3, 2, 8, [0, 1]),
    ],
)
def test_spans(side: int, tile: int, overlap: int, starts: list[int]) -> None:
    found = spans(side, tile, overlap)
    length = min(tile or side, side)
    assert found == tuple(Span(start, start + length) for start in starts)
    assert found[-1].end == side
    gaps = [a.end - b.start for a, b in itertools.pairwise(found)]
    assert all(gap >= min(overlap, tile // 2) for gap in gaps)


@pytest.mark.parametrize("side", [1, 21, 50, 193, 777])
@pytest.mark.parametrize(("tile", "overlap", "scale"), [(20, 5, 2), (20, 10, 1), (192, 8, 4)])
def test_weights_add_up_to_one_and_fade(side: int, tile: int, overlap: int, scale: int) -> None:
    among = spans(side, tile, overlap)
    total = torch.zeros(side * scale)
    for span, weight in zip(among, weights(among, scale), strict=True):
        assert (weight > 0).all()
        total[span.start * scale : span.end * scale] += weight
    assert torch.allclose(total, torch.ones(side * scale))


def test_a_seam_fades_in_a_straight_line() -> None:
    first, second = weights(spans(36, 20, 4), 1)
    assert first[-4:].tolist() == pytest.approx([0.875, 0.625, 0.375, 0.125])
    assert second[:4].tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert first[:16].eq(1).all()


@pytest.mark.parametrize(("height", "width"), [(50, 70), (7, 90), (33, 20)])
def test_what_is_cut_comes_together_again(height: int, width: int) -> None:
    picture = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
    rows, columns = spans(height, 20, 6), spans(width, 20, 6)
    assembly = Assembly(rows, columns, 1)
    for i, down in enumerate(rows):
        for j, across in enumerate(columns):
            part = picture[down.start : down.end, across.start : across.end]
            assembly.add(i, j, part.float())
    assert torch.equal(assembly.result, picture)


@pytest.mark.parametrize(
    ("tile", "size", "expected"),
    [
        (192, (512, 512), 96),
        (0, (512, 300), 256),
        (192, (100, 80), 50),
        (96, (512, 512), 48),
        (31, (512, 512), None),
        (0, (30, 30), None),
    ],
)
def test_smaller_tiles(tile: int, size: tuple[int, int], expected: int | None) -> None:
    assert smaller(tile, *size) == expected


@pytest.mark.parametrize(
    ("size", "wanted", "scale", "expected"),
    [
        ((10, 10), (40, 40), 4, [(10, 10)]),
        ((10, 10), (20, 20), 4, [(10, 10)]),
        ((10, 10), (41, 41), 4, [(10, 10), (40, 40)]),
        ((10, 10), (40, 80), 4, [(10, 10), (40, 40)]),
        ((10, 10), (1000, 1000), 2, [(10, 10), (20, 20), (40, 40)]),
        ((10, 10), (40, 40), 1, [(10, 10)]),
        ((20, 20), (20, 20), 4, [(20, 20)]),
        ((23, 23), (16, 16), 1, [(23, 23)]),  # 23 rounded down to a multiple of 8
        ((20, 20), (10, 10), 4, []),
    ],
)
def test_passes(
    size: tuple[int, int], wanted: tuple[int, int], scale: int, expected: list[tuple[int, int]]
) -> None:
    assert passes(size, wanted, scale) == tuple(expected)


def ramp(height: int, width: int) -> torch.Tensor:
    values = torch.arange(height * width, dtype=torch.uint8).reshape(height, width, 1)
    return values.repeat(1, 1, 3)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ((2, 2), [[5, 6], [9, 10]]),
        ((6, 2), [[0, 4, 5, 6, 7, 0], [0, 8, 9, 10, 11, 0]]),
        ((2, 6), [[0, 0], [1, 2], [5, 6], [9, 10], [13, 14], [0, 0]]),
    ],
)
def test_cropping_takes_the_middle_and_pads_with_black(
    to: tuple[int, int], expected: list[list[int]]
) -> None:
    assert cropped(ramp(4, 4), *to)[..., 0].tolist() == expected


def test_nearest_repeats_lanczos_smooths_and_two_are_blended() -> None:
    small = ramp(2, 2) * 60
    large = nearest(small, 4, 4)
    assert np.array_equal(large.numpy(), small.numpy().repeat(2, 0).repeat(2, 1))
    assert len(lanczos(small, 8, 8).unique()) > 8
    mixed = blended(torch.zeros(1, 1, 3, dtype=torch.uint8), large[:1, 3:], 0.5)
    assert mixed.flatten().tolist() == [30, 30, 30]
