"""Names of the things that the glyph classifier tells apart."""

from __future__ import annotations

GLYPHS: tuple[str, ...] = (
    "apple", "cat", "dog", "fish", "bird", "tree", "flower", "house", "car", "rocket", "boat",
    "sun", "moon", "cloud", "cake", "book", "key", "bell", "umbrella", "guitar", "ball", "crown",
    "hat", "cup",
)  # fmt: skip
