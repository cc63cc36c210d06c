"""Settings over HTTP: what they are, their change, the form's defaults, and the import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.gate import Gate
from webui.api.guard import caller_of
from webui.api.installation import Import
from webui.api.native import PREFIX, answer, read_json
from webui.api.settings_views import entry_view, entry_views
from webui.core.errors import Forbidden, InvalidRequest, StorageError
from webui.settings import Defaults, Settings, SettingsStore

if TYPE_CHECKING:
    from webui.services import Services


class SettingsRoutes:
    """The routes' functions. Secrets are never sent; folders to administrators only."""

    def __init__(self, services: Services, settings: Settings, gate: Gate) -> None:
        self._services = services
        self._gate = gate
        self._store = SettingsStore(settings, self._apply)
        self._defaults = Defaults(settings.paths.data)
        self._import = Import(self._store, self._defaults, services)

    @property
    def store(self) -> SettingsStore:
        """What changes the settings, for others who do."""
        return self._store

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for method, path, function, extra in (
            ("GET", "/settings", self.settings, None),
            ("PATCH", "/settings", self.change, _body(_CHANGES)),
            ("POST", "/settings/import", self.take_over, _body(_FOLDER)),
            ("DELETE", "/settings/{name}", self.reset, None),
            ("GET", "/defaults", self.defaults, None),
            ("PUT", "/defaults", self.put_defaults, _body(_DEFAULTS)),
            ("DELETE", "/defaults", self.delete_defaults, None),
        ):
            router.add_api_route(path, function, methods=[method], openapi_extra=extra)
        return router

    # ---- settings

    def settings(self, request: Request) -> Response:
        """Every setting: its declaration, value, default, where the value comes from.

        restart says that a change counts from the next start on, waits that one is waiting for it,
        fixed why the value cannot be changed here. Passwords are never sent; server and folders
        are shown to administrators only.
        """
        is_admin = caller_of(request).is_admin
        found = entry_views(self._store.entries(), is_admin=is_admin)
        return answer({"settings": found, "may_change": is_admin})

    async def change(self, request: Request) -> Response:
        """Change settings, {"saving.format": "webp"}: all of them, or none when one is refused.

        null goes back to the default. For administrators.
        """
        _check_admin(request)
        changes = await read_json(request)
        return await run_in_threadpool(self._changed, changes)

    def reset(self, request: Request, name: str) -> Response:
        """Let a setting go back to its default; for administrators."""
        _check_admin(request)
        return self._changed({name: None})

    async def take_over(self, request: Request) -> Response:
        """Take over an existing A1111, Forge or ComfyUI: {"folder": "/path"}. For administrators.

        Its models are used where they lie; options, form values and styles that have a counterpart
        here are taken. The answer lists what was taken, refused, and what has no counterpart.
        """
        _check_admin(request)
        folder = (await read_json(request)).get("folder")
        if not isinstance(folder, str) or not 0 < len(folder.strip()) <= 4000:
            raise InvalidRequest("folder is the path of a folder.", field="folder")
        return answer(await run_in_threadpool(self._import.run, folder))

    def _changed(self, changes: Mapping[str, Any]) -> Response:
        entries = self._store.change(changes)
        return answer({"settings": [entry_view(entry) for entry in entries]})

    def _apply(self, settings: Settings) -> None:
        """Put in force what needs no restart."""
        self._services.library.saving = settings.saving
        self._services.catalog.installation = settings.paths.installation
        self._services.queue.limits = settings.limits
        if self._services.completer is not None:
            self._services.completer.upscaling = settings.upscaling
        self._gate.admins = frozenset(settings.server.admins)
        self._gate.metrics_addresses = settings.server.metrics_addresses
        self._gate.names.configured = settings.server.allowed_hosts
        self._gate.names.origins = settings.server.allowed_origins
        self._gate.names.pattern = settings.server.allowed_origins_regex

    # ---- what a form begins with

    def defaults(self) -> Response:
        """The saved values that a form begins with where a browser remembers none, by tab."""
        return answer(self._defaults.all())

    async def put_defaults(self, request: Request) -> Response:
        """Save what a form begins with, {"txt2img": {"steps": 30}}; for administrators."""
        _check_admin(request)
        values = await read_json(request)
        return answer(await run_in_threadpool(self._defaults.put, values))

    def delete_defaults(self, request: Request) -> Response:
        """Forget the saved form values; for administrators."""
        _check_admin(request)
        try:
            self._defaults.clear()
        except OSError as error:
            raise StorageError(f"The defaults cannot be deleted: {error.strerror}.") from None
        return answer({})


def _check_admin(request: Request) -> None:
    if not caller_of(request).is_admin:
        raise Forbidden("Only an administrator may change settings.")


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_CHANGES = {"type": "object", "additionalProperties": True}
_FOLDER = {
    "type": "object",
    "properties": {"folder": {"type": "string", "description": "Its whole path on the server."}},
    "required": ["folder"],
}
_DEFAULTS = {"type": "object", "properties": {"txt2img": {"type": "object"}}}
