"""A1111's ``/internal`` routes that are not about jobs, and its cards: ``/sd_extra_networks``.

Files are only those the catalogue lists: what a client names is looked up among them and never put
together to a path.
"""

from __future__ import annotations

import html
import importlib.metadata
import io
import json
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import psutil
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from PIL.Image import Image

from webui import __version__
from webui.api.a1111.lists import memory_view
from webui.api.a1111.options import field_options, setting_options
from webui.api.a1111.pictures import decode, picture_bytes
from webui.api.errors import Json
from webui.api.guard import caller_of
from webui.api.native import answer, safe_name
from webui.catalog.networks import Kind, Network, covers, metadata, preview_of
from webui.core.errors import Forbidden, NotFound
from webui.settings.options import CHECKPOINT, FIELDS, SETTINGS

if TYPE_CHECKING:
    from webui.services import Services

CARDS = "/sd_extra_networks"
MAX_INDEX = 1000
_PAGES: Mapping[str, Kind] = {
    "lora": "lora",
    "textual inversion": "embeddings",
    "checkpoints": "checkpoints",
}
"""A1111's pages of cards, and what lies on each."""
_TYPES = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_PACKAGES = ("torch", "diffusers", "transformers", "fastapi", "gradio", "numpy", "pillow")
_NEVER_A_PAGE = {"content-security-policy": "default-src 'none'; sandbox"}

Page = Annotated[str, Query(max_length=100, description="lora, textual inversion or checkpoints.")]
Name = Annotated[str, Query(max_length=500, description="The file's name without its suffix.")]


def router(services: Services) -> APIRouter:
    """The routes."""
    return Internal(services).router()


class Internal:
    """The routes' functions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._started = time.time() - psutil.Process().create_time()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        for path, function in (
            ("/internal/ping", self.ping),
            ("/internal/sysinfo", self.sysinfo),
            ("/internal/sysinfo-download", self.sysinfo_file),
            ("/internal/profile-startup", self.startup),
            ("/internal/quicksettings-hint", self.hints),
            (f"{CARDS}/thumb", self.thumb),
            (f"{CARDS}/cover-images", self.cover),
            (f"{CARDS}/metadata", self.metadata),
            (f"{CARDS}/get-single-card", self.card),
        ):
            router.add_api_route(path, function, methods=["GET"])
        return router

    def ping(self) -> Response:
        """The server is there."""
        return answer({})

    def sysinfo(self, request: Request) -> Response:
        """What this Easel runs on, and its options; for administrators."""
        return self._sysinfo(request, "inline")

    def sysinfo_file(self, request: Request) -> Response:
        """The same as a file to keep."""
        return self._sysinfo(request, "attachment")

    def startup(self) -> Response:
        """How many seconds passed from the process's start until its routes were made."""
        seconds = round(max(self._started, 0.0), 3)
        return answer({"total": seconds, "records": {"create routes": seconds}})

    def hints(self) -> Response:
        """Every option's name and label."""
        labels = {name: setting.param.label for name, setting in SETTINGS.items()}
        labels |= {name: field.param.label for name, field in FIELDS.items()}
        labels[CHECKPOINT] = "Stable Diffusion checkpoint"
        return answer([{"name": name, "label": label} for name, label in labels.items()])

    def thumb(self, filename: Annotated[str, Query(max_length=4000)]) -> Response:
        """The picture beside a model's file, by the address that its card has."""
        for page in _PAGES:
            for network in self._networks(page):
                path = preview_of(network)
                if path and filename in (_thumb_name(page, path), str(path)):
                    return _file(path)
        raise NotFound("There is no such preview.", field="filename")

    def cover(
        self, page: Page, item: Name, index: Annotated[int, Query(ge=0, le=MAX_INDEX)] = 0
    ) -> Response:
        """A cover picture that a LoRA's trainer wrote into its file, as PNG."""
        found = covers(self._network(page, item))
        if index >= len(found):
            raise NotFound("There is no such cover picture.", field="index")
        image = decode(picture_bytes(found[index], "item"), "item")
        return Response(_png(image), media_type="image/png", headers=_NEVER_A_PAGE)

    def metadata(self, page: Page, item: Name) -> Response:
        """What a file's maker wrote into it, as JSON text; {} where there is nothing."""
        told = metadata(self._network(page, item))
        text = json.dumps(dict(told), indent=4, ensure_ascii=False)
        return answer({"metadata": text} if told else {})

    def card(
        self, page: Page, name: Name, tabname: Annotated[str, Query(max_length=100)] = "txt2img"
    ) -> Response:
        """One model's card as HTML."""
        network = self._network(page, name)
        return answer({"html": _card(page.casefold(), tabname, network)})

    def _sysinfo(self, request: Request, disposition: str) -> Response:
        if not caller_of(request).is_admin:
            raise Forbidden("Only an administrator may see what Easel runs on.")
        name = time.strftime("sysinfo-%Y-%m-%d-%H-%M.json", time.gmtime())
        headers = {
            "cache-control": "no-store",
            "content-disposition": f'{disposition}; filename="{name}"',
        }
        return Json(self._facts(request), headers=headers)

    def _facts(self, request: Request) -> dict[str, Any]:
        status = self._services.queue.status
        ready = status.ready
        return {
            "Platform": platform.platform(),
            "Python": platform.python_version(),
            "Version": f"easel-{__version__}",
            "Data path": str(self._services.settings.paths.data),
            "Models path": str(self._services.catalog.models_dir),
            "Worker": {
                "state": status.state,
                "device": ready.device if ready else None,
                "dtype": ready.dtype if ready else None,
                "torch": ready.torch if ready else None,
                "restarts": status.restarts,
            },
            "RAM": memory_view(status)["ram"],
            "CPU": {"model": platform.processor() or platform.machine(), "count": _cores()},
            "Extensions": [],
            "Startup": self._started,
            "Packages": dict(_versions(_PACKAGES)),
            "Config": {**setting_options(request.app.state.store), **field_options(self._services)},
        }

    def _network(self, page: str, name: str) -> Network:
        """The model of that name on a page; ``NotFound`` if there is none."""
        for network in self._networks(page):
            if network.name == name:
                return network
        raise NotFound("There is no such model.", field="name")

    def _networks(self, page: str) -> Iterable[Network]:
        catalog = self._services.catalog
        kind = _PAGES.get(page.casefold())
        if kind is None:
            return ()
        if kind != "checkpoints":
            return catalog.networks(kind)
        files = (ref for ref in catalog.checkpoints() if ref.layout == "file")
        return [Network("checkpoints", ref.name, Path(ref.path)) for ref in files]


def _file(path: Path) -> Response:
    return FileResponse(
        path,
        media_type=_TYPES[path.suffix.casefold()],
        filename=safe_name(path.name),
        content_disposition_type="inline",
        headers={"cache-control": "private, max-age=60", **_NEVER_A_PAGE},
    )


def _thumb_name(page: str, path: Path) -> str:
    return f"{page}/{path.name}"


def _card(page: str, tab: str, network: Network) -> str:
    """A card with the classes that A1111's have, everything from outside escaped."""
    picture = ""
    path = preview_of(network)
    if path is not None:
        address = f".{CARDS}/thumb?filename={quote(_thumb_name(page, path), safe='')}"
        picture = f'<img src="{html.escape(address)}" class="preview" loading="lazy" alt="">'
    name = html.escape(network.name)
    return (
        f'<div class="card" data-name="{name}" data-tab="{html.escape(tab)}">{picture}'
        f'<div class="actions"><span class="name">{name}</span></div></div>'
    )


def _png(image: Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _cores() -> int:
    return psutil.cpu_count() or 1


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
