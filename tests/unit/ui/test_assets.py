"""What every file of the page keeps to."""

from __future__ import annotations

import re

import pytest

from webui.ui.shell import ASSETS
from webui.ui.texts import TEXTS

SCRIPTS = sorted(ASSETS.glob("*.js"))
ALL = sorted(path for path in ASSETS.iterdir() if path.is_file())


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.name)
def test_is_small_and_asks_no_other_host(path) -> None:
    content = path.read_text(encoding="utf-8")
    assert len(content) < 25_000
    links = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", content)
    assert [link for link in links if "www.w3.org" not in link] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_scripts_never_make_markup_of_data(path) -> None:
    content = path.read_text(encoding="utf-8")
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.search(forbidden, content)


def test_markup_has_no_inline_handlers() -> None:
    for path in ASSETS.glob("*.html"):
        assert not re.search(r"\son\w+=|<script", path.read_text(encoding="utf-8"))


def test_every_text_exists_and_is_used() -> None:
    ui = ASSETS.parent
    sources = [*ALL, *(p for p in ui.rglob("*.py") if p.parent.name != "languages")]
    content = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    asked = set(re.findall(r'\btext\(\s*"(\w+)"', content))
    asked |= set(re.findall(r'TEXTS\["(\w+)"\]', content))
    asked |= set(re.findall(r'data-(?:text|label)="(\w+)"', content))
    assert asked <= set(TEXTS), asked - set(TEXTS)
    families = tuple(re.findall(r"\btext\(`(\w+_)\$\{", content))  # text(`script_${name}`)
    unused = [k for k in TEXTS if f'"{k}"' not in content and not k.startswith(families)]
    assert unused == []
