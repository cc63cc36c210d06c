"""What there is to choose from, as A1111 1.10 lists it: ``GET /sdapi/v1/…``.

Every list is made of what is there when it is asked for, so that ``refresh-…`` has nothing to do.
What Easel cannot use yet is an empty list, or stands among the "skipped". Folders are shown to
administrators only; others get files' names.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from fastapi import APIRouter, Request
from fastapi.responses import Response

from webui.api.a1111.models import checkpoint_view, current_checkpoint
from webui.api.a1111.script_info import SCRIPTS, script_views
from webui.api.assist_files import StyleFile
from webui.api.guard import caller_of
from webui.api.native import answer
from webui.catalog.adapters import fits
from webui.catalog.networks import Network, metadata, vectors
from webui.catalog.upscalers import USUAL_SCALE
from webui.core.samplers import SAMPLERS, SCHEDULES, SamplerInfo
from webui.core.second_pass import LATENT_UPSCALERS
from webui.core.upscalers import BUILT_IN
from webui.jobs import ExecutorStatus

if TYPE_CHECKING:
    from webui.services import Services

PREFIX = "/sdapi/v1"
_NEEDS_MODEL = {"Uniform", "SGM Uniform", "Simple", "Normal", "DDIM", "Beta"}
_RHO = {"Karras": 7.0, "Polyexponential": 1.0}


def router(services: Services) -> APIRouter:
    """The routes."""
    return Lists(services).router()


class Lists:
    """The routes' functions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._styles = StyleFile(services.settings.paths.data / "styles.csv")

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for path, function in (
            ("/samplers", self.samplers),
            ("/schedulers", self.schedulers),
            ("/upscalers", self.upscalers),
            ("/sd-models", self.checkpoints),
            ("/sd-vae", self.vaes),
            ("/sd-modules", self.vaes),
            ("/prompt-styles", self.styles),
            ("/embeddings", self.embeddings),
            ("/loras", self.loras),
            ("/scripts", self.scripts),
            ("/script-info", self.script_info),
            ("/memory", self.memory),
            ("/latent-upscale-modes", self.latent_modes),
            ("/hypernetworks", self.nothing),
            ("/face-restorers", self.nothing),
            ("/realesrgan-models", self.nothing),
            ("/extensions", self.nothing),
        ):
            router.add_api_route(path, function, methods=["GET"])
        for name in ("checkpoints", "vae", "embeddings", "loras"):
            router.add_api_route(f"/refresh-{name}", self.refresh, methods=["POST"])
        return router

    def samplers(self) -> Response:
        """The samplers: name, aliases, and A1111's options, all of them texts."""
        return answer([_sampler_view(info) for info in SAMPLERS])

    def schedulers(self) -> Response:
        """The schedule types, by A1111's name and label."""
        return answer([_schedule_view(label) for label in SCHEDULES.names()])

    def upscalers(self, request: Request) -> Response:
        """What enlarges pictures in extra-single-image: methods, then the models of files."""
        nothing = {"model_name": None, "model_path": None, "model_url": None}
        found = [{"name": n, **nothing, "scale": USUAL_SCALE} for n in BUILT_IN]
        for file in self._services.catalog.upscalers().files:
            path = _shown(request, Path(file.ref.path))
            model = {**nothing, "model_name": file.ref.name, "model_path": path}
            found.append({"name": file.ref.name, **model, "scale": file.scale})
        return answer(found)

    def latent_modes(self) -> Response:
        """What enlarges latents between the passes of hires fix."""
        return answer([{"name": name} for name in LATENT_UPSCALERS.names()])

    def checkpoints(self, request: Request) -> Response:
        """The checkpoints; hash and sha256 are null until they have been made."""
        catalog = self._services.catalog
        views = [checkpoint_view(ref, catalog) for ref in catalog.checkpoints()]
        for view in views:
            view["filename"] = _shown(request, Path(view["filename"]))
        return answer(views)

    def vaes(self, request: Request) -> Response:
        """The VAE files there are; a checkpoint is drawn with its own all the same."""
        found = self._services.catalog.networks("vae")
        return answer(
            [{"model_name": n.path.name, "filename": _shown(request, n.path)} for n in found]
        )

    def styles(self) -> Response:
        """The styles of styles.csv."""
        return answer(
            [
                {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt}
                for s in self._styles.styles()
            ]
        )

    def embeddings(self) -> Response:
        """The embeddings there are: loaded, or skipped where they do not fit the checkpoint."""
        model = current_checkpoint(self._services)
        found: dict[str, dict[str, Any]] = {"loaded": {}, "skipped": {}}
        for network in self._services.catalog.networks("embeddings"):
            size = vectors(network)
            if size is not None:
                usable = fits(size, model.context if model else 0)
                found["loaded" if usable else "skipped"][network.name] = {
                    "step": None,
                    "sd_checkpoint": None,
                    "sd_checkpoint_name": None,
                    "shape": size.width,
                    "vectors": size.vectors,
                }
        return answer(found)

    def loras(self, request: Request) -> Response:
        """The LoRA files there are, with what their makers wrote into them."""
        return answer(
            [_lora_view(request, network) for network in self._services.catalog.networks("lora")]
        )

    def scripts(self) -> Response:
        """The titles of the scripts, in lower case."""
        titles = [script.title.lower() for script in SCRIPTS]
        return answer({"txt2img": titles, "img2img": titles})

    def script_info(self) -> Response:
        """The scripts with their arguments, in the order script_args has them."""
        return answer(script_views())

    def memory(self) -> Response:
        """Memory in bytes: of this machine, as far as Easel and its worker use it."""
        return answer(memory_view(self._services.queue.status))

    def nothing(self) -> Response:
        """There are none of these: Easel does not use such models yet."""
        return answer([])

    def refresh(self) -> Response:
        """Nothing has to be done: folders are looked at whenever they are asked for."""
        return answer(None)


def memory_view(status: ExecutorStatus) -> dict[str, Any]:
    """``/sdapi/v1/memory``: ``ram`` is what server and worker occupy, as A1111 counts it.

    The graphics card's figures are not known to the server: ``cuda`` says so as A1111 does where
    there is none.
    """
    total = psutil.virtual_memory().total
    used = psutil.Process().memory_info().rss
    used += status.stats.memory_bytes if status.stats else 0
    ram = {"free": max(total - used, 0), "used": used, "total": total}
    device = status.ready.device if status.ready else "no device yet"
    return {"ram": ram, "cuda": {"error": f"Easel draws on {device}; figures are not available."}}


def _sampler_view(info: SamplerInfo) -> dict[str, Any]:
    options: dict[str, str] = {}
    if info.schedule != "Uniform":
        options["scheduler"] = schedule_name(info.schedule)
    if info.evaluations == 2:
        options["second_order"] = "True"
    if info.discard_penultimate:
        options["discard_next_to_last_sigma"] = "True"
    if info.stochastic:
        options["uses_ensd"] = "True"
    return {"name": info.name, "aliases": list(SAMPLERS.aliases(info.name)), "options": options}


def schedule_name(label: str) -> str:
    """A1111's name of a schedule type: "SGM Uniform" → "sgm_uniform"."""
    return label.lower().replace(" ", "_").replace("_gits", "_GITS")


def _schedule_view(label: str) -> dict[str, Any]:
    name = schedule_name(label)
    others = [a for a in SCHEDULES.aliases(label) if a != name.casefold()]
    return {
        "name": name,
        "label": label,
        "aliases": others or None,
        "default_rho": _RHO.get(label, -1.0),
        "need_inner_model": label in _NEEDS_MODEL,
    }


def _lora_view(request: Request, network: Network) -> dict[str, Any]:
    told = metadata(network)
    alias = told.get("ss_output_name")
    return {
        "name": network.name,
        "alias": alias if isinstance(alias, str) and alias else network.name,
        "path": _shown(request, network.path),
        "metadata": dict(told),
    }


def _shown(request: Request, path: Path) -> str:
    return str(path) if caller_of(request).is_admin else path.name
