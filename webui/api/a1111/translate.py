"""A1111's txt2img request as the frozen request that every door submits.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from webui import metadata
from webui.api import told
from webui.api.a1111 import body, scripts
from webui.api.a1111.fields import IMG2IMG, TXT2IMG
from webui.api.errors import NotSupported
from webui.core.errors import EaselError, InvalidRequest
from webui.core.params import fields_of
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.core.requests import Series, Txt2Img
from webui.core.samplers import SAMPLERS, SCHEDULES, split_schedule
from webui.metadata.infotext import ETA_OF_TIMESTEPS
from webui.metadata.parsing import MAX_CHARS as MAX_INFOTEXT_CHARS
from webui.prompt.styles import PLACE, Style, merge
from webui.settings import options

if TYPE_CHECKING:
    from webui.catalog import Catalog

MAX_TASK_CHARS = 200
MAX_STYLES = 100
_MAX_NAME_CHARS = 100
_MAX_STYLED_CHARS = 4 * MAX_PROMPT_CHARS
_TIMESTEP_SAMPLERS = ETA_OF_TIMESTEPS | {"PLMS", "UniPC"}
_SIZES = ("width", "height", "seed_resize_width", "seed_resize_height")
_EXTRA_SEEDS = ("variation_seed", "variation_strength", "seed_resize_width", "seed_resize_height")
_NO_REFINER = ("", "none")


@dataclass(frozen=True, slots=True)
class World:
    """What a request is read against: styles, the request fields that are saved as options (by
    our names), and the checkpoints."""

    styles: Sequence[Style]
    defaults: Mapping[str, Any]
    catalog: Catalog


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

    request: Txt2Img | Series
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
    notes = Notes(ignored=[name for name in values if name not in TXT2IMG])
    given = body.take(TXT2IMG, values)
    _refuse_unsupported(given)
    scripts.check_always_on(given.get("alwayson_scripts", {}))
    notes.ignored += _without_effect(given)
    request, styles = _request(given, world, notes)
    script = None
    if given.get("script_name"):
        script = scripts.run(given["script_name"], given.get("script_args", ()), request)
        notes.ignored += script.ignored
    overrides = _overrides(given)
    return Asked(
        request=script.series if script else request,
        parameters=_echo(given),
        styles=styles,
        notes=notes,
        script=script,
        return_grid=body.flag("override_settings.return_grid", overrides.get("return_grid", True)),
        send_images=given.get("send_images", True),
        save_images=given.get("save_images", False),
        task=_task(given),
        kept={} if given.get("override_settings_restore_afterwards", True) else overrides,
    )


def img2img(values: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Check a body of ``/sdapi/v1/img2img`` as far as it is like txt2img; its fields."""
    given = body.take(IMG2IMG, values)
    plain = {name: value for name, value in given.items() if name in TXT2IMG}
    txt2img({name: value for name, value in plain.items() if name != "script_name"}, world)
    return given


# ---- what is refused, named and echoed


def _refuse_unsupported(given: Mapping[str, Any]) -> None:
    """Refuse what would change the picture and is not there yet (501)."""
    if given.get("enable_hr"):
        raise NotSupported("Easel has no hires fix yet; send enable_hr false.", field="enable_hr")
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


def _without_effect(given: Mapping[str, Any]) -> list[str]:
    """Fields that say something which Easel does not do."""
    return [
        name
        for name, value in given.items()
        if TXT2IMG[name].role == "absent" and value not in (TXT2IMG[name].default, {}, [])
    ]


def _echo(given: Mapping[str, Any]) -> dict[str, Any]:
    """The request with A1111's defaults, as its answer lists it."""
    empty = {"override_settings": {}, "alwayson_scripts": {}, "script_args": []}
    known = {known.name: known.default for known in TXT2IMG.values() if known.echoed}
    return {**known, **empty, **given}


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
    given: Mapping[str, Any], world: World, notes: Notes
) -> tuple[Txt2Img, tuple[str, ...]]:
    """The picture that is asked for, and the styles it was written with."""
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
    _round_sizes(values, notes)
    styles = tuple(given.get("styles", ()))
    values |= _styled(values, styles, world.styles, notes)
    return _checked(values), styles


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
    return dict(found["values"])


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


def _styled(
    values: Mapping[str, Any], names: Sequence[str], styles: Sequence[Style], notes: Notes
) -> dict[str, str]:
    """Both prompts with their styles, in the order named; unknown ones are named."""
    if len(names) > MAX_STYLES:
        raise InvalidRequest(f"There are {len(names)} styles; the most is {MAX_STYLES}.",
                             field="styles")  # fmt: skip
    known = {style.name: style for style in styles}
    prompt, negative = values.get("prompt", ""), values.get("negative_prompt", "")
    for name in names:
        style = known.get(name)
        if style is None:
            notes.ignored.append(f"styles.{name}")
            continue
        prompt = _merged(prompt, style.prompt)
        negative = _merged(negative, style.negative_prompt)
    return {"prompt": prompt, "negative_prompt": negative}


def _merged(prompt: str, addition: str) -> str:
    """A prompt with one style's text, told before a text of any length is made: a style may hold
    its place for the prompt many times."""
    length = addition.count(PLACE) * len(prompt) + len(addition)
    if length > _MAX_STYLED_CHARS:
        raise InvalidRequest("With these styles the prompt is too long.", field="styles")
    return merge(prompt, addition)


def _checked(values: Mapping[str, Any]) -> Txt2Img:
    """The request; errors name the field as the caller knows it."""
    try:
        return Txt2Img.from_mapping(values)
    except EaselError as error:
        raise renamed(error) from None


def renamed(error: EaselError) -> EaselError:
    """An error whose field is A1111's name for it."""
    theirs = {f.name: f.param.a1111 for f in fields_of(Txt2Img) if f.param.a1111}
    inverse = {declared.name: name for name, declared in options.FIELDS.items()}
    name = theirs.get(error.field or "", error.field)
    if error.field == "checkpoint" or (name not in TXT2IMG and error.field in inverse):
        name = f"override_settings.{inverse.get(error.field or '', options.CHECKPOINT)}"
    error.field = name
    return error


_READ_ELSEWHERE = frozenset({"return_grid", "eta_ddim", "eta_ancestral"})
