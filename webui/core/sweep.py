"""Scripts that make many requests of one: X/Y/Z plot, prompt matrix, prompts from file.

Pure policy: a request and a script's options become a :class:`~webui.core.requests.Series`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from webui.core.axes import Axis, Value, parse_axis
from webui.core.errors import InvalidRequest
from webui.core.prompt_lines import read_prompt_lines
from webui.core.requests import MAX_IMAGES, Changes, DrawRequest, Legend, Series
from webui.core.seeds import MAX_SEED, resolve_seed

AT_ONCE_PIXELS = 4 * 512 * 512
"""Pictures of one model are drawn together up to so many pixels; memory that does not suffice
only splits them."""
MOST_AT_ONCE = 4


def plan(request: DrawRequest, options: Mapping[str, Any]) -> Series:
    """What a script makes of ``request``.

    ``options["script"]`` is "xyz" (:func:`xyz`), "matrix" (:func:`matrix`) or "lines"
    (:func:`lines`); the others are theirs. Every picture is checked; what is wrong is one
    ``InvalidRequest``. Each place draws as many pictures as the request would by itself.
    """
    script = options.get("script")
    if not isinstance(script, str) or script not in SCRIPTS:
        raise InvalidRequest(f"script can be {', '.join(SCRIPTS)}.", field="script")
    return SCRIPTS[script](replace(request, seed=resolve_seed(request.seed)), options)


# ---- X/Y/Z plot


def xyz(base: DrawRequest, options: Mapping[str, Any]) -> Series:
    """A picture for each combination of up to three axes' values.

    Options: ``x``, ``y``, ``z`` as ``{"axis": name, "values": text}``; ``different_seeds`` gives
    every place a seed of its own; ``legend`` (true) writes the values beside the grid.
    """
    found = {place: _axis(options.get(place), base, place) for place in ("x", "y", "z")}
    given = {place: axis for place, axis in found.items() if axis is not None}
    if not given:
        raise InvalidRequest("Choose what the X axis varies.", field="x")
    sides = [given[place].values if place in given else (Value(""),) for place in ("z", "y", "x")]
    count = math.prod(map(len, sides))
    _check_count(count)
    cells = [_changed(base, values) for values in itertools.product(*sides)]
    if _flag(options, "different_seeds"):
        cells = [_with_seed(base, cell, i * base.count) for i, cell in enumerate(cells)]
    z, y, x = ([value.text for value in side] for side in sides)
    caption: list[tuple[str, str]] = [("Script", "X/Y/Z plot")]
    for place, axis in given.items():
        caption.append((f"{place.upper()} Type", axis.kind.label))
        caption.append((f"{place.upper()} Values", axis.given))
    legend = Legend(tuple(x), tuple(y), tuple(z), tuple(caption), _flag(options, "legend", True))
    return _series(base, cells, legend)


def _axis(option: Any, base: DrawRequest, place: str) -> Axis | None:
    """An axis of the options; None when nothing is chosen for it."""
    if option is None:
        return None
    if not isinstance(option, Mapping):
        raise InvalidRequest(f"{place} is an object with axis and values.", field=place)
    chosen = cast("Mapping[str, Any]", option)
    name, text = _text(chosen, "axis"), _text(chosen, "values")
    return parse_axis(name, text, base, place) if name else None


def _changed(base: DrawRequest, values: Sequence[Value]) -> Changes:
    """What a combination of values changes: fields first, then the prompts' words."""
    changes: dict[str, Any] = {}
    for value in values:
        changes.update(value.fields)
    for value in values:
        if value.edit is None:
            continue
        names = ("prompt", "negative_prompt") if value.edits_negative else ("prompt",)
        for name in names:
            changes[name] = value.edit(changes.get(name, getattr(base, name)))
    return _difference(base, changes)


# ---- prompt matrix


def matrix(base: DrawRequest, options: Mapping[str, Any]) -> Series:
    """Every combination of the parts of a prompt that ``|`` separates; the first is always there.

    Options: ``target`` "prompt" or "negative_prompt"; ``joiner`` "comma" or "space"; ``start``
    puts the varying parts before the first; ``different_seeds``; ``legend``. As in A1111, the first
    half of the parts varies along the columns, the others along the rows. Where we differ: a ``|``
    in brackets is alternation and separates nothing.
    """
    target = _one_of(options, "target", ("prompt", "negative_prompt"))
    joiner = {"comma": ", ", "space": " "}[_one_of(options, "joiner", ("comma", "space"))]
    first, *parts = split_parts(getattr(base, target))
    if not parts:
        raise InvalidRequest(
            "Prompt matrix needs parts with | between: a cat|red|old.", field=target
        )
    _check_count(2 ** min(len(parts), 30))
    cells: list[Changes] = []
    for number in range(2 ** len(parts)):
        chosen = _chosen(parts, number)
        words = [*chosen, first] if _flag(options, "start") else [first, *chosen]
        cell = _difference(base, {target: joiner.join(words)})
        offset = number * base.count if _flag(options, "different_seeds") else 0
        cells.append(_with_seed(base, cell, offset) if offset else cell)
    half = math.ceil(len(parts) / 2)
    columns, rows = (
        tuple(" + ".join(_chosen(side, number)) or "–" for number in range(2 ** len(side)))
        for side in (parts[:half], parts[half:])
    )
    caption = (("Script", "Prompt matrix"), ("Prompt matrix", getattr(base, target)))
    written = _flag(options, "legend", True)
    return _series(base, cells, Legend(columns, rows, caption=caption, written=written))


def split_parts(prompt: str) -> list[str]:
    """The parts between ``|`` that stand in no square or curly brackets, without spaces around."""
    parts: list[str] = []
    depth = start = 0
    escaped = False
    for place, sign in enumerate(prompt):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth = max(depth - 1, 0)
        elif sign == "|" and not depth:
            parts.append(prompt[start:place].strip())
            start = place + 1
    return [*parts, prompt[start:].strip()]


def _chosen(parts: Sequence[str], number: int) -> list[str]:
    return [part for i, part in enumerate(parts) if number >> i & 1]


# ---- prompts from file or text box


def lines(base: DrawRequest, options: Mapping[str, Any]) -> Series:
    """A request for each line of ``text``; see :mod:`webui.core.prompt_lines`.

    Options: ``place`` puts the request's own prompt "end" (behind) or "start" (before) of the
    line's, or "none" leaves it out; ``iterate_seed`` counts the seed up from line to line where a
    line names none. There is no grid.
    """
    place = _one_of(options, "place", ("end", "start", "none"))
    found = read_prompt_lines(_text(options, "text"))
    if not found:
        raise InvalidRequest("Give at least one prompt, one on each line.", field="text")
    cells: list[Changes] = []
    offset = 0
    for line in found:
        changes = dict(line)
        prompt = str(changes.get("prompt", ""))
        around = {"end": (prompt, base.prompt), "start": (base.prompt, prompt), "none": (prompt,)}
        changes["prompt"] = " ".join(part for part in around[place] if part)
        cell = _difference(base, changes)
        if _flag(options, "iterate_seed") and changes.get("seed", -1) == -1:
            cell = _with_seed(base, cell, offset)
        cells.append(cell)
        offset += replace(base, **dict(cell)).count
    return _series(base, cells, None)


# ---- in common


def _series(base: DrawRequest, cells: Sequence[Changes], legend: Legend | None) -> Series:
    """A series of checked pictures."""
    count = sum(replace(base, **dict(cell)).count for cell in cells)
    _check_count(count)
    return Series(base=base, cells=tuple(cells), legend=legend)


def drawing_order(pictures: Sequence[DrawRequest]) -> tuple[int, ...]:
    """The pictures' indices in the order that costs least: one checkpoint after the other, each as
    it first comes, and within it one size after the other, because those share forward passes."""
    models = {name: i for i, name in enumerate(dict.fromkeys(p.checkpoint for p in pictures))}
    drawn = [(p.width, p.height, p.final_size) for p in pictures]
    sizes = {size: i for i, size in enumerate(dict.fromkeys(drawn))}
    keys = [(models[p.checkpoint], sizes[drawn[i]], i) for i, p in enumerate(pictures)]
    return tuple(i for _, _, i in sorted(keys))


def switches(pictures: Sequence[DrawRequest]) -> int:
    """How often another checkpoint is loaded between pictures drawn in their order."""
    names = [pictures[i].checkpoint for i in drawing_order(pictures)]
    return sum(a != b for a, b in itertools.pairwise(names))


def at_once(batch_size: int, width: int, height: int) -> int:
    """How many pictures of a size are drawn together."""
    fitting = AT_ONCE_PIXELS // max(width * height, 1)
    return max(batch_size, min(max(fitting, 1), MOST_AT_ONCE))


def _with_seed(base: DrawRequest, cell: Changes, offset: int) -> Changes:
    """A cell whose seed is counted up."""
    seed = (dict(cell).get("seed", base.seed) + offset) % (MAX_SEED + 1)
    return (*(pair for pair in cell if pair[0] != "seed"), ("seed", seed))


def _difference(base: DrawRequest, changes: Mapping[str, Any]) -> Changes:
    return tuple((name, value) for name, value in changes.items() if value != getattr(base, name))


def _check_count(count: int) -> None:
    if count > MAX_IMAGES:
        raise InvalidRequest(f"That would draw {count} pictures; the most is {MAX_IMAGES}.")


def _text(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is not text.", field=name)
    return value


def _flag(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is true or false.", field=name)
    return value


def _one_of(options: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = options.get(name, known[0])
    if value not in known:
        raise InvalidRequest(f"{name} can be {', '.join(known)}.", field=name)
    return str(value)


SCRIPTS: dict[str, Callable[[DrawRequest, Mapping[str, Any]], Series]] = {
    "xyz": xyz,
    "matrix": matrix,
    "lines": lines,
}
