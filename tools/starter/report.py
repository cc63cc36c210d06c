"""What an evaluation's report says about the gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def all_missed(report: Mapping[str, Any], scale: float) -> list[str]:
    """Every gate that a report misses: at this guidance scale, from one scale to the next, and of
    negation."""
    kinds = (f"cfg_{scale:g}_misses", "guidance_misses", "negation_misses")
    return [sentence for kind in kinds for sentence in report.get(kind, [])]
