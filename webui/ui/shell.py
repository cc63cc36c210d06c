"""The page around the tabs, and its place in the server."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.core.choices import CHOICES, WITH_FILES
from webui.settings import describe
from webui.ui import agents, endpoints, theme
from webui.ui.form import Form
from webui.ui.languages import Language
from webui.ui.languages.files import Languages
from webui.ui.localised import Localised
from webui.ui.tabs import (
    Tab,
    TabContext,
    drawing,
    extras,
    img2img,
    library,
    pnginfo,
    settings,
    txt2img,
)

if TYPE_CHECKING:
    from webui.core.results import Caller
    from webui.jobs import Job
    from webui.services import Services

ASSETS = Path(__file__).parent / "assets"
TITLE = "Easel"
NATIVE_SIZE = 512  # shown while there is no checkpoint
TABS: tuple[Tab, ...] = (
    txt2img.TAB,
    img2img.TAB,
    extras.TAB,
    library.TAB,
    pnginfo.TAB,
    settings.TAB,
)
# Dark from the first paint where it is wanted: Gradio and our modules come later.
_EARLY = """<script>(() => {
  let chosen = null;
  try { chosen = JSON.parse(localStorage.getItem("easel.theme")); } catch {}
  const dark = chosen === "dark" ||
    (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  new MutationObserver((_, watch) => {
    if (!document.body) return;
    watch.disconnect();
    document.body.classList.toggle("dark", dark);
  }).observe(document.documentElement, { childList: true });
})()</script>"""
_FOREVER = b"public, max-age=31536000, immutable"
_IDLE_SECONDS = 0.05
_FILES = f"/gradio_api/file={endpoints.FILES}/{{name}}"


def mount(app: FastAPI, services: Services, data: Path, *, mcp: bool = False) -> None:
    """Mount the page at "/" of ``app``, after every other route; ``data`` is the data folder.

    ``mcp`` starts Gradio's MCP server with it.
    """
    if mcp:
        agents.check_installed()
    version = assets_version()
    base = f"/easel-assets/{version}"
    app.mount(base, Lasting(StaticFiles(directory=ASSETS)), name="easel-assets")
    default = services.catalog.default()
    blocks, forms = build_page(
        checkpoints=[ref.name for ref in services.catalog.checkpoints()],
        native_size=default.native_size if default else NATIVE_SIZE,
        files=services.catalog.choices(),
    )

    async def ended(job_id: str, caller: Caller) -> Job:
        return await app.state.hub.ended(job_id, caller)

    def is_secure(request: Any) -> bool:
        return app.state.gate.is_secure(request.scope, request.headers)

    endpoints.add(blocks, endpoints.Endpoints(services, ended, is_secure))
    app.add_api_route(_FILES, _picture, methods=["GET", "HEAD"], include_in_schema=False)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        show_error=False,
        mcp_server=mcp,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=theme.build(),
        favicon_path=str(ASSETS / "icon.svg"),
    )
    if mcp:
        agents.prepare(blocks, services.library)
    _calm(blocks)
    route = app.router.routes[-1]
    assert isinstance(route, Mount), "Gradio is mounted last"
    lasting = Lasting(route.app, under=("/assets/", "/static/", "/theme.css"))
    route.app = Localised(lasting, Languages(data / "languages"), partial(head, base, forms))


async def _picture(name: str) -> RedirectResponse:
    """Where Gradio's clients find a picture; the gate and the API decide whether it is theirs."""
    return RedirectResponse(f"/api/v1/images/{quote(name.partition('.')[0], safe='')}")


def build_page(
    checkpoints: Iterable[str],
    native_size: int = NATIVE_SIZE,
    files: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[gr.Blocks, Mapping[str, Form]]:
    """The page's blocks, and the form of each tab by the tab's id; ``files`` are the names of open
    sets in which there are files (``Catalog.choices``)."""
    context = TabContext(
        choices={
            **{name: known.names() for name, known in CHOICES.items()},
            **(files or {}),
            "checkpoints": tuple(checkpoints),
        },
        native_size=native_size,
    )
    forms: dict[str, Form] = {}
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(
            (ASSETS / "header.html").read_text(encoding="utf-8"),
            js_on_load=None,
            apply_default_css=False,
            elem_id="easel_header",
        )
        with gr.Tabs(elem_id="easel_tabs"):
            for tab in TABS:
                with gr.Tab(tab.label, id=tab.id, elem_id=f"tab_{tab.id}"):
                    form = tab.build(context)
                    if form is not None:
                        forms[tab.id] = form
        for form in forms.values():
            drawing.relay(form)
            blocks.load(
                None,
                None,
                form.pick(),
                js=form.js("restored", []),
                api_visibility="private",
                queue=False,
                show_progress="hidden",
            )
    return blocks, forms


def head(
    base: str, forms: Mapping[str, Form], language: Language, languages: Mapping[str, Language]
) -> str:
    """What the page's ``<head>`` needs: style, scripts and what the scripts have to know.

    ``base`` is where the assets are served, ``languages`` what can be chosen instead of
    ``language``. Scripts reach the page's object through the promise ``window.easelReady``, which
    exists before anything else runs.
    """
    config: dict[str, Any] = {
        "language": language.code,
        "languages": {code: known.name for code, known in languages.items()},
        "texts": dict(language.texts),
        "phrases": _phrases(language),
        "forms": {tab: _spoken(form, language) for tab, form in forms.items()},
    }
    modules = sorted(path.name for path in ASSETS.glob("*.js"))
    preloads = "".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in modules)
    sheets = sorted(path.name for path in ASSETS.glob("*.css"))
    styles = "".join(f'<link rel="stylesheet" href="{base}/{name}">' for name in sheets)
    # Inside a script element only "<" could end it; JSON may write it as an escape.
    body = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")
    return (
        # Gradio takes its own language from the browser: let it take the chosen one.
        f'<script>Object.defineProperty(navigator, "language", {{value: "{language.code}"}})'
        "</script>"
        f"{_EARLY}{styles}{preloads}"
        f'<meta name="application-name" content="{html.escape(TITLE)}">'
        f'<script type="application/json" id="easel_config">{body}</script>'
        f'<script>window.easelReady = import("{base}/main.js").then((page) => page.start())'
        "</script>"
    )


def _spoken(form: Form, language: Language) -> dict[str, Any]:
    """A form's description with its labels and explanations in a language."""
    described = form.describe()
    for field in described.values():
        field |= {name: language.phrase(field[name]) for name in ("label", "help")}
    return described


def _phrases(language: Language) -> dict[str, str]:
    """What the scripts show of settings and of lists with files, by its English words; nothing for
    English."""
    english = {name for files in WITH_FILES if files in CHOICES for name in CHOICES[files].names()}
    english |= {t for s in describe() for t in (s.group, s.param.label, s.param.help, *s.options)}
    return {text: language.phrases[text] for text in sorted(english) if text in language.phrases}


def assets_version() -> str:
    """A short digest of the page's own files: a changed file gets a new address."""
    digest = hashlib.sha256()
    for path in sorted(path for path in ASSETS.rglob("*") if path.is_file()):
        digest.update(path.relative_to(ASSETS).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


class Lasting:
    """Lets browsers keep what is served under some paths for good: their names carry a digest."""

    def __init__(self, app: ASGIApp, under: tuple[str, ...] = ("",)) -> None:
        self.app = app
        self.under = under

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self.under):
            send = partial(_send_lasting, send)
        await self.app(scope, receive, send)


async def _send_lasting(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
        kept = [(k, v) for k, v in message["headers"] if k.lower() != b"cache-control"]
        message = {**message, "headers": [*kept, (b"cache-control", _FOREVER)]}
    await send(message)


def _calm(blocks: gr.Blocks) -> None:
    """Slow Gradio's queue loop, which polls a thousand times a second; the page does not use it."""
    queue = blocks._queue
    for name in ("sleep_when_free", "progress_update_sleep_when_free"):
        if hasattr(queue, name):
            setattr(queue, name, _IDLE_SECONDS)
