"""What a request left open is filled in, once, when it is submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from webui.catalog import Catalog, find_clip
from webui.core.errors import InvalidRequest
from webui.core.measure import Measure
from webui.core.models import ModelRef
from webui.core.params import fields_of
from webui.core.requests import Changes, Request, Series, Txt2Img
from webui.core.seeds import image_seed, resolve_seed, variation_seed
from webui.core.sweep import at_once, drawing_order
from webui.prompt.wildcard_lists import Wildcards
from webui.prompt.wildcards import resolve, varies

NEGATIVE = "negative"
"""The stream of choices of negative prompts: see :func:`webui.prompt.wildcards.resolve`."""


class Completer:
    """The queue's ``resolve``: checkpoint, size, seed, and each picture's own prompt.

    ``wildcards`` gives what names in prompts stand for, or None where prompts are taken as they
    are. A request whose prompt varies becomes a series of single pictures.
    """

    def __init__(self, catalog: Catalog, wildcards: Callable[[], Wildcards] | None) -> None:
        self._catalog = catalog
        self._wildcards = wildcards

    def __call__(self, request: Request) -> tuple[Request, ModelRef]:
        """The complete request, and the checkpoint it begins with."""
        if isinstance(request, Measure):
            return request, find_clip(self._catalog.models_dir, request.model)
        wildcards = self._wildcards() if self._wildcards else None
        if isinstance(request, Series):
            return self._series(request, wildcards)
        whole, model = self._whole(request)
        if wildcards is None or not _is_template(whole, wildcards):
            return whole, model
        pictures = [(one, model) for one in singles(whole)]
        return _made(Series(base=whole, cells=((),)), pictures, wildcards), model

    def _series(self, series: Series, wildcards: Wildcards | None) -> tuple[Series, ModelRef]:
        base, _ = self._filled(series.base)
        given = replace(series.base, seed=base.seed, variation_seed=base.variation_seed)
        pictures: list[tuple[Txt2Img, ModelRef]] = []
        for cell in series.cells:
            whole, model = self._whole(replace(given, **dict(cell)))
            pictures += [(one, model) for one in singles(whole)]
        made = _made(replace(series, base=base, each=base.count), pictures, wildcards)
        return made, made.model(made.sequence[0])

    def _whole(self, request: Txt2Img) -> tuple[Txt2Img, ModelRef]:
        whole, model = self._filled(request)
        return whole, replace(model, judge=self._judge(request))

    def _filled(self, request: Txt2Img) -> tuple[Txt2Img, ModelRef]:
        model = self._catalog.resolve(request.checkpoint)
        self._catalog.model_hash(model)  # begun now, it is known by the time a picture is saved
        whole = replace(
            request,
            checkpoint=model.name,
            width=request.width or model.native_size,
            height=request.height or model.native_size,
            seed=resolve_seed(request.seed),
            variation_seed=resolve_seed(request.variation_seed),
        )
        return whole, model

    def _judge(self, request: Txt2Img) -> ModelRef | None:
        """The CLIP model that scores what is drawn; refused here when there is none."""
        if not request.judged:
            return None
        field = "best_of" if request.best_of > 1 else "clip_score"
        if not request.prompt.strip():
            raise InvalidRequest("CLIP needs a prompt to compare pictures with.", field=field)
        return find_clip(self._catalog.models_dir, field=field)


def singles(request: Txt2Img) -> list[Txt2Img]:
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


def _is_template(request: Txt2Img, wildcards: Wildcards) -> bool:
    return any(varies(text, wildcards) for text in (request.prompt, request.negative_prompt))


def _made(
    series: Series, pictures: Sequence[tuple[Txt2Img, ModelRef]], wildcards: Wildcards | None
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
    models: dict[str, ModelRef] = {}
    for _, model in pictures:
        if model.name not in models or model.judge:  # some pictures may be judged, others not
            models[model.name] = model
    width = max(request.width or 0 for request in requests)
    height = max(request.height or 0 for request in requests)
    return replace(
        series,
        cells=tuple(_difference(series.base, request) for request in requests),
        order=drawing_order(requests),
        at_once=at_once(series.base.batch_size, width, height),
        models=tuple(models.values()),
        templates=tuple(templates),
        chosen=tuple((prompt, negative) for prompt, negative in chosen) if templates else (),
    )


def _chosen(request: Txt2Img, wildcards: Wildcards) -> Txt2Img:
    """A picture's request with the choices in its prompts made, by its seed."""
    seed = request.seed
    return replace(
        request,
        prompt=resolve(request.prompt, seed, wildcards),
        negative_prompt=resolve(request.negative_prompt, seed, wildcards, stream=NEGATIVE),
    )


def _difference(base: Txt2Img, request: Txt2Img) -> Changes:
    """The fields of ``request`` that ``base`` has otherwise; how many pictures aside."""
    names = (f.name for f in fields_of(Txt2Img) if f.name not in ("batch_count", "batch_size"))
    return tuple(
        (name, getattr(request, name))
        for name in names
        if getattr(request, name) != getattr(base, name)
    )
