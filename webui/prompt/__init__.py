"""What a prompt's text says, from weights to schedules; text only, no torch, no disk."""

from __future__ import annotations

from webui.prompt.weights import Span, parse

__all__ = ["Span", "parse"]
