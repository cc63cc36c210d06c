"""What a request left open is filled in, once, when it is submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from webui.catalog import Catalog, find_clip
from webui.core.errors import InvalidRequest, NotFound
from webui.core.measure import Measure
from webui.core.models import AdapterRef, ModelRef
from webui.core.params import fields_of
from webui.core.picture_fields import MAX_SIDE, MIN_SIDE
from webui.core.requests import (
    MAX_PIXELS,
    Changes,
    DrawRequest,
    Img2Img,
    Request,
    Series,
    Txt2Img,
    Upscale,
)
from webui.core.second_pass import LATENT_UPSCALERS
from webui.core.seeds import image_seed, resolve_seed, variation_seed
from webui.core.sizes import own_size
from webui.core.sweep import at_once, drawing_order
from webui.core.upscale import plan
from webui.core.upscalers import NONE
from webui.jobs.adapters import AdapterFinder, united
from webui.library.inputs import Input, Inputs
from webui.prompt.wildcard_lists import Wildcards
from webui.prompt.wildcards import resolve, varies
from webui.settings.sections import Upscaling

NEGATIVE = "negative"
"""The stream of choices of negative prompts: see :func:`webui.prompt.wildcards.resolve`."""


class Completer:
    """The queue's ``resolve``: checkpoint, size, seed, and each picture's own prompt.

    ``wildcards`` gives what names in prompts stand for, or None where prompts are taken as they
    are. A request whose prompt varies becomes a series of single pictures. ``inputs`` are the
    pictures that requests start from, ``upscaling`` how models go through them; that may be
    replaced at any time.
    """

    def __init__(
        self,
        catalog: Catalog,
        wildcards: Callable[[], Wildcards] | None,
        inputs: Inputs | None = None,
        upscaling: Upscaling | None = None,
    ) -> None:
        self._catalog = catalog
        self._wildcards = wildcards
        self._inputs = inputs
        self.upscaling = upscaling or Upscaling()

    def __call__(self, request: Request) -> tuple[Request, ModelRef]:
        """The complete request, and the checkpoint it begins with, with what its prompts call."""
        if isinstance(request, Measure):
            return request, find_clip(self._catalog.models_dir, request.model)
        if isinstance(request, Upscale):
            return self._upscale(request)
        wildcards = self._wildcards() if self._wildcards else None
        if isinstance(request, Series):
            return self._series(request, wildcards)
        whole, model = self._whole(request)
        finder = AdapterFinder(self._catalog)
        if wildcards is None or not _is_template(whole, wildcards):
            return whole, replace(model, adapters=finder.of(whole, model))
        pictures = [(one, model) for one in singles(whole)]
        made = _made(Series(base=whole, cells=((),)), pictures, wildcards, finder)
        return made, made.model(0)

    def _upscale(self, request: Upscale) -> tuple[Upscale, ModelRef]:
        """With its upscalers, and the sizes of its pictures, which are checked here."""
        known = self._catalog.upscalers()
        first = known.find(request.upscaler or NONE, field="upscaler")
        second = known.find(request.upscaler_2 or NONE, field="upscaler_2")
        if self._inputs is None:
            raise NotFound("There are no pictures that this could start from.", field="images")
        found = [self._inputs.check(one, field="images") for one in request.images]
        whole = replace(
            request,
            upscaler=first.name,
            upscaler_2=second.name,
            models=(first, second),
            sizes=tuple((one.width, one.height) for one in found),
            tile=self.upscaling.tile,
            overlap=self.upscaling.overlap,
        )
        for size in whole.sizes:
            plan(whole, *size)  # refuses what would become too large
        return whole, first

    def _series(self, series: Series, wildcards: Wildcards | None) -> tuple[Series, ModelRef]:
        base, _ = self._filled(series.base)
        given = replace(series.base, seed=base.seed, variation_seed=base.variation_seed)
        pictures: list[tuple[DrawRequest, ModelRef]] = []
        for cell in series.cells:
            whole, model = self._whole(replace(given, **dict(cell)))
            pictures += [(one, model) for one in singles(whole)]
        finder = AdapterFinder(self._catalog)
        made = _made(replace(series, base=base, each=base.count), pictures, wildcards, finder)
        return made, made.model(made.sequence[0])

    def _whole(self, request: DrawRequest) -> tuple[DrawRequest, ModelRef]:
        whole, model = self._filled(request)
        if isinstance(whole, Txt2Img) and whole.hires:
            upscaler = self._hires_upscaler(whole.hires_upscaler)
            if upscaler is not None:
                tiles = (self.upscaling.tile, self.upscaling.overlap)
                whole = replace(whole, hires_upscaler=upscaler.name)
                model = replace(model, upscalers=(replace(upscaler, tiles=tiles),))
        return whole, replace(model, judge=self._judge(request))

    def _filled(self, request: DrawRequest) -> tuple[DrawRequest, ModelRef]:
        model = self._catalog.resolve(request.checkpoint)
        self._catalog.model_hash(model)  # begun now, it is known by the time a picture is saved
        start = self._start(request) if isinstance(request, Img2Img) else None
        width, height = _open_size(request, start, model)
        whole = replace(
            request,
            checkpoint=model.name,
            width=request.width or width,
            height=request.height or height,
            seed=resolve_seed(request.seed),
            variation_seed=resolve_seed(request.variation_seed),
        )
        if isinstance(whole, Img2Img) and start is not None:
            whole.check_made((start.width, start.height))
        return whole, model

    def _hires_upscaler(self, name: str) -> ModelRef | None:
        """What enlarges between the passes; None where latents are interpolated."""
        if name in LATENT_UPSCALERS:
            return None
        try:
            return self._catalog.upscalers().find(name, field="hires_upscaler")
        except NotFound as error:
            raise InvalidRequest(error.message, field="hires_upscaler") from None

    def _start(self, request: Img2Img) -> Input:
        """The picture that is drawn over; ``NotFound`` when that or the mask is not kept."""
        if self._inputs is None:
            raise NotFound("There are no pictures that this could start from.", field="init_image")
        if not request.init_image:
            raise InvalidRequest(
                "There is no picture to start from; choose one.", field="init_image"
            )
        if request.mask:
            self._inputs.check(request.mask, field="mask")
        return self._inputs.check(request.init_image, field="init_image")

    def _judge(self, request: DrawRequest) -> ModelRef | None:
        """The CLIP model that scores what is drawn; refused here when there is none."""
        if not request.judged:
            return None
        field = "best_of" if request.best_of > 1 else "clip_score"
        if not request.prompt.strip():
            raise InvalidRequest("CLIP needs a prompt to compare pictures with.", field=field)
        return find_clip(self._catalog.models_dir, field=field)


def _open_size(request: DrawRequest, start: Input | None, model: ModelRef) -> tuple[int, int]:
    """What stands for sides that are left open: the size of the picture that is drawn over, else
    the model's native size."""
    if start is None:
        return model.native_size, model.native_size
    given = (request.width or 0, request.height or 0)
    return own_size((start.width, start.height), given, MIN_SIDE, MAX_SIDE, MAX_PIXELS)


def singles(request: DrawRequest) -> list[DrawRequest]:
    """A request for each of the pictures that a complete request asks for, with its own seeds.

    Of several candidates for a picture, the first has its seed.
    """
    alone = replace(request, batch_count=1, batch_size=1)
    firsts = range(0, request.count * request.best_of, request.best_of)
    return [
        replace(
            alone,
            seed=image_seed(request.seed, first, request.variation_strength),
            variation_seed=variation_seed(request.variation_seed, first),
        )
        for first in firsts
    ]


def _is_template(request: DrawRequest, wildcards: Wildcards) -> bool:
    return any(varies(getattr(request, name), wildcards) for name in _prompts(request))


def _prompts(request: DrawRequest) -> tuple[str, ...]:
    """The fields of a request that hold prompts."""
    second = isinstance(request, Txt2Img) and request.hires
    own = ("prompt", "negative_prompt")
    return (*own, "hires_prompt", "hires_negative_prompt") if second else own


def _made(
    series: Series,
    pictures: Sequence[tuple[DrawRequest, ModelRef]],
    wildcards: Wildcards | None,
    finder: AdapterFinder,
) -> Series:
    """``series`` with these pictures for cells, in the order that costs least."""
    written = [request for request, _ in pictures]
    requests = written if wildcards is None else [_chosen(one, wildcards) for one in written]
    templates: dict[str, int] = {}
    chosen = [
        tuple(
            -1 if asked == drawn else templates.setdefault(asked, len(templates))
            for asked, drawn in (
                (before.prompt, after.prompt),
                (before.negative_prompt, after.negative_prompt),
            )
        )
        for before, after in zip(written, requests, strict=True)
    ]
    models = _models(requests, [model for _, model in pictures], finder)
    width = max(request.final_size[0] for request in requests)
    height = max(request.final_size[1] for request in requests)
    return replace(
        series,
        cells=tuple(_difference(series.base, request) for request in requests),
        order=drawing_order(requests),
        at_once=at_once(series.base.batch_size, width, height),
        models=models,
        templates=tuple(templates),
        chosen=tuple((prompt, negative) for prompt, negative in chosen) if templates else (),
    )


def _models(
    requests: Sequence[DrawRequest], models: Sequence[ModelRef], finder: AdapterFinder
) -> tuple[ModelRef, ...]:
    """Each checkpoint once, with what any of its pictures calls besides."""
    found: dict[str, ModelRef] = {}
    adapters: dict[str, list[tuple[AdapterRef, ...]]] = {}
    upscalers: dict[str, dict[str, ModelRef]] = {}
    for request, model in zip(requests, models, strict=True):
        if model.name not in found or model.judge:  # some pictures may be judged, others not
            found[model.name] = model
        adapters.setdefault(model.name, []).append(finder.of(request, model))
        upscalers.setdefault(model.name, {}).update({one.name: one for one in model.upscalers})
    return tuple(
        replace(one, adapters=united(adapters[name]), upscalers=tuple(upscalers[name].values()))
        for name, one in found.items()
    )


def _chosen(request: DrawRequest, wildcards: Wildcards) -> DrawRequest:
    """A picture's request with the choices in its prompts made, by its seed."""
    made: dict[str, str] = {}
    for name in _prompts(request):
        stream = {"stream": NEGATIVE} if "negative" in name else {}
        made[name] = resolve(getattr(request, name), request.seed, wildcards, **stream)
    return replace(request, **made)


def _difference(base: DrawRequest, request: DrawRequest) -> Changes:
    """The fields of ``request`` that ``base`` has otherwise; how many pictures aside."""
    names = (f.name for f in fields_of(type(base)) if f.name not in ("batch_count", "batch_size"))
    return tuple(
        (name, getattr(request, name))
        for name in names
        if getattr(request, name) != getattr(base, name)
    )
