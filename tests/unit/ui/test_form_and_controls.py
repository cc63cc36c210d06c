"""A declared field becomes a control; nothing is said twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import gradio as gr
import pytest

from webui.core.params import Param, fields_of
from webui.core.requests import Img2Img, Txt2Img
from webui.ui import controls
from webui.ui.form import Form

CHOICES = {
    "checkpoints": ("one", "two"),
    "samplers": ("Euler a", "Heun", "LMS", "DDIM", "Euler"),
    "schedules": ("Automatic", "Karras", "Simple", "DDIM", "Uniform"),
    "noise_sources": ("NV", "CPU", "GPU"),
    "noise_schedules": ("Default", "Zero Terminal SNR"),
    "emphasis_modes": ("Original", "No norm", "None", "Ignore"),
    "unipc_variants": ("bh1", "bh2"),
    "unipc_skips": ("time_uniform", "logSNR"),
    "resize_modes": ("Just resize", "Crop and resize", "Resize and fill"),
    "mask_modes": ("Inpaint masked", "Inpaint not masked"),
    "masked_contents": ("fill", "original"),
    "inpaint_areas": ("Whole picture", "Only masked"),
    "hires_upscalers": ("Latent", "None", "Lanczos", "Nearest", "4x-sharp"),
    "hires_samplers": ("Use same", "Euler a", "Heun", "LMS", "DDIM"),
    "hires_schedules": ("Use same", "Automatic", "Karras", "Simple", "DDIM"),
}


DECLARED = {f.name: f for f in (*fields_of(Img2Img), *fields_of(Txt2Img))}
SHOWN = [f for f in DECLARED.values() if f.param.control != "picture"]


@pytest.mark.parametrize("field", SHOWN, ids=lambda f: f.name)
def test_control_says_what_the_declaration_says(field) -> None:
    with gr.Blocks():
        made = controls.build(field, "txt2img", CHOICES, {})
    assert made.label == field.param.label
    assert made.value in (field.default, "one", 16)  # 16: a slider with nothing chosen yet
    if isinstance(made, gr.Slider):
        p = field.param
        assert (made.minimum, made.maximum, made.step) == (p.minimum, p.maximum, p.step)


def test_ids_are_those_users_of_a1111_know() -> None:
    ids = [controls.elem_id("txt2img", f.name) for f in fields_of(Txt2Img)]
    assert len(set(ids)) == len(ids)
    assert {
        "txt2img_prompt",
        "txt2img_neg_prompt",
        "txt2img_sampling",
        "txt2img_steps",
        "txt2img_width",
        "txt2img_cfg_scale",
        "txt2img_seed",
    } <= set(ids)


def test_no_checkpoint_is_an_empty_list_not_an_error() -> None:
    field = next(f for f in fields_of(Txt2Img) if f.name == "checkpoint")
    with gr.Blocks():
        made = controls.build(field, "txt2img", {**CHOICES, "checkpoints": ()}, {})
    assert isinstance(made, gr.Dropdown)
    assert made.value is None


@dataclass(frozen=True)
class Small:
    words: Annotated[str, Param(label="Words")] = "hello"
    much: Annotated[float, Param(label="How much", control="number")] = 0.5
    yes: Annotated[bool, Param(label="Yes", control="checkbox")] = True


@dataclass(frozen=True)
class Folded:
    placed: Annotated[bool, Param(label="P", control="checkbox", section="guidance")] = True
    maybe: Annotated[float | None, Param(label="M", control="number", section="guidance")] = None
    other: Annotated[bool, Param(label="O", control="checkbox")] = True
    much: Annotated[float, Param(label="H", control="number", section="guidance")] = 0.5


@dataclass(frozen=True)
class OverPicture:
    start: Annotated[str, Param(label="S", control="picture", section="image")] = ""
    much: Annotated[float, Param(label="M", control="number", section="image")] = 0.5
    extra: Annotated[float, Param(label="E", control="number", section="inpaint")] = 0.5


def test_pictures_have_no_control_and_a_section_shows_others_that_are_named() -> None:
    form = Form("over", OverPicture, {})
    with gr.Blocks():
        form.add_section("image", "extra")
    assert form.missing() == set()
    assert {name: field["section"] for name, field in form.describe().items()} == {
        "much": "image",
        "extra": "image",
    }


def test_form_keeps_the_declarations_order_and_knows_what_is_missing() -> None:
    form = Form("small", Small, {})
    with gr.Blocks():
        yes = form.add("yes")
        words = form.add("words", placeholder="say something")
    assert form.pick() == [words, yes]
    assert form.pick(["yes"]) == [yes]
    assert form.missing() == {"much"}
    described = form.describe()["words"]
    assert (described["id"], described["label"], described["help"]) == ("small_words", "Words", "")
    assert (described["default"], described["section"], described["empty"]) == (
        "hello",
        None,
        False,
    )


def test_a_section_takes_what_has_no_other_place() -> None:
    form = Form("folded", Folded, {})
    with gr.Blocks():
        form.add("placed")
        form.add_section("guidance")
    assert form.missing() == {"other"}
    described = form.describe()
    assert {name: field["section"] for name, field in described.items()} == {
        "placed": None,
        "maybe": "guidance",
        "much": "guidance",
    }
    assert [name for name, field in described.items() if field["empty"]] == ["maybe"]
    assert described["much"]["default"] == 0.5


def test_scripts_get_values_by_name() -> None:
    form = Form("small", Small, {})
    with gr.Blocks():
        form.add("yes")
        form.add("words")
    script = form.js("submit")
    assert json.dumps(["words", "yes"]) in script
    assert '"small"' in script
    assert ".submit(" in script
