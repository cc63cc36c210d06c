"""The tab that shows what a picture says about how it was made, and sends it to the form.

Gradio holds only the place for it: ``assets/pnginfo.js`` reads pictures through the HTTP API.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

_MARKUP = Path(__file__).parent.parent / "assets" / "pnginfo.html"


def build(_: TabContext) -> None:
    """Lay the tab out."""
    gr.HTML(
        _MARKUP.read_text(encoding="utf-8"),
        js_on_load=None,
        apply_default_css=False,
        elem_id="pnginfo_pane",
    )


TAB = Tab("pnginfo", TEXTS["tab_pnginfo"], build)
