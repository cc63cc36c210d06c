"""The tab that draws pictures from a prompt."""

from __future__ import annotations

import html
import json

import gradio as gr

from webui.core.params import Section
from webui.core.requests import Txt2Img
from webui.ui.form import Form
from webui.ui.tabs import Tab, TabContext, drawing
from webui.ui.texts import TEXTS

_ID = "txt2img"
SECTIONS: dict[Section, str] = {
    "hires": "hires",
    "advanced": "advanced",
    "sampling": "sampling",
    "guidance": "guidance",
}
"""The folded parts of the form, in which is found what has no place of its own."""


def build(context: TabContext) -> Form:
    """Lay the tab out and connect it."""
    form = Form(_ID, Txt2Img, context.choices)
    drawing.quick_bar("quicksettings", holds=True)
    buttons = drawing.prompts(form)
    drawing.html(_examples(), "txt2img_examples_pane")
    drawing.markup("form_simple.html", "txt2img_simple_pane")
    with gr.Row(elem_id="txt2img_body"):
        with gr.Column(elem_id="txt2img_settings"):
            drawing.sampling(form)
            drawing.size(form, context.native_size)
            drawing.batch(form)
            form.add("cfg_scale")
            drawing.seed(form)
            drawing.folded(form, SECTIONS)
        drawing.results(form, holds=True)
    drawing.connect(form, buttons)
    return form


def _examples() -> str:
    """Where the page shows the example prompts, with what it needs to know of them."""
    file = drawing.ASSETS / "examples" / "examples.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    data = html.escape(json.dumps(found, ensure_ascii=False))
    return f'<div id="txt2img_examples" data-examples="{data}"></div>'


TAB = Tab(_ID, TEXTS["tab_txt2img"], build)
