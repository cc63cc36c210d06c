"""The tab that draws pictures from a prompt.

Gradio holds the values of the form and nothing else: its events run in the page, which posts to
the HTTP API and follows the job over our own socket. So a job outlives its page, nothing is
streamed through Gradio, and a lost connection cannot leave a button stuck.

The simple and the full view are one form: the page's style sheet hides what the simple one lacks.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import gradio as gr

from webui.core.params import Section
from webui.core.requests import Txt2Img
from webui.ui.form import Form
from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

_ID = "txt2img"
_ASSETS = Path(__file__).parent.parent / "assets"


def build(context: TabContext) -> Form:
    """Lay the tab out and connect it."""
    form = Form(_ID, Txt2Img, context.choices)
    _markup("form_quick.html", "quicksettings")
    with gr.Row(elem_id="txt2img_toprow"):
        with gr.Column(elem_id="txt2img_prompts"):
            form.add("prompt", lines=2, placeholder=TEXTS["prompt_placeholder"])
            _markup("form_tools.html", "txt2img_tools_pane")
            form.add("negative_prompt", lines=1, placeholder=TEXTS["negative_placeholder"])
        with gr.Column(elem_id="txt2img_actions"):
            generate, interrupt, skip = _actions()
    _html(_examples(), "txt2img_examples_pane")
    _markup("form_simple.html", "txt2img_simple_pane")
    with gr.Row(elem_id="txt2img_body"):
        with gr.Column(elem_id="txt2img_settings"):
            _settings(form, context.native_size)
        with gr.Column(elem_id="txt2img_results"):
            _markup("results.html", "txt2img_results_pane")
    everything = form.pick()
    generate.click(None, everything, None, js=form.js("submit"), **_PRIVATE)
    interrupt.click(None, None, None, js=form.js("interrupt", []), **_PRIVATE)
    skip.click(None, None, None, js=form.js("skip", []), **_PRIVATE)
    _connect(form)
    return form


def _settings(form: Form, native_size: int) -> None:
    form.add("checkpoint")
    with gr.Row(elem_classes="easel-pair"):
        form.add("sampler")
        form.add("scheduler")
    form.add("steps")
    _size(form, native_size)
    with gr.Row(elem_classes="easel-pair"):
        form.add("batch_count")
        form.add("batch_size")
    form.add("cfg_scale")
    _seed(form)
    for section, title in SECTIONS.items():
        with gr.Accordion(title, open=False, elem_id=f"txt2img_section_{section}"):
            form.add_section(section)
    with gr.Accordion(TEXTS["script"], open=False, elem_id="txt2img_script"):
        _html('<div id="txt2img_script_pane"></div>', "txt2img_script_html")


def _size(form: Form, native_size: int) -> None:
    with gr.Row(elem_classes="easel-pair easel-size"):
        form.add("width", value=native_size)
        form.add("height", value=native_size)
        swap = _small_button("swap_size", "txt2img_res_switch_btn")
    _html('<div id="txt2img_ratios" class="easel-shapes"></div>', "txt2img_ratios_pane")
    size = form.pick(["width", "height"])
    swap.click(None, size, size, js="(w, h) => [h, w]", **_PRIVATE)


def _seed(form: Form) -> None:
    with gr.Row(elem_classes="easel-seed"):
        seed = form.add("seed")
        dice = _small_button("random_seed", "txt2img_random_seed")
        reuse = _small_button("reuse_seed", "txt2img_reuse_seed")
        _html(_EXTRA, "txt2img_extra_pane")
    dice.click(None, None, seed, js="() => -1", **_PRIVATE)
    reuse.click(None, seed, seed, js=form.js("reuseSeed", ["seed"]), **_PRIVATE)
    with gr.Row(elem_classes="easel-seed", elem_id="txt2img_subseed_row"):
        variation = form.add("variation_seed")
        dice = _small_button("random_seed", "txt2img_random_subseed")
        reuse = _small_button("reuse_seed", "txt2img_reuse_subseed")
    form.add("variation_strength")
    with gr.Row(elem_classes="easel-pair", elem_id="txt2img_seed_resize_row"):
        form.add("seed_resize_width")
        form.add("seed_resize_height")
    call = form.js("reuseVariation", ["variation_seed"])
    dice.click(None, None, variation, js="() => -1", **_PRIVATE)
    reuse.click(None, variation, variation, js=call, **_PRIVATE)


def _actions() -> tuple[gr.Button, gr.Button, gr.Button]:
    generate = gr.Button(TEXTS["generate"], variant="primary", elem_id="txt2img_generate")
    _html(_FOREVER, "txt2img_forever_pane")
    with gr.Row(elem_classes="easel-pair"):
        interrupt = gr.Button(TEXTS["interrupt"], elem_id="txt2img_interrupt")
        skip = gr.Button(TEXTS["skip"], elem_id="txt2img_skip")
    return generate, interrupt, skip


def _connect(form: Form) -> None:
    everything = form.pick()
    watched = ["checkpoint", "width", "height"]
    form.components["checkpoint"].change(  # type: ignore[attr-defined]
        None,
        form.pick(watched),
        form.pick(["width", "height"]),
        js=form.js("nativeSize", watched),
        **_PRIVATE,
    )
    apply = _relay("txt2img_apply")
    apply.click(None, everything, everything, js=form.js("collected"), **_PRIVATE)


def _examples() -> str:
    """Where the page shows the example prompts, with what it needs to know of them."""
    found = json.loads((_ASSETS / "examples" / "examples.json").read_text(encoding="utf-8"))
    data = html.escape(json.dumps(found, ensure_ascii=False))
    return f'<div id="txt2img_examples" data-examples="{data}"></div>'


def _markup(file: str, elem_id: str) -> None:
    _html((_ASSETS / file).read_text(encoding="utf-8"), elem_id)


def _html(markup: str, elem_id: str) -> None:
    gr.HTML(markup, js_on_load=None, apply_default_css=False, elem_id=elem_id)


def _relay(elem_id: str) -> gr.Button:
    """A button for scripts: its click carries values between the page's scripts and the form."""
    return gr.Button(elem_id=elem_id, visible="hidden")


def _small_button(text: str, elem_id: str) -> gr.Button:
    return gr.Button(TEXTS[text], elem_id=elem_id, size="sm", min_width=60, scale=0)


_EXTRA = '<label id="txt2img_subseed_show"><input type="checkbox"> <span></span></label>'
_FOREVER = '<button id="txt2img_forever" type="button" class="easel-forever" hidden></button>'
_PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}

SECTIONS: dict[Section, str] = {
    "hires": TEXTS["hires"],
    "advanced": TEXTS["advanced"],
    "sampling": TEXTS["sampling"],
    "guidance": TEXTS["guidance"],
}
"""Titles of the folded parts of the form, in which is found what has no place of its own."""

TAB = Tab(_ID, TEXTS["tab_txt2img"], build)
