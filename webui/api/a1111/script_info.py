"""The scripts there are and their arguments, in A1111's order: what ``script_args`` holds.

Titles, labels, order and bounds are those of A1111 1.10's ``prompt_matrix.py``,
``prompts_from_file.py`` and ``xyz_grid.py``. What an argument does here is said where requests are
translated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from webui.api.a1111.axes import axis_labels
from webui.core.requests import DrawRequest, Img2Img, Txt2Img


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument: ``value`` is what counts where it is not given."""

    label: str
    value: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script that a request can name."""

    title: str
    args: tuple[Argument, ...]


def _flag(label: str, value: bool = False) -> Argument:
    return Argument(label=label, value=value)


def _choice(label: str, *choices: str, value: str = "") -> Argument:
    return Argument(label=label, value=value or choices[0], choices=choices)


def _margin() -> Argument:
    return Argument(label="Grid margins (px)", value=0, minimum=0, maximum=500, step=2)


def _axis(place: str, kind: type[DrawRequest]) -> tuple[Argument, ...]:
    return (
        _choice(f"{place} type", *axis_labels(kind)),
        Argument(label=f"{place} values", value=""),
        Argument(label=f"{place} values", value=[], choices=()),
    )


@cache
def scripts_of(kind: type[DrawRequest]) -> tuple[Script, ...]:
    """Those of one kind of request, in the order A1111 lists them."""
    return (
        Script(
            "Prompt matrix",
            (
                _flag("Put variable parts at start of prompt"),
                _flag("Use different seed for each picture"),
                _choice("Select prompt", "positive", "negative"),
                _choice("Select joining char", "comma", "space"),
                _margin(),
            ),
        ),
        Script(
            "Prompts from file or textbox",
            (
                _flag("Iterate seed every line"),
                _flag("Use same random seed for all lines"),
                _choice("Insert prompts at the", "start", "end"),
                Argument(label="List of prompt inputs", value=""),
            ),
        ),
        Script(
            "X/Y/Z plot",
            (
                *_axis("X", kind),
                *_axis("Y", kind),
                *_axis("Z", kind),
                _flag("Draw legend", value=True),
                _flag("Include Sub Images"),
                _flag("Include Sub Grids"),
                _flag("Keep -1 for seeds"),
                _flag("Vary seeds for X"),
                _flag("Vary seeds for Y"),
                _flag("Vary seeds for Z"),
                _margin(),
                _flag("Use text inputs instead of dropdowns"),
            ),
        ),
    )


SCRIPTS = scripts_of(Txt2Img)
"""Names are compared without regard to case."""


def script_views() -> list[dict[str, Any]]:
    """``/sdapi/v1/script-info``: every script of either tab with its arguments."""
    return [
        {
            "name": script.title.lower(),
            "is_alwayson": False,
            "is_img2img": kind is Img2Img,
            "args": [_argument_view(argument) for argument in script.args],
        }
        for kind in (Txt2Img, Img2Img)
        for script in scripts_of(kind)
    ]


def _argument_view(argument: Argument) -> dict[str, Any]:
    return {
        "label": argument.label,
        "value": argument.value,
        "minimum": argument.minimum,
        "maximum": argument.maximum,
        "step": argument.step,
        "choices": None if argument.choices is None else list(argument.choices),
    }
