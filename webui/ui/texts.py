"""The page's texts in English, by key."""

from __future__ import annotations

from webui.ui.languages import texts_of

TEXTS = texts_of("EN")
