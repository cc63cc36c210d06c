"""``/sdapi/v1/options`` and ``cmd-flags``: settings under A1111's names, in A1111's value forms.

An option is a setting of the installation, or a request's field that A1111 keeps among its options
(clip skip, the checkpoint): those are the saved values that the form begins with, and what requests
of this API that say nothing else are drawn with. Options without a counterpart are passed over and
named in the header ``X-Easel-Ignored``. Where we differ from A1111: a request is taken whole or,
when one value is refused, not at all; and an unknown checkpoint answers 422 instead of 500, with
A1111's words ("model 'x' not found"), because it is no fault of the server.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.a1111.ignored import ignored
from webui.api.a1111.models import FORM, current_checkpoint, form_values, request_defaults, title
from webui.api.guard import caller_of
from webui.api.hosts import is_loopback
from webui.api.native import answer, read_json
from webui.core.errors import Forbidden, InvalidRequest, NotFound, listed
from webui.settings import Defaults, Settings, SettingsStore
from webui.settings.options import (
    ADD_NUMBER,
    CHECKPOINT,
    FIELDS,
    NUMBER,
    PATTERN,
    SETTINGS,
    numbered,
    to_ours,
    to_theirs,
)

if TYPE_CHECKING:
    from webui.services import Services

PREFIX = "/sdapi/v1"
HASH_SECONDS = 1.0
"""So long a newly chosen checkpoint's hash, which is part of its title, is waited for."""


@dataclass
class _Plan:
    """What a request changes: settings by key, form values by field (None: back to the default),
    and the options that have no counterpart."""

    settings: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


class Options:
    """The routes' functions."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._services = services
        self._settings = settings
        self._defaults = Defaults(settings.paths.data)
        self._lock = threading.Lock()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/options", self.options, methods=["GET"])
        schema = {"type": "object", "additionalProperties": True}
        content = {"application/json": {"schema": schema}}
        router.add_api_route(
            "/options",
            self.change,
            methods=["POST"],
            openapi_extra={"requestBody": {"required": True, "content": content}},
        )
        router.add_api_route("/cmd-flags", self.flags, methods=["GET"])
        return router

    def options(self, request: Request) -> Response:
        """Every option that means something here, with its value as A1111 writes it."""
        store: SettingsStore = request.app.state.store
        found = {**setting_options(store), **field_options(self._services)}
        chosen = current_checkpoint(self._services)
        catalog = self._services.catalog
        found[CHECKPOINT] = title(chosen, catalog) if chosen else None
        found["sd_checkpoint_hash"] = catalog.known_sha256(chosen) if chosen else None
        return answer(found)

    async def change(self, request: Request) -> Response:
        """Change options, {"sd_model_checkpoint": "name"}: all of them, or none when one is
        refused; null goes back to the default. For administrators."""
        if not caller_of(request).is_admin:
            raise Forbidden("Only an administrator may change options.")
        values = await read_json(request)
        passed_over = await run_in_threadpool(self.apply, request.app.state.store, values)
        return answer(None, headers=ignored(passed_over))

    def flags(self, request: Request) -> Response:
        """A1111's command-line flags as they stand here; folders are told to administrators."""
        return answer(flag_values(self._settings, is_admin=caller_of(request).is_admin))

    def apply(self, store: SettingsStore, values: Mapping[str, Any]) -> list[str]:
        """Change options, all or none; the names of those that have no counterpart."""
        with self._lock:
            plan = self._plan(store, values)
            form = {**form_values(self._services), **plan.form}
            kept = {name: value for name, value in form.items() if value is not None}
            store.check(plan.settings)
            if plan.form:
                self._defaults.put({FORM: kept})
            if plan.settings:
                store.change(plan.settings)
        return plan.ignored

    def _plan(self, store: SettingsStore, values: Mapping[str, Any]) -> _Plan:
        plan = _Plan()
        for name, value in _with_number(store, values).items():
            if name == CHECKPOINT:
                plan.form["checkpoint"] = self._checkpoint(value)
            elif name in SETTINGS:
                plan.settings[SETTINGS[name].key] = to_ours(name, value)
            elif name in FIELDS:
                declared = FIELDS[name]
                plan.form[declared.name] = None if value is None else declared.check(value)
            elif name != ADD_NUMBER:
                plan.ignored.append(name)
        return plan

    def _checkpoint(self, value: Any) -> str | None:
        """The name of the checkpoint that a title, name or hash means; None for the default."""
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise InvalidRequest(f"{CHECKPOINT} is the title of a checkpoint.", field=CHECKPOINT)
        catalog = self._services.catalog
        try:
            ref = catalog.resolve(value)
        except NotFound:
            known = listed([r.name for r in catalog.checkpoints()]) or "none"
            raise InvalidRequest(
                f"model {value[:200]!r} not found; there are: {known}.", field=CHECKPOINT
            ) from None
        catalog.model_hash(ref, wait=HASH_SECONDS)
        return ref.name


def setting_options(store: SettingsStore) -> dict[str, Any]:
    """The options that are settings here, and those that follow from them."""
    entries = {entry.setting.key: entry for entry in store.entries()}
    ours = {name: entries[setting.key].value for name, setting in SETTINGS.items()}
    found = {name: to_theirs(name, value) for name, value in ours.items()}
    found[ADD_NUMBER] = ours[PATTERN].startswith(NUMBER)
    found["samples_save"] = True
    found["live_previews_enable"] = ours["show_progress_every_n_steps"] > 0
    found["live_previews_image_format"] = "jpeg"
    found["sd_vae"] = "None"  # in A1111's words: the checkpoint's own
    return found


def field_options(services: Services) -> dict[str, Any]:
    """The options that are request fields here, as they are saved, else their defaults."""
    saved = request_defaults(services)
    return {
        name: to_theirs(name, saved.get(declared.name, declared.default))
        for name, declared in FIELDS.items()
    }


def flag_values(settings: Settings, *, is_admin: bool) -> dict[str, Any]:
    """A1111's flags; passwords are never among them, folders for administrators only."""
    server, paths, device = settings.server, settings.paths, settings.device
    folders = {
        "data_dir": str(paths.data),
        "models_dir": str(paths.models),
        "ckpt_dir": str(paths.models / "checkpoints"),
        "vae_dir": str(paths.models / "vae"),
        "lora_dir": str(paths.models / "lora"),
        "embeddings_dir": str(paths.models / "embeddings"),
        "styles_file": [str(paths.data / "styles.csv")],
    }
    return {
        "api": True,
        "nowebui": False,
        "api_auth": None,
        "api_log": False,
        "api_server_stop": server.api_server_stop,
        "listen": not is_loopback(server.host),
        "server_name": server.host,
        "port": server.port,
        "share": server.share,
        "gradio_auth": None,
        "autolaunch": server.browser,
        "cors_allow_origins": ",".join(server.allowed_origins) or None,
        "cors_allow_origins_regex": server.allowed_origins_regex or None,
        "use_cpu": ["all"] if device.device == "cpu" else [],
        "no_half": device.dtype == "float32",
        "precision": "full" if device.dtype == "float32" else "autocast",
        "allow_code": False,
        "disable_all_extensions": True,
        "enable_insecure_extension_access": False,
        "disable_safe_unpickle": False,
        **(folders if is_admin else dict.fromkeys(folders)),
    }


def _with_number(store: SettingsStore, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with pattern and running number made one, where either is changed."""
    if PATTERN not in values and ADD_NUMBER not in values:
        return values
    if not isinstance(values.get(ADD_NUMBER, True), bool):
        raise InvalidRequest(f"{ADD_NUMBER} is true or false.", field=ADD_NUMBER)
    now = setting_options(store)
    return numbered({**{name: now[name] for name in (PATTERN, ADD_NUMBER)}, **values})
