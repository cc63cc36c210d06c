"""The eleven colours that the starter checkpoint knows: those that its judges tell apart."""

from webui.evaluation.colour import COLOURS, PALETTE

__all__ = ["COLOURS", "PALETTE", "SYNONYMS"]

SYNONYMS: dict[str, str] = {"grey": "gray", "violet": "purple"}
"""Other words a prompt may use for a palette colour."""
