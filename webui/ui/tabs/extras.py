"""The tab that enlarges pictures, A1111's Extras.

Gradio holds only the place for it: ``assets/extras.js`` sends pictures and follows their job.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

_MARKUP = Path(__file__).parent.parent / "assets" / "extras.html"


def build(_: TabContext) -> None:
    """Lay the tab out."""
    gr.HTML(
        _MARKUP.read_text(encoding="utf-8"),
        js_on_load=None,
        apply_default_css=False,
        elem_id="extras_pane",
    )


TAB = Tab("extras", TEXTS["tab_extras"], build)
