"""The tab that draws over a picture, or over the part of it that a mask says.

The start picture and the mask are no values of Gradio's: ``assets/img2img.js`` sends them to the
server when they are put in, and puts their ids into the request.
"""

from __future__ import annotations

import gradio as gr

from webui.core.params import Section
from webui.core.requests import Img2Img
from webui.ui.form import Form
from webui.ui.tabs import Tab, TabContext, drawing
from webui.ui.texts import TEXTS

_ID = "img2img"
SECTIONS: dict[Section, str] = {
    "advanced": "advanced",
    "sampling": "sampling",
    "guidance": "guidance",
}
"""The folded parts of the form, in which is found what has no place of its own."""


def build(context: TabContext) -> Form:
    """Lay the tab out and connect it."""
    form = Form(_ID, Img2Img, context.choices)
    drawing.quick_bar("img2img_quicksettings")
    buttons = drawing.prompts(form)
    with gr.Row(elem_id="img2img_body"):
        with gr.Column(elem_id="img2img_settings"):
            drawing.markup("img2img.html", "img2img_picture_pane")
            _settings(form, context.native_size)
        drawing.results(form)
    drawing.connect(form, buttons)
    return form


def _settings(form: Form, native_size: int) -> None:
    with gr.Column(elem_id="img2img_inpaint_fields"):
        form.add("mask_blur")
        form.add("mask_mode")
        form.add("masked_content")
        form.add("inpaint_area")
        form.add("masked_padding")
    with gr.Column(elem_id="img2img_strength"):
        form.add("denoising_strength")
    form.add("resize_mode")
    drawing.sampling(form)
    drawing.size(form, native_size, {"detect_image_size_btn": "fit_size"})
    drawing.batch(form)
    form.add("cfg_scale")
    drawing.seed(form)
    drawing.folded(form, SECTIONS, "noise_multiplier")


TAB = Tab(_ID, TEXTS["tab_img2img"], build)
