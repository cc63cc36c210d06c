"""``script_name``, ``script_args`` and ``alwayson_scripts``: A1111's scripts as series of ours.

Arguments are positional; those that are missing keep the script's defaults, further ones are passed
over, as in A1111. What its scripts answer with is kept too: an X/Y/Z plot its grid, and its
pictures only where "Include Sub Images" asks for them; a prompt matrix grid and pictures; prompts
from a text box pictures. Where we differ: a plot over three axes answers with one grid for each
page, not with one more that holds them all, so "Include Sub Grids" changes nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from webui.api.a1111 import body
from webui.api.a1111.axes import axis_name, is_choice
from webui.api.a1111.script_info import SCRIPTS, Script
from webui.core.errors import InvalidRequest
from webui.core.requests import Changes, DrawRequest, Series
from webui.core.seeds import MAX_SEED, resolve_seed
from webui.core.sweep import plan

BUILT_IN = frozenset(
    {"comments", "extra options", "hypertile", "refiner", "sampler", "seed"}
)  # A1111's own that always run; over its API their arguments are not looked at
OF_EXTENSIONS = frozenset(
    {
        "adetailer", "animatediff", "controlnet", "dynamic thresholding (cfg scale fixing)",
        "reactor", "roop", "self attention guidance",
    }
)  # fmt: skip
"""Scripts of extensions that clients send switched off where they were never asked for."""

_FIELD = "script_args"
_XYZ_FLAGS = (
    "draw_legend", "include_lone_images", "include_sub_grids", "no_fixed_seeds", "vary_seeds_x",
    "vary_seeds_y", "vary_seeds_z", "margin_size", "csv_mode",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a script makes of a request, and what of it is answered.

    ``grids`` and ``pictures`` say which of the two the answer holds; ``ignored`` names arguments
    that change nothing here.
    """

    series: Series
    grids: bool
    pictures: bool
    ignored: tuple[str, ...] = ()


def run(name: str, args: Sequence[Any], request: DrawRequest) -> Drawn:
    """What the script of that title makes of ``request``; case does not count.

    ``InvalidRequest`` (422) for an unknown script, in A1111's words, and for arguments of another
    kind; ``NotSupported`` (501) for what Easel cannot vary.
    """
    script = next((s for s in SCRIPTS if s.title.casefold() == name.strip().casefold()), None)
    make = _RUN.get(script.title) if script else None
    if script is None or make is None:
        raise InvalidRequest(f"Script {_short(name)} not found.", field="script_name")
    return make(_complete(script, args), request)


def check_always_on(scripts: Mapping[str, Any]) -> None:
    """Refuse scripts that would have to run and do not exist here (422), as A1111 refuses them.

    Those of extensions that clients always send are let in as long as they are switched off.
    """
    titles = {script.title.casefold() for script in SCRIPTS}
    for name, value in scripts.items():
        field = f"alwayson_scripts.{name[:60]}"
        plain = name.strip().casefold()
        args = _args(field, value)
        if plain in titles:
            raise InvalidRequest(
                "Cannot have a selectable script in the always on scripts params.", field=field
            )
        is_off = plain in OF_EXTENSIONS and _is_off(args)
        if not (plain in BUILT_IN or is_off):
            raise InvalidRequest(f"Script {_short(name)} not found.", field=field)


def _args(field: str, value: Any) -> list[Any]:
    """The arguments of an always-on script; some clients send one object in place of the list."""
    args = body.fields(field, value).get("args")
    if isinstance(args, dict):
        return [cast("dict[str, Any]", args)]
    return body.items(field, [] if args is None else args)


def _is_off(args: Sequence[Any]) -> bool:
    """Whether an extension's arguments switch it off: the first says so, or each of its units."""
    units = [cast("dict[str, Any]", one) for one in args if isinstance(one, dict)]
    if units and len(units) == len(args):
        return not any(unit.get("enabled", unit.get("enable", True)) for unit in units)
    return not args or args[0] is False or args[0] is None


def _complete(script: Script, args: Sequence[Any]) -> list[Any]:
    """The arguments, each that is missing or null by its default."""
    given = [*args, *(None for _ in script.args)][: len(script.args)]
    pairs = zip(given, script.args, strict=True)
    return [declared.value if value is None else value for value, declared in pairs]


# ---- X/Y/Z plot


def _xyz(args: Sequence[Any], request: DrawRequest) -> Drawn:
    flags = dict(zip(_XYZ_FLAGS, args[9:], strict=True))
    margin = body.number(f"{_FIELD}[16]", flags.pop("margin_size"))
    is_set = {name: body.flag(f"{_FIELD}.{name}", value) for name, value in flags.items()}
    kind = type(request)
    axes = {place: _axis(place, args[3 * i : 3 * i + 3], kind) for i, place in enumerate("xyz")}
    options = {**axes, "legend": is_set["draw_legend"], "different_seeds": False}
    series = _planned({"script": "xyz", **options}, request)
    if is_set["no_fixed_seeds"] and request.seed < 0:
        series = _with_seeds(series, [resolve_seed(-1) for _ in series.cells])
    series = _varied(series, [place for place in "xyz" if is_set[f"vary_seeds_{place}"]])
    ignored = (f"{_FIELD}.margin_size",) if margin else ()
    return Drawn(series, grids=True, pictures=is_set["include_lone_images"], ignored=ignored)


def _axis(place: str, args: Sequence[Any], request: type[DrawRequest]) -> dict[str, str] | None:
    """One axis of type, values as text, and values as a list; None where nothing is to vary."""
    kind, written, chosen = args
    name = axis_name(f"{_FIELD}.{place}_type", kind, request)
    if not name:
        return None
    field = f"{_FIELD}.{place}_values"
    values = body.text(field, written)
    if is_choice(name, request) and chosen:  # A1111 takes these from the list
        values = _as_csv(body.texts(f"{field}_dropdown", chosen))
    return {"axis": name, "values": values}


def _as_csv(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue().strip()


def _varied(series: Series, places: Sequence[str]) -> Series:
    """Seeds that count up along these axes, as A1111 counts them."""
    legend = series.legend
    if legend is None or not places:
        return series
    columns, rows = len(legend.columns), len(legend.rows)
    seeds: list[int] = []
    for number, cell in enumerate(series.cells):
        at = {"x": number % columns, "y": number // columns % rows, "z": number // columns // rows}
        size = {"x": columns, "y": rows, "z": len(legend.pages)}
        offset, width = 0, 1
        for place in places:
            offset += at[place] * width
            width *= size[place]
        seeds.append(dict(cell).get("seed", series.base.seed) + offset)
    return _with_seeds(series, seeds)


# ---- prompt matrix


def _matrix(args: Sequence[Any], request: DrawRequest) -> Drawn:
    at_start, different_seeds, target, joiner, margin = args
    targets = {"positive": "prompt", "negative": "negative_prompt"}
    options = {
        "script": "matrix",
        "start": body.flag(f"{_FIELD}[0]", at_start),
        "different_seeds": body.flag(f"{_FIELD}[1]", different_seeds),
        "target": targets.get(_one_of(f"{_FIELD}[2]", target, tuple(targets)), ""),
        "joiner": _one_of(f"{_FIELD}[3]", joiner, ("comma", "space")),
    }
    ignored = (f"{_FIELD}.margin_size",) if body.number(f"{_FIELD}[4]", margin) else ()
    return Drawn(_planned(options, request), grids=True, pictures=True, ignored=ignored)


# ---- prompts from file or text box


def _lines(args: Sequence[Any], request: DrawRequest) -> Drawn:
    iterates, same_seed, place, prompts = args
    if not prompts and place not in ("start", "end"):  # before 1.8 the prompts came third
        place, prompts = "start", place
    is_iterated = body.flag(f"{_FIELD}[0]", iterates)
    is_same = body.flag(f"{_FIELD}[1]", same_seed)
    # A1111 says where the lines' prompts go, we say where the request's own one goes.
    other_end = {"start": "end", "end": "start"}
    options = {
        "script": "lines",
        "text": body.text(f"{_FIELD}[3]", prompts),
        "place": other_end[_one_of(f"{_FIELD}[2]", place, tuple(other_end))],
        "iterate_seed": is_iterated,
    }
    series = _planned(options, request)
    if request.seed < 0 and not (is_iterated or is_same):
        own = (dict(cell).get("seed", -1) for cell in series.cells)
        series = _with_seeds(series, [resolve_seed(seed) for seed in own])
    return Drawn(series, grids=False, pictures=True)


# ---- in common


def _planned(options: Mapping[str, Any], request: DrawRequest) -> Series:
    """The series of a script, with the options that ask for it again."""
    given = {name: value for name, value in options.items() if value is not None}
    series = plan(request, given)
    return replace(series, recipe=json.dumps(given, ensure_ascii=False))


def _with_seeds(series: Series, seeds: Sequence[int]) -> Series:
    """The series with a seed for each of its places."""
    pairs = zip(series.cells, seeds, strict=True)
    return replace(series, cells=tuple(_with_seed(cell, seed) for cell, seed in pairs))


def _with_seed(cell: Changes, seed: int) -> Changes:
    return (*(pair for pair in cell if pair[0] != "seed"), ("seed", seed % (MAX_SEED + 1)))


def _one_of(field: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        body.refuse(field, value, f"one of {', '.join(known)}")
    return str(value)


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")


_RUN: Mapping[str, Callable[[Sequence[Any], DrawRequest], Drawn]] = {
    "X/Y/Z plot": _xyz,
    "Prompt matrix": _matrix,
    "Prompts from file or textbox": _lines,
}
