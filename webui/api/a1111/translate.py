"""A1111's txt2img and img2img requests as the frozen requests that every door submits.

What a field is when it was not sent comes, the weakest first, from A1111's defaults, from the
options that are saved here (``/sdapi/v1/options``), from ``infotext``, and from
``override_settings``: the order A1111 1.10 has. Nothing here changes a setting, so overrides need
no restoring.

Where we differ, each named in the header ``X-Easel-Changed``: sizes that are no multiple of 8 are
rounded down (A1111 draws that size without saying so), and an unknown sampler or schedule type
becomes A1111's own stand-in, as there. An unknown checkpoint is refused (404), where A1111 draws
with whichever is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from webui import metadata
from webui.api import told
from webui.api.a1111 import body, scripts
from webui.api.a1111.fields import IMG2IMG, TXT2IMG
from webui.api.a1111.second_pass import (
    PAGE,
    each_picture,
    hires,
    kept_pictures,
    picture_fields,
    without_pictures,
)
from webui.api.a1111.styled import styled
from webui.api.errors import NotSupported
from webui.core.errors import EaselError, InvalidRequest, NotFound
from webui.core.params import fields_of
from webui.core.requests import DrawRequest, Img2Img, Series, Txt2Img
from webui.core.samplers import SAMPLERS, SCHEDULES, split_schedule
from webui.metadata.infotext import ETA_OF_TIMESTEPS
from webui.metadata.parsing import MAX_CHARS as MAX_INFOTEXT_CHARS
from webui.prompt.styles import Style
from webui.settings import options

if TYPE_CHECKING:
    from webui.catalog import Catalog
    from webui.library.inputs import Inputs

MAX_TASK_CHARS = 200
_MAX_NAME_CHARS = 100
_TIMESTEP_SAMPLERS = ETA_OF_TIMESTEPS | {"PLMS", "UniPC"}
_SIZES = ("width", "height", "seed_resize_width", "seed_resize_height", "hires_width",
          "hires_height")  # fmt: skip
_COMMON = frozenset(f.name for f in fields_of(DrawRequest))
_EXTRA_SEEDS = ("variation_seed", "variation_strength", "seed_resize_width", "seed_resize_height")
_NO_REFINER = ("", "none")


@dataclass(frozen=True, slots=True)
class World:
    """What a request is read against: styles, the request fields that are saved as options (by
    our names), the checkpoints, and where pictures are kept that it starts from."""

    styles: Sequence[Style]
    defaults: Mapping[str, Any]
    catalog: Catalog
    inputs: Inputs


@dataclass(slots=True)
class Notes:
    """What the answer's headers name: ``ignored`` fields, and ``changed`` values."""

    ignored: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of A1111's API, translated.

    ``request`` is what is submitted; ``parameters`` the request as A1111 answers it, with its
    defaults. ``script`` is set where a script makes many requests of one. ``return_grid`` says
    whether a grid is put before several pictures that are saved. ``task`` is what the caller calls
    the job. ``kept`` are overrides that are to hold from then on.
    """

    request: DrawRequest | Series
    parameters: Mapping[str, Any]
    styles: tuple[str, ...]
    notes: Notes
    script: scripts.Drawn | None = None
    return_grid: bool = True
    send_images: bool = True
    save_images: bool = False
    task: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict[str, Any])


def txt2img(values: Mapping[str, Any], world: World) -> Asked:
    """The request in a body of ``/sdapi/v1/txt2img``.

    ``InvalidRequest`` names the field by A1111's name, ``NotSupported`` what Easel cannot do yet.
    """
    given, notes = _taken(values, TXT2IMG)
    request, styles = _request(given, world, notes, Txt2Img, lambda values: hires(given, values))
    return _asked(given, request, styles, notes, TXT2IMG)


def img2img(values: Mapping[str, Any], world: World) -> Asked:
    """The request in a body of ``/sdapi/v1/img2img``; its pictures are kept.

    Several ``init_images`` are drawn over one after the other, each with a seed of its own.
    ``NotFound`` without any, as A1111; otherwise as :func:`txt2img`.
    """
    if not values.get("init_images"):
        raise NotFound("Init image not found", field="init_images")
    given, notes = _taken(values, IMG2IMG)
    if given.get("script_name") and len(given["init_images"]) > 1:
        raise InvalidRequest("A script draws over one picture; send one.", field="init_images")
    # Looked at before any picture is kept: what is wrong with the rest is said first.
    request, styles = _request(
        given, world, notes, Img2Img, lambda found: picture_fields(given, found, notes.changed)
    )
    pictures = kept_pictures(given["init_images"], "init_images", world.inputs)
    mask = kept_pictures([given["mask"]], "mask", world.inputs)[0] if given.get("mask") else ""
    request = replace(request, init_image=pictures[0], mask=mask)
    asked = _asked(given, request, styles, notes, IMG2IMG)
    asked = replace(asked, parameters=without_pictures(asked.parameters))
    if len(pictures) == 1 or isinstance(asked.request, Series):
        return asked
    return replace(asked, request=each_picture(request, pictures))


def _taken(
    values: Mapping[str, Any], known: Mapping[str, body.Known]
) -> tuple[dict[str, Any], Notes]:
    """The known fields of a body, and the notes that are begun with the others."""
    notes = Notes(ignored=[name for name in values if name not in known])
    given = body.take(known, values)
    _refuse_unsupported(given)
    scripts.check_always_on(given.get("alwayson_scripts", {}))
    notes.ignored += [
        name
        for name, value in given.items()
        if known[name].role == "absent" and value not in (known[name].default, {}, [])
    ]
    return given, notes


def _asked(
    given: Mapping[str, Any],
    request: DrawRequest,
    styles: tuple[str, ...],
    notes: Notes,
    known: Mapping[str, body.Known],
) -> Asked:
    script = None
    if given.get("script_name"):
        script = scripts.run(given["script_name"], given.get("script_args", ()), request)
        notes.ignored += script.ignored
    overrides = _overrides(given)
    return Asked(
        request=script.series if script else request,
        parameters=_echo(given, known),
        styles=styles,
        notes=notes,
        script=script,
        return_grid=body.flag("override_settings.return_grid", overrides.get("return_grid", True)),
        send_images=given.get("send_images", True),
        save_images=given.get("save_images", False),
        task=_task(given),
        kept={} if given.get("override_settings_restore_afterwards", True) else overrides,
    )


# ---- what is refused, named and echoed


def _refuse_unsupported(given: Mapping[str, Any]) -> None:
    """Refuse what would change the picture and is not there yet (501)."""
    if given.get("restore_faces"):
        raise NotSupported(
            "Easel cannot restore faces yet; send restore_faces false.", field="restore_faces"
        )
    refiner = given.get("refiner_checkpoint", "").strip().casefold()
    switch = given.get("refiner_switch_at", 1.0)
    if refiner not in _NO_REFINER and 0 < switch < 1:
        raise NotSupported(
            "Easel has no refiner yet; leave refiner_checkpoint out.", field="refiner_checkpoint"
        )


def _echo(given: Mapping[str, Any], known: Mapping[str, body.Known]) -> dict[str, Any]:
    """The request with A1111's defaults, as its answer lists it."""
    empty = {"override_settings": {}, "alwayson_scripts": {}, "script_args": []}
    usual = {field.name: field.default for field in known.values() if field.echoed}
    return {**usual, **empty, **given}


def _task(given: Mapping[str, Any]) -> str:
    task = given.get("force_task_id", "")
    if len(task) > MAX_TASK_CHARS:
        raise InvalidRequest(
            f"The id has {len(task)} characters; the most is {MAX_TASK_CHARS}.",
            field="force_task_id",
        )
    return task


# ---- the request


def _request(
    given: Mapping[str, Any],
    world: World,
    notes: Notes,
    kind: type[DrawRequest],
    own: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[DrawRequest, tuple[str, ...]]:
    """The picture that is asked for, and the styles it was written with; ``own`` gives the fields
    that only this kind of request has, from all that were found."""
    overrides = _overrides(given)
    values = {**_defaults(), **world.defaults}
    values |= _of_infotext(given.get("infotext", ""), world.catalog, notes)
    values |= _of_overrides(overrides, notes)
    values |= {ours: given[theirs] for theirs, ours in _names().items() if theirs in given}
    sampler = given.get("sampler_name") or given.get("sampler_index")
    values |= _sampling(
        sampler or values["sampler"], given.get("scheduler") or values["scheduler"], notes
    )
    values |= _eta(given, overrides, values["sampler"])
    if not given.get("seed_enable_extras", True):
        values = {name: value for name, value in values.items() if name not in _EXTRA_SEEDS}
    common = {name: value for name, value in values.items() if name in _COMMON}
    values = common | dict(own(values))
    _round_sizes(values, notes)
    styles = tuple(given.get("styles", ()))
    prompts, unknown = styled(values, styles, world.styles)
    notes.ignored += [f"styles.{name}" for name in unknown]
    values |= prompts
    return _checked(kind, values), styles


def _defaults() -> dict[str, Any]:
    """A1111's defaults where they are not ours."""
    known = {"steps": "steps", "cfg_scale": "cfg_scale", "width": "width", "height": "height"}
    found = {ours: TXT2IMG[theirs].default for theirs, ours in known.items()}
    return {**found, "sampler": TXT2IMG["sampler_index"].default, "scheduler": "Automatic"}


@cache
def _names() -> Mapping[str, str]:
    """Our fields by the request's names; sampler and schedule are looked at together."""
    named = ((f.param.a1111 or "", f.name) for f in fields_of(Txt2Img))
    known = {theirs: ours for theirs, ours in named if theirs in TXT2IMG}
    return {theirs: ours for theirs, ours in known.items() if ours not in ("sampler", "scheduler")}


def _of_infotext(text: str, catalog: Catalog, notes: Notes) -> dict[str, Any]:
    """The fields that an infotext gives; what it says and cannot be used is named."""
    if not text.strip():
        return {}
    if len(text) > MAX_INFOTEXT_CHARS:
        raise InvalidRequest(
            f"The text has {len(text)} characters; the most is {MAX_INFOTEXT_CHARS}.",
            field="infotext",
        )
    found = told.view(metadata.read_text(text), catalog)
    if found["problems"]:
        notes.ignored.append("infotext")
    return (PAGE if found["has_parameters"] else {}) | found["values"]


def _overrides(given: Mapping[str, Any]) -> dict[str, Any]:
    """A1111's options for this request; null is as if it were not sent, as everywhere."""
    sent = given.get("override_settings", {})
    return {name: value for name, value in sent.items() if value is not None}


def _of_overrides(overrides: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The request fields among A1111's options; the other options are named."""
    found: dict[str, Any] = {}
    for name, value in overrides.items():
        if name == options.CHECKPOINT:
            if value:
                found["checkpoint"] = body.text(f"override_settings.{name}", value)
        elif name in options.FIELDS:
            declared = options.FIELDS[name]
            try:
                found[declared.name] = declared.check(_as(declared.type, name, value))
            except InvalidRequest as error:
                raise InvalidRequest(error.message, field=f"override_settings.{name}") from None
        elif name not in _READ_ELSEWHERE:
            notes.ignored.append(f"override_settings.{name}")
    return found


def _as(kind: type, name: str, value: Any) -> Any:
    """A value as A1111's options hold it: switches and numbers may be text."""
    field = f"override_settings.{name}"
    if kind is bool:
        return body.flag(field, value)
    return body.number(field, value) if kind in (int, float) else value


def _eta(given: Mapping[str, Any], overrides: Mapping[str, Any], sampler: str) -> dict[str, Any]:
    """The request's eta, else the option of the sampler's kind."""
    name = "eta_ddim" if sampler in _TIMESTEP_SAMPLERS else "eta_ancestral"
    if "eta" in given or name not in overrides:
        return {}
    return {"eta": body.number(f"override_settings.{name}", overrides[name])}


def _sampling(sampler: str, scheduler: str, notes: Notes) -> dict[str, str]:
    """Sampler and schedule as A1111 1.9 and later find them.

    A schedule behind the sampler's name counts before the other; an unknown sampler becomes the
    first in the list, an unknown schedule "Automatic".
    """
    name, behind = _taken_apart(sampler)
    if name not in SAMPLERS:
        name = SAMPLERS.names()[0]
        notes.changed.append(f"sampler_name={name}")
    if behind is None and scheduler not in SCHEDULES:
        scheduler = "Automatic"
        notes.changed.append(f"scheduler={scheduler}")
    return {"sampler": SAMPLERS.canonical(name), "scheduler": behind or scheduler}


def _taken_apart(sampler: str) -> tuple[str, str | None]:
    """A sampler's name without the schedule behind it, whether or not the sampler is known."""
    if len(sampler) > _MAX_NAME_CHARS:
        return "", None
    name, schedule = split_schedule(sampler.strip())
    words = name.split()
    if schedule is None and name not in SAMPLERS:
        for count in range(1, len(words)):
            tail = " ".join(words[-count:])
            if tail in SCHEDULES:
                return " ".join(words[:-count]), SCHEDULES.canonical(tail)
    return name, schedule


def _round_sizes(values: dict[str, Any], notes: Notes) -> None:
    """Sizes as A1111 draws them: whole eighths; what resizes no seed (-1) is 0."""
    theirs = {ours: name for name, ours in _names().items()}
    for name in _SIZES:
        asked = values.get(name)
        if asked is None:
            continue
        size = max(asked, 0) if name.startswith("seed") else asked
        rounded = size - size % 8 if size > 0 else size
        if rounded != size:
            notes.changed.append(f"{theirs[name]}={rounded}")
        values[name] = rounded


def _checked(kind: type[DrawRequest], values: Mapping[str, Any]) -> DrawRequest:
    """The request; errors name the field as the caller knows it."""
    try:
        return kind.from_mapping(values)
    except EaselError as error:
        raise renamed(error) from None


def renamed(error: EaselError) -> EaselError:
    """An error whose field is A1111's name for it."""
    theirs = {f.name: f.param.a1111 for f in (*fields_of(Img2Img), *fields_of(Txt2Img))}
    theirs |= {"init_image": "init_images", "mask": "mask"}
    inverse = {declared.name: name for name, declared in options.FIELDS.items()}
    name = theirs.get(error.field or "") or error.field
    is_theirs = name in TXT2IMG or name in IMG2IMG
    if error.field == "checkpoint" or (not is_theirs and error.field in inverse):
        name = f"override_settings.{inverse.get(error.field or '', options.CHECKPOINT)}"
    error.field = name
    return error


_READ_ELSEWHERE = frozenset({"return_grid", "eta_ddim", "eta_ancestral"})
