"""The tab that draws pictures from a prompt.

Gradio holds the values of the form and nothing else: its events run in the page, which posts to
the HTTP API and follows the job over our own socket. So a job outlives its page, nothing is
streamed through Gradio, and a lost connection cannot leave a button stuck.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from webui.core.requests import Txt2Img
from webui.ui.form import Form
from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

_ID = "txt2img"
_RESULTS = Path(__file__).parent.parent / "assets" / "results.html"


def build(context: TabContext) -> Form:
    """Lay the tab out and connect it."""
    form = Form(_ID, Txt2Img, context.choices)
    with gr.Row(elem_id="txt2img_toprow"):
        with gr.Column(elem_id="txt2img_prompts"):
            form.add("prompt", lines=2, placeholder=TEXTS["prompt_placeholder"])
            form.add("negative_prompt", lines=1, placeholder=TEXTS["negative_placeholder"])
        with gr.Column(elem_id="txt2img_actions"):
            generate, interrupt, skip = _actions()
    with gr.Row(elem_id="txt2img_body"):
        with gr.Column(elem_id="txt2img_settings"):
            _settings(form, context.native_size)
        with gr.Column(elem_id="txt2img_results"):
            gr.HTML(
                _RESULTS.read_text(encoding="utf-8"),
                js_on_load=None,
                apply_default_css=False,
                elem_id="txt2img_results_pane",
            )
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
    with gr.Row(elem_classes="easel-pair easel-size"):
        form.add("width", value=native_size)
        form.add("height", value=native_size)
        swap = _small_button("swap_size", "txt2img_res_switch_btn")
    size = form.pick(["width", "height"])
    swap.click(None, size, size, js="(w, h) => [h, w]", **_PRIVATE)
    with gr.Row(elem_classes="easel-pair"):
        form.add("batch_count")
        form.add("batch_size")
    form.add("cfg_scale")
    with gr.Row(elem_classes="easel-seed"):
        seed = form.add("seed")
        dice = _small_button("random_seed", "txt2img_random_seed")
        reuse = _small_button("reuse_seed", "txt2img_reuse_seed")
    dice.click(None, None, seed, js="() => -1", **_PRIVATE)
    reuse.click(None, seed, seed, js=form.js("reuseSeed", ["seed"]), **_PRIVATE)
    with gr.Accordion(TEXTS["advanced"], open=False, elem_id="txt2img_advanced"):
        form.add("clip_skip")
        form.add("noise_source")


def _actions() -> tuple[gr.Button, gr.Button, gr.Button]:
    generate = gr.Button(TEXTS["generate"], variant="primary", elem_id="txt2img_generate")
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
    apply.click(None, everything, everything, js=form.js("applied"), **_PRIVATE)


def _relay(elem_id: str) -> gr.Button:
    """A button for scripts: its click carries values between the page's scripts and the form."""
    return gr.Button(elem_id=elem_id, visible="hidden")


def _small_button(text: str, elem_id: str) -> gr.Button:
    return gr.Button(TEXTS[text], elem_id=elem_id, size="sm", min_width=60, scale=0)


_PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}

TAB = Tab(_ID, TEXTS["tab_txt2img"], build)
