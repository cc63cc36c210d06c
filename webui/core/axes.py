"""Axes of X/Y/Z plots: any request field, and edits of the prompt, with their values' syntax.

As A1111's script reads them: ``1-10``, ``1-10(+2)``, ``1-10 [5]`` for numbers, and lists with
commas, where quotes hold commas together. Where we differ: a range ends at its end (A1111's passes
it where the step does not fit) and may go down without saying so (``10-1``).
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from webui.core.errors import InvalidRequest
from webui.core.params import Field, fields_of
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.core.requests import MAX_IMAGES, Changes, DrawRequest, Txt2Img

PROMPT_SR = "prompt_sr"
PROMPT_ORDER = "prompt_order"
SIZE = "size"
LORA_WEIGHT = "lora_weight"
MAX_CHARS = 100_000
"""The longest text of values."""

_NUMBER = r"[+-]?\s*\d{1,15}(?:\.\d{0,15})?"
_RANGE = re.compile(
    rf"\s*({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\)|\[\s*(\d{{1,9}})\s*\])?\s*"
)
_LORA = re.compile(r"<(lora|lyco):([^:<>]*)((?::[^<>]*)?)>", re.IGNORECASE)
_SIZE_VALUE = re.compile(r"\s*(\d{1,5})\s*[xX×*]\s*(\d{1,5})\s*")
_NO_AXES = {"batch_count", "batch_size", "best_of"}
"""What says how many pictures there are, which is not a property of one."""

Edit = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class AxisKind:
    """Something that can vary. ``choices`` names an open set, as in ``Param``; ``field`` is the
    request field it is made of, if it is one."""

    name: str
    label: str
    choices: str | None = None
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis: the fields it sets, or how it changes the prompts' words.

    ``text`` is what the legend says.
    """

    text: str
    fields: Changes = ()
    edit: Edit | None = None
    edits_negative: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis with its values; ``given`` is how they were written."""

    kind: AxisKind
    values: tuple[Value, ...]
    given: str


@cache
def axis_kinds(request: type = Txt2Img) -> tuple[AxisKind, ...]:
    """Everything that can be an axis: A1111's prompt axes, then every field as declared."""
    fields = [
        f for f in fields_of(request) if f.name not in _NO_AXES and f.param.control != "picture"
    ]
    return (
        AxisKind(PROMPT_SR, "Prompt S/R"),
        AxisKind(PROMPT_ORDER, "Prompt order"),
        AxisKind(SIZE, "Size"),
        AxisKind(LORA_WEIGHT, "LoRA weight"),
        *(AxisKind(f.name, f.param.label, f.param.choices, f) for f in fields),
    )


def parse_axis(name: str, text: str, base: DrawRequest, place: str = "x") -> Axis:
    """The axis ``name`` with the values written in ``text``.

    ``InvalidRequest`` says what is wrong in one sentence; its field is ``place`` ("x", "y", "z").
    """
    kind = next((k for k in axis_kinds(type(base)) if k.name == name), None)
    if kind is None:
        raise InvalidRequest(f"There is no axis {name[:60]!r}.", field=place)
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"The values of {kind.label} are too long.", field=place)
    try:
        values = _READERS.get(name, _field_values)(kind, text, base)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, field=place) from None
    if not values:
        raise InvalidRequest(f"{kind.label} has no values; give some, such as 1, 2.", field=place)
    if len(values) > MAX_IMAGES:
        raise InvalidRequest(
            f"{kind.label} has {len(values)} values; the most is {MAX_IMAGES}.", field=place
        )
    return Axis(kind, tuple(values), text.strip())


def split_values(text: str) -> list[str]:
    """Values with commas between, each without the spaces around it; quotes hold one together."""
    try:
        rows = list(csv.reader(io.StringIO(text.strip()), skipinitialspace=True))
    except csv.Error:
        raise InvalidRequest("The values cannot be read as a list with commas.") from None
    return [value.strip() for row in rows for value in row]


def numbers(text: str) -> list[float] | None:
    """The numbers of a range as :data:`_RANGE` writes it, None for other text.

    ``a-b`` in steps of 1, ``a-b(+s)`` in steps of s, ``a-b [n]`` n numbers evenly from a to b.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    start, end = (float("".join(group.split())) for group in match.group(1, 2))
    if match[4] is not None:
        count = int(match[4])
        _check_count(text, count)
        gaps = max(count - 1, 1)
        return [round(start + (end - start) * i / gaps, 10) for i in range(count)]
    step = float("".join(match[3].split())) if match[3] else math.copysign(1, end - start)
    if step == 0 or (end - start) * step < 0:
        raise InvalidRequest(f"{text.strip()} never arrives: change the sign of its step.")
    _check_count(text, (end - start) / step + 1)
    return [round(start + step * i, 10) for i in range(int((end - start) / step + 1e-9) + 1)]


def _check_count(text: str, count: float) -> None:
    if count > MAX_IMAGES + 0.5:
        raise InvalidRequest(
            f"{text.strip()[:60]} gives {count:.0f} values or more; the most is {MAX_IMAGES}."
        )


def _field_values(kind: AxisKind, text: str, base: DrawRequest) -> list[Value]:
    """Values of a request field, each checked by its declaration."""
    field = kind.field
    assert field is not None, "axes without a field have readers of their own"
    values: list[Value] = []
    for written in split_values(text):
        if not written and field.type is not str:
            continue
        read = _read(field, written)
        _check_count(kind.label, len(values) + len(read))
        for value in read:
            # Names ("euler a", an alias) become what the request makes of them.
            value = getattr(type(base).from_mapping({field.name: value}), field.name)
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            label = shown if field.type is str else f"{kind.label}: {shown}"
            values.append(Value(label, ((field.name, value),)))
    return values


def _read(field: Field, written: str) -> list[object]:
    found = numbers(written) if field.type in (int, float) else None
    if found is None:
        return [field.parse(written)]
    whole = field.type is int and "[" in written  # A1111 cuts off what evenly spaced ones have
    return [field.check(int(number) if whole else number) for number in found]


def _size_values(kind: AxisKind, text: str, _: DrawRequest) -> list[Value]:
    values: list[Value] = []
    for written in filter(None, split_values(text)):
        _check_count(kind.label, len(values) + 1)
        match = _SIZE_VALUE.fullmatch(written)
        if match is None:
            raise InvalidRequest(f"{kind.label} is {written[:60]!r}; write it as 512x768.")
        width, height = int(match[1]), int(match[2])
        Txt2Img(width=width, height=height)
        values.append(Value(f"{width}×{height}", (("width", width), ("height", height))))
    return values


def _replacements(kind: AxisKind, text: str, base: DrawRequest) -> list[Value]:
    """The first value is looked for and every one put in its place, itself too."""
    words = split_values(text)
    if not words or not words[0]:
        raise InvalidRequest(f"{kind.label} needs the words to replace as its first value.")
    old = words[0]
    if old not in base.prompt and old not in base.negative_prompt:
        raise InvalidRequest(f"{kind.label} did not find {old[:60]!r} in the prompts.")
    return [Value(new, edit=partial(_replaced, old, new), edits_negative=True) for new in words]


def _replaced(old: str, new: str, prompt: str) -> str:
    length = len(prompt) + prompt.count(old) * (len(new) - len(old))
    if length > MAX_PROMPT_CHARS:  # told before a text of any length is made
        raise InvalidRequest(
            f"Prompt S/R would make a prompt of {length} characters; the most is "
            f"{MAX_PROMPT_CHARS}."
        )
    return prompt.replace(old, new)


def _orders(kind: AxisKind, text: str, base: DrawRequest) -> list[Value]:
    """Every order of the given words, in the places they have in the prompt."""
    words = [word for word in split_values(text) if word]
    for word in words:
        if word not in base.prompt:
            raise InvalidRequest(f"{kind.label} did not find {word[:60]!r} in the prompt.")
    count = math.factorial(min(len(words), 20))
    if count > MAX_IMAGES:
        raise InvalidRequest(
            f"{len(words)} words have {count} orders; the most is {MAX_IMAGES}, so give fewer."
        )
    orders = itertools.permutations(words) if words else ()
    return [Value(", ".join(order), edit=partial(reordered, words, order)) for order in orders]


def reordered(words: Sequence[str], order: Sequence[str], prompt: str) -> str:
    """``prompt`` with its ``words``, where they first stand, put in another order."""
    places = sorted((prompt.find(word), word) for word in words if word in prompt)
    parts: list[str] = []
    end = 0
    for (start, word), new in zip(places, order, strict=False):
        if start < end:  # one word lies within another
            continue
        parts += [prompt[end:start], new]
        end = start + len(word)
    return "".join([*parts, prompt[end:]])


def _lora_weights(kind: AxisKind, text: str, base: DrawRequest) -> list[Value]:
    """Weights for every LoRA of the prompt, or for the one that the first value names."""
    written = [value for value in split_values(text) if value]
    called = {
        match[2].strip().casefold(): match[2].strip() for match in _LORA.finditer(base.prompt)
    }
    if not called:
        raise InvalidRequest(f"{kind.label} needs a LoRA in the prompt, such as <lora:name:1>.")
    name = ""
    if written and written[0].casefold() in called:
        name = called[written.pop(0).casefold()]
    values: list[Value] = []
    for one in written:
        weights = numbers(one) or [_weight(kind, one)]
        _check_count(kind.label, len(values) + len(weights))
        for weight in weights:
            edit = partial(with_lora_weight, name, weight)
            values.append(Value(f"{name or kind.label}: {weight:g}", edit=edit))
    return values


def _weight(kind: AxisKind, written: str) -> float:
    if not re.fullmatch(_NUMBER, written):
        raise InvalidRequest(
            f"{kind.label} is {written[:60]!r}; give numbers, such as 0.5, 1, before them the name "
            "of a LoRA of the prompt if only one is to vary."
        )
    return float("".join(written.split()))


def with_lora_weight(name: str, weight: float, prompt: str) -> str:
    """``prompt`` whose LoRAs (those called ``name`` in any case; "": all) have this one weight, for
    UNet and text encoder; what else is written behind their name (``dyn=…``) stays."""

    def weighted(match: re.Match[str]) -> str:
        if name and match[2].strip().casefold() != name.casefold():
            return match[0]
        # Positions are weights (and a rank); what has a name is te=, unet= or something else.
        named = [part for part in match[3].split(":")[1:] if "=" in part]
        kept = [part for part in named if part.split("=")[0].strip() not in ("te", "unet")]
        return f"<{':'.join([match[1], match[2], f'{weight:g}', *kept])}>"

    return _LORA.sub(weighted, prompt)


_READERS: dict[str, Callable[[AxisKind, str, DrawRequest], list[Value]]] = {
    PROMPT_SR: _replacements,
    PROMPT_ORDER: _orders,
    SIZE: _size_values,
    LORA_WEIGHT: _lora_weights,
}
