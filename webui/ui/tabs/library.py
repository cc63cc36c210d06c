"""The tab of finished pictures: found, looked at, sorted into boards.

Gradio holds only the place for it: the page's scripts build the tab when it is first opened
(``assets/library.js``) and talk to the HTTP API.
"""

from __future__ import annotations

import gradio as gr

from webui.ui.tabs import Tab, TabContext
from webui.ui.texts import TEXTS

PLACE = "easel_library"


def build(_: TabContext) -> None:
    """Lay the tab out: one empty element that the page's scripts fill."""
    gr.HTML(
        f'<div id="{PLACE}"></div>',
        js_on_load=None,
        apply_default_css=False,
        elem_id="library_pane",
    )


TAB = Tab("library", TEXTS["tab_library"], build)
