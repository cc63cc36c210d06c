"""Checkpoints as A1111 names them, and which one is chosen.

A1111 has one checkpoint loaded, its option ``sd_model_checkpoint``. Here every request names its
own; the chosen one is what a request means that names none, and what the form begins with: the
``checkpoint`` of the saved form values.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.core.errors import EaselError
from webui.core.models import ModelRef
from webui.settings import Defaults
from webui.settings.options import FIELDS

if TYPE_CHECKING:
    from webui.catalog import Catalog
    from webui.services import Services

FORM = "txt2img"


def title(ref: ModelRef, catalog: Catalog) -> str:
    """A1111's title, "folder/name.safetensors [0123456789]"; without the hash until it is known.

    Either spelling is found again by ``Catalog.resolve``.
    """
    known = catalog.known_sha256(ref)
    return f"{file_name(ref)} [{known[:10]}]" if known else file_name(ref)


def file_name(ref: ModelRef) -> str:
    """The name with its suffix, if it is a file."""
    is_file = ref.layout == "file" and not ref.name.endswith(".safetensors")
    return ref.name + ".safetensors" if is_file else ref.name


def checkpoint_view(ref: ModelRef, catalog: Catalog) -> dict[str, Any]:
    """One entry of ``/sdapi/v1/sd-models``; ``model_name`` has "_" for "/", as A1111's."""
    known = catalog.known_sha256(ref)
    return {
        "title": title(ref, catalog),
        "model_name": ref.name.removesuffix(".safetensors").replace("/", "_"),
        "hash": known[:10] if known else None,
        "sha256": known,
        "filename": str(Path(ref.path)),
        "config": None,
    }


def form_values(services: Services) -> dict[str, Any]:
    """What the txt2img form begins with, as saved; a value that is no longer valid is left out."""
    return Defaults(services.settings.paths.data).all().get(FORM, {})


def request_defaults(services: Services) -> dict[str, Any]:
    """Request fields that A1111 keeps among its options, as they are saved, by our names.

    A request of A1111's API that says nothing of them is drawn with these; ``checkpoint`` among
    them is one that is there.
    """
    saved = form_values(services)
    found = {f.name: saved[f.name] for f in FIELDS.values() if f.name in saved}
    chosen = current_checkpoint(services)
    return {**found, "checkpoint": chosen.name} if chosen else found


def current_checkpoint(services: Services) -> ModelRef | None:
    """The chosen checkpoint, or the catalogue's first where that is gone; None without any."""
    catalog = services.catalog
    name = form_values(services).get("checkpoint", "")
    try:
        return catalog.resolve(name) if name else catalog.default()
    except EaselError:
        return catalog.default()
