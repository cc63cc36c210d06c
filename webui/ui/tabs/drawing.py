"""What the tabs that draw have in common: prompts, buttons, sizes, seeds and the folded parts.

Gradio holds the values of a form and nothing else: its events run in the page, which posts to the
HTTP API and follows the job over our own socket. So a job outlives its page, nothing is streamed
through Gradio, and a lost connection cannot leave a button stuck.

The bar above the form and the result pane are there once: the page's scripts move them into the
tab that is open. The simple and the full view are one form: the page's style sheet hides what the
simple one lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from webui.core.params import Section
from webui.ui.form import Form
from webui.ui.texts import TEXTS

ASSETS = Path(__file__).parent.parent / "assets"
PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}
"""How every event of the page is: not offered to programs, and nothing that is waited for."""

_EXTRA = '<label id="{tab}_subseed_show"><input type="checkbox"> <span></span></label>'
_FOREVER = '<button id="{tab}_forever" type="button" class="easel-forever" hidden></button>'
_OWN_PASTE = 'id="paste"'


def quick_bar(elem_id: str, *, holds: bool = False) -> None:
    """Where the bar above the form is shown; ``holds``: where it is to begin with."""
    _place(elem_id, "form_quick.html" if holds else None)


def prompts(form: Form) -> tuple[gr.Button, gr.Button, gr.Button]:
    """The row of prompts and actions; the buttons that generate, interrupt and skip."""
    tab = form.tab
    with gr.Row(elem_id=f"{tab}_toprow"):
        with gr.Column(elem_id=f"{tab}_prompts"):
            form.add("prompt", lines=2, placeholder=TEXTS["prompt_placeholder"])
            html(_tools(tab), f"{tab}_tools_pane")
            form.add("negative_prompt", lines=1, placeholder=TEXTS["negative_placeholder"])
        with gr.Column(elem_id=f"{tab}_actions"):
            return _actions(tab)


def results(form: Form, *, holds: bool = False) -> None:
    """The column of the result pane; ``holds``: where the pane is to begin with."""
    with gr.Column(elem_id=f"{form.tab}_results"):
        _place(f"{form.tab}_results_pane", "results.html" if holds else None)


def sampling(form: Form) -> None:
    """Checkpoint, sampler, steps."""
    form.add("checkpoint")
    with gr.Row(elem_classes="easel-pair"):
        form.add("sampler")
        form.add("scheduler")
    form.add("steps")


def size(form: Form, native_size: int, more: Mapping[str, str] | None = None) -> None:
    """Width and height, which can be swapped and chosen by shape.

    ``more`` has further buttons: the keys of their texts by the ends of their ids.
    """
    tab = form.tab
    with gr.Row(elem_classes="easel-pair easel-size"):
        form.add("width", value=native_size)
        form.add("height", value=native_size)
        swap = small_button("swap_size", f"{tab}_res_switch_btn")
        for name, key in (more or {}).items():
            small_button(key, f"{tab}_{name}")
    html(f'<div id="{tab}_ratios" class="easel-shapes"></div>', f"{tab}_ratios_pane")
    sides = form.pick(["width", "height"])
    swap.click(None, sides, sides, js="(w, h) => [h, w]", **PRIVATE)


def batch(form: Form) -> None:
    """How many pictures."""
    with gr.Row(elem_classes="easel-pair"):
        form.add("batch_count")
        form.add("batch_size")


def seed(form: Form) -> None:
    """The seed, and what is shown of it under "Extra"."""
    tab = form.tab
    with gr.Row(elem_classes="easel-seed"):
        seed = form.add("seed")
        dice = small_button("random_seed", f"{tab}_random_seed")
        reuse = small_button("reuse_seed", f"{tab}_reuse_seed")
        html(_EXTRA.format(tab=tab), f"{tab}_extra_pane")
    dice.click(None, None, seed, js="() => -1", **PRIVATE)
    reuse.click(None, seed, seed, js=form.js("reuseSeed", ["seed"]), **PRIVATE)
    with gr.Row(elem_classes="easel-seed", elem_id=f"{tab}_subseed_row"):
        variation = form.add("variation_seed")
        dice = small_button("random_seed", f"{tab}_random_subseed")
        reuse = small_button("reuse_seed", f"{tab}_reuse_subseed")
    form.add("variation_strength")
    with gr.Row(elem_classes="easel-pair", elem_id=f"{tab}_seed_resize_row"):
        form.add("seed_resize_width")
        form.add("seed_resize_height")
    call = form.js("reuseVariation", ["variation_seed"])
    dice.click(None, None, variation, js="() => -1", **PRIVATE)
    reuse.click(None, variation, variation, js=call, **PRIVATE)


def folded(form: Form, sections: Mapping[Section, str], *advanced: str) -> None:
    """The folded parts of the form by section, with their titles' keys, and the scripts.

    ``advanced`` names fields of other sections that are shown with the advanced ones.
    """
    for section, title in sections.items():
        with gr.Accordion(TEXTS[title], open=False, elem_id=f"{form.tab}_section_{section}"):
            if section == "hires":
                html(f'<p id="{form.tab}_hires_size"></p>', f"{form.tab}_hires_pane")
            form.add_section(section, *(advanced if section == "advanced" else ()))
    with gr.Accordion(TEXTS["script"], open=False, elem_id=f"{form.tab}_script"):
        html(f'<div id="{form.tab}_script_pane"></div>', f"{form.tab}_script_html")


def connect(form: Form, buttons: tuple[gr.Button, gr.Button, gr.Button]) -> None:
    """Let the page's scripts hear of what is pressed and chosen, once every control is there."""
    generate, interrupt, skip = buttons
    generate.click(None, form.pick(), None, js=form.js("submit"), **PRIVATE)
    interrupt.click(None, None, None, js=form.js("interrupt", []), **PRIVATE)
    skip.click(None, None, None, js=form.js("skip", []), **PRIVATE)
    watched = ["checkpoint", "width", "height"]
    form.components["checkpoint"].change(  # type: ignore[attr-defined]
        None,
        form.pick(watched),
        form.pick(["width", "height"]),
        js=form.js("nativeSize", watched),
        **PRIVATE,
    )


def relay(form: Form) -> None:
    """A button for scripts: its click carries values between the page's scripts and the form.

    It stands outside the tabs, which are not there before they are opened.
    """
    apply = gr.Button(elem_id=f"{form.tab}_apply", visible="hidden")
    everything = form.pick()
    apply.click(None, everything, everything, js=form.js("collected"), **PRIVATE)


def markup(file: str, elem_id: str) -> None:
    """Markup of the page's own, by its file."""
    html((ASSETS / file).read_text(encoding="utf-8"), elem_id)


def html(text: str, elem_id: str) -> None:
    """Markup that scripts bring to life."""
    gr.HTML(text, js_on_load=None, apply_default_css=False, elem_id=elem_id)


def small_button(text: str, elem_id: str) -> gr.Button:
    """A button beside a control, with the text of that key."""
    return gr.Button(TEXTS[text], elem_id=elem_id, size="sm", min_width=60, scale=0)


def _place(elem_id: str, file: str | None) -> None:
    inner = (ASSETS / file).read_text(encoding="utf-8") if file else ""
    html(f'<div class="easel-place">{inner}</div>', elem_id)


def _tools(tab: str) -> str:
    """The row of tools below the prompt; only the first tab has A1111's id of the ↙ button."""
    found = (ASSETS / "form_tools.html").read_text(encoding="utf-8").replace("txt2img_", f"{tab}_")
    return found if tab == "txt2img" else found.replace(_OWN_PASTE, f'id="{tab}_paste"')


def _actions(tab: str) -> tuple[gr.Button, gr.Button, gr.Button]:
    generate = gr.Button(TEXTS["generate"], variant="primary", elem_id=f"{tab}_generate")
    html(_FOREVER.format(tab=tab), f"{tab}_forever_pane")
    with gr.Row(elem_classes="easel-pair"):
        interrupt = gr.Button(TEXTS["interrupt"], elem_id=f"{tab}_interrupt")
        skip = gr.Button(TEXTS["skip"], elem_id=f"{tab}_skip")
    return generate, interrupt, skip
