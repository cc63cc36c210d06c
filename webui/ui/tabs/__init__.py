"""The tabs of the page: one module each, exporting ``TAB``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webui.ui.controls import Choices
from webui.ui.form import Form


@dataclass(frozen=True, slots=True)
class TabContext:
    """What a tab is built from: names to choose from, and the default checkpoint's native size."""

    choices: Choices
    native_size: int


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab: ``build`` lays it out inside the tab and returns its form, or None if it has none."""

    id: str
    label: str
    build: Callable[[TabContext], Form | None]
