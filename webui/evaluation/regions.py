"""Connected parts of a mask, and their boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Box:
    """Pixel rows top..bottom and columns left..right, the latter of each not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def longer(self) -> int:
        """The longer side in pixels."""
        return max(self.height, self.width)

    @property
    def shorter(self) -> int:
        """The shorter side in pixels."""
        return min(self.height, self.width)

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of an array's part in the box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.top, other.top), max(self.bottom, other.bottom),
            min(self.left, other.left), max(self.right, other.right),
        )  # fmt: skip

    def gap(self, other: Box) -> int:
        """Pixels between the two along the axis that separates them more; negative: overlapping."""
        down = max(other.top - self.bottom, self.top - other.bottom)
        across = max(other.left - self.right, self.left - other.right)
        return max(down, across)


def box_of(mask: Array) -> Box | None:
    """The smallest box around what is set of a mask [h, w]; None if nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _runs(row: Array) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def label(mask: Array) -> tuple[Array, int]:
    """Connected parts (sides and corners) of a mask [h, w]: int labels 1..n [h, w], and n."""
    parent: list[int] = []

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    found: list[tuple[int, int, int, int]] = []
    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(mask):
        here: list[tuple[int, int, int]] = []
        for start, end in _runs(row):
            index = len(parent)
            parent.append(index)
            for first, last, other in above:
                if first <= end and last >= start:
                    parent[root(other)] = root(index)
            here.append((start, end, index))
            found.append((y, start, end, index))
        above = here
    names = {r: n for n, r in enumerate(dict.fromkeys(root(i) for i in range(len(parent))), 1)}
    labels = np.zeros(mask.shape, np.int32)
    for y, start, end, index in found:
        labels[y, start:end] = names[root(index)]
    return labels, len(names)


def filled(mask: Array) -> Array:
    """The mask [h, w] with its holes: all that the picture's edge cannot be reached from."""
    outside = np.pad(~mask, 1, constant_values=True)
    labels, _ = label(outside)
    return (labels != labels[0, 0])[1:-1, 1:-1]


def grown(mask: Array, reach: int) -> Array:
    """The mask and all pixels within `reach` rows and columns of it."""
    wide = mask.copy()
    for axis in (0, 1):
        base = wide.copy()
        for step in range(1, reach + 1):
            ahead, behind = np.roll(base, step, axis), np.roll(base, -step, axis)
            index = [slice(None), slice(None)]
            index[axis] = slice(0, step)
            ahead[tuple(index)] = False
            index[axis] = slice(-step, None)
            behind[tuple(index)] = False
            wide |= ahead | behind
    return wide


def shrunk(mask: Array, reach: int) -> Array:
    """The mask without pixels within `reach` rows and columns of its edge."""
    return ~grown(~mask, reach)
