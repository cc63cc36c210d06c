"""The eleven colours that the starter checkpoint knows, by name.

This module imports nothing, so that tests and tools can read the colours without torch.
"""

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (220, 38, 38),
    "orange": (250, 135, 20),
    "yellow": (250, 220, 50),
    "green": (40, 150, 65),
    "blue": (40, 85, 220),
    "purple": (125, 45, 170),
    "pink": (250, 150, 195),
    "brown": (120, 70, 35),
    "black": (14, 14, 14),
    "gray": (128, 128, 128),
    "white": (250, 250, 250),
}
"""Colour name -> sRGB, 0..255."""

COLOURS: tuple[str, ...] = tuple(PALETTE)

SYNONYMS: dict[str, str] = {"grey": "gray", "violet": "purple"}
"""Other words a prompt may use for a palette colour."""
