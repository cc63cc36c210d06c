"""Param → Gradio component. Nothing about a field is written here that its declaration says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.core.params import Field

# Where A1111's element id is not made of our field's name, so that its users' styles and
# scripts find the control.
_A1111_IDS = {
    "negative_prompt": "neg_prompt",
    "sampler": "sampling",
    "variation_seed": "subseed",
    "variation_strength": "subseed_strength",
    "seed_resize_width": "seed_resize_from_w",
    "seed_resize_height": "seed_resize_from_h",
    "hires": "hr",
    "hires_upscaler": "hr_upscaler",
    "hires_scale": "hr_scale",
    "hires_width": "hr_resize_x",
    "hires_height": "hr_resize_y",
    "masked_content": "inpainting_fill",
    "inpaint_area": "inpaint_full_res",
    "masked_padding": "inpaint_full_res_padding",
}
_RADIO_AT_MOST = 4

Choices = Mapping[str, Sequence[str]]


def elem_id(tab: str, name: str) -> str:
    """The element id of a field's control: ``txt2img_steps``."""
    return f"{tab}_{_A1111_IDS.get(name, name)}"


def build(field: Field, tab: str, choices: Choices, looks: Mapping[str, Any]) -> Component:
    """The control of ``field`` in ``tab``.

    ``choices`` has the names of every open set a field may refer to; ``looks`` are further
    arguments of the component, a ``value`` to begin with among them.
    """
    common = {"label": field.param.label, "elem_id": elem_id(tab, field.name), **looks}
    value = common.pop("value", field.default)
    return _BUILDERS[field.param.control](field, value, choices, common)


def _text(field: Field, value: Any, _: Choices, common: dict[str, Any]) -> Component:
    return gr.Textbox(value=value, lines=1, max_length=field.param.max_chars, **common)


def _multiline(_: Field, value: Any, __: Choices, common: dict[str, Any]) -> Component:
    return gr.Textbox(value=value, max_lines=8, **common)


def _slider(field: Field, value: Any, _: Choices, common: dict[str, Any]) -> Component:
    p = field.param
    if p.minimum is None or p.maximum is None:
        return _number(field, value, _, common)
    return gr.Slider(p.minimum, p.maximum, value=value, step=p.step, buttons=[], **common)


def _number(field: Field, value: Any, _: Choices, common: dict[str, Any]) -> Component:
    return gr.Number(value=value, precision=0 if field.type is int else None, **common)


def _choice(field: Field, value: Any, choices: Choices, common: dict[str, Any]) -> Component:
    names = list(choices[field.param.choices or ""])
    chosen = value if value in names else next(iter(names), None)
    if 0 < len(names) <= _RADIO_AT_MOST and field.param.choices != "checkpoints":
        return gr.Radio(names, value=chosen, **common)
    return gr.Dropdown(names, value=chosen, **common)


def _checkbox(_: Field, value: Any, __: Choices, common: dict[str, Any]) -> Component:
    return gr.Checkbox(value=value, **common)


_BUILDERS: dict[str, Callable[[Field, Any, Choices, dict[str, Any]], Component]] = {
    "text": _text,
    "multiline": _multiline,
    "slider": _slider,
    "number": _number,
    "seed": _number,
    "choice": _choice,
    "checkbox": _checkbox,
}
