"""What there is to choose from: models, samplers, schedules, and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.native import PREFIX, answer, read_json
from webui.core.errors import Forbidden
from webui.core.samplers import SAMPLERS, SCHEDULES
from webui.settings.presets import MAX_PRESET_CHARS, Presets

if TYPE_CHECKING:
    from webui.services import Services

Name = Annotated[str, Path(min_length=1, max_length=MAX_PRESET_CHARS)]


class Lists:
    """The routes' functions."""

    def __init__(self, services: Services) -> None:
        self._catalog = services.catalog
        self._presets = Presets(services.settings.paths.data)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for method, path, function in (
            ("GET", "/models", self.models),
            ("GET", "/samplers", self.samplers),
            ("GET", "/schedulers", self.schedulers),
            ("GET", "/presets", self.presets),
            ("GET", "/presets/{name}", self.preset),
            ("PUT", "/presets/{name}", self.put_preset),
            ("DELETE", "/presets/{name}", self.delete_preset),
        ):
            router.add_api_route(path, function, methods=[method])
        return router

    def models(self) -> Response:
        """The checkpoints, by name; hash is null while it is being made.

        problems are files that cannot be used, with one sentence each.
        """
        default = self._catalog.default()
        models = [
            {
                "name": ref.name,
                "family": ref.family,
                "prediction": ref.prediction,
                "layout": ref.layout,
                "native_size": ref.native_size,
                "hash": self._catalog.model_hash(ref),
                "default": default is not None and ref.name == default.name,
            }
            for ref in self._catalog.checkpoints()
        ]
        problems = [{"name": name, "message": text} for name, text in self._catalog.problems()]
        return answer({"models": models, "problems": problems})

    def samplers(self) -> Response:
        """The samplers: other names, what Automatic means for each, what a step costs."""
        found = [
            {
                "name": info.name,
                "aliases": list(SAMPLERS.aliases(info.name)),
                "schedule": info.schedule,
                "evaluations": info.evaluations,
                "stochastic": info.stochastic,
            }
            for info in SAMPLERS
        ]
        return answer({"samplers": found})

    def schedulers(self) -> Response:
        """The schedules of noise levels, with their other names."""
        found = [{"name": n, "aliases": list(SCHEDULES.aliases(n))} for n in SCHEDULES.names()]
        return answer({"schedulers": found})

    def presets(self) -> Response:
        """The presets: names, and the fields of a txt2img request that each holds."""
        return answer({"presets": [_view(n, v) for n, v in self._presets.all().items()]})

    def preset(self, name: Name) -> Response:
        """One preset."""
        return answer(_view(name, self._presets.get(name)))

    async def put_preset(self, request: Request, name: Name) -> Response:
        """Make or replace a preset of fields of a txt2img request; for administrators."""
        _check_admin(request)
        values = await read_json(request)
        return answer(_view(name, await run_in_threadpool(self._presets.put, name, values)))

    def delete_preset(self, request: Request, name: Name) -> Response:
        """Delete a preset; for administrators."""
        _check_admin(request)
        self._presets.remove(name)
        return answer({"name": name, "deleted": True})


def _view(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "values": values}


def _check_admin(request: Request) -> None:
    if not caller_of(request).is_admin:
        raise Forbidden("Only an administrator may change the presets.")
