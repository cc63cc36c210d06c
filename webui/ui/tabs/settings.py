"""The tab of settings: language, form defaults, import, and every declared setting.

Gradio holds only the place for it: ``assets/settings.js`` builds the tab from what the HTTP API
says of the settings.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

_MARKUP = Path(__file__).parent.parent / "assets" / "settings.html"


def build(_: TabContext) -> None:
    """Lay the tab out."""
    gr.HTML(
        _MARKUP.read_text(encoding="utf-8"),
        js_on_load=None,
        apply_default_css=False,
        elem_id="settings_pane",
    )


TAB = Tab("settings", TEXTS["tab_settings"], build)
