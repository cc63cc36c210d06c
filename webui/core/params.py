"""One annotation per request field: what form, HTTP, CLI, infotext and X/Y axes derive from.

A request is a frozen dataclass whose fields are ``Annotated[type, Param(...)]``. The type may be
``str``, ``int``, ``float`` or ``bool``, optionally ``| None``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from webui.core.errors import InvalidRequest, listed

Section = Literal["advanced", "sampling", "guidance", "hires", "image", "inpaint"]
Control = Literal["text", "multiline", "slider", "number", "choice", "checkbox", "seed", "picture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """What a field means to a person and to the doors.

    ``choices`` names an open set: "checkpoints", or one of ``core.choices.CHOICES``;
    ``infotext`` is the key in A1111's ``parameters`` text (None: not written), ``a1111`` the
    field's name in A1111's HTTP API; ``max_chars`` bounds texts; ``section`` is the folded part of
    the form that shows the field where the form gives it no place of its own.
    """

    label: str
    help: str = ""
    control: Control = "text"
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    multiple_of: int | None = None
    max_chars: int | None = None
    choices: str | None = None
    infotext: str | None = None
    a1111: str | None = None
    section: Section = "advanced"


@dataclass(frozen=True, slots=True)
class Field:
    """One declared request field, with its annotation taken apart."""

    name: str
    type: type
    optional: bool
    default: Any
    param: Param

    @property
    def flag(self) -> str:
        """The command-line flag: ``cfg_scale`` → ``--cfg-scale``."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any) -> Any:
        """``value`` as this field's type and within its bounds, else ``InvalidRequest``.

        Accepts what JSON and forms bring: whole floats for ``int`` fields, ints for ``float``.
        """
        if value is None:
            if self.optional:
                return None
            raise self.refusal("is missing; give a value")
        converted = _convert(self, value)
        _check_bounds(self, converted)
        return converted

    def parse(self, text: str) -> Any:
        """A value from text (command line, infotext, query string), checked."""
        if self.type is str:
            return self.check(text)
        if self.optional and text.strip() == "":
            return None
        if self.type is bool:
            return self.check(_parse_bool(self, text))
        try:
            number = float(text)
        except ValueError:
            raise self.refusal(f"is {_short(text)}, not a number") from None
        return self.check(number)

    def refusal(self, what: str) -> InvalidRequest:
        """The error that says of this field what is wrong: "Width" + " is 65, not …"."""
        return InvalidRequest(f"{self.param.label} {what}.", field=self.name)


@cache
def fields_of(request: type) -> tuple[Field, ...]:
    """The declared fields of a request class, in order."""
    hints = typing.get_type_hints(request, include_extras=True)
    return tuple(
        _field(f, hints[f.name])
        for f in dataclasses.fields(request)
        if typing.get_origin(hints[f.name]) is typing.Annotated
    )


def from_mapping(request: type, values: Mapping[str, Any]) -> Any:
    """Build a request from names and values; an unknown name raises ``InvalidRequest``."""
    fields = {f.name: f for f in fields_of(request)}
    for name in values:
        if name not in fields:
            raise InvalidRequest(_unknown(str(name), fields), field=str(name)[:60])
    return request(**values)


def check_all(request: object) -> None:
    """Check and convert every field in place; for ``__post_init__`` of frozen requests."""
    for field in fields_of(type(request)):
        object.__setattr__(request, field.name, field.check(getattr(request, field.name)))


def _unknown(name: str, fields: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:60].casefold(), fields, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the fields are {listed(fields)}."
    return f"There is no field {_short(name)}; {hint}"


def _field(f: dataclasses.Field[Any], hint: Any) -> Field:
    kind, param = typing.get_args(hint)[:2]
    optional = False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
        optional = True
    return Field(f.name, kind, optional, f.default, param)


def _convert(field: Field, value: Any) -> Any:
    kind = field.type
    if kind is str and isinstance(value, str):
        return _sound(field, value)
    if kind is bool and isinstance(value, bool):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or kind in (str, bool):
        raise field.refusal(f"is {_short(value)}, not {_NAMES[kind]}")
    if abs(value) > 1e300 or not math.isfinite(value):
        raise field.refusal(f"is {_short(value)}, not a finite number")
    if kind is int and value != int(value):
        raise field.refusal(f"is {value}, not a whole number")
    return kind(value)


def _sound(field: Field, text: str) -> str:
    """``text``, if it can be written to a file: JSON lets halves of characters through."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise field.refusal("holds half a character, which is no text") from None
    return text


def _check_bounds(field: Field, value: Any) -> None:
    p = field.param
    if isinstance(value, str):
        if p.max_chars is not None and len(value) > p.max_chars:
            raise field.refusal(f"has {len(value)} characters; the most is {p.max_chars}")
        return
    if p.minimum is not None and value < p.minimum:
        raise field.refusal(f"is {_short(value)}; the least is {p.minimum:.12g}")
    if p.maximum is not None and value > p.maximum:
        raise field.refusal(f"is {_short(value)}; the most is {p.maximum:.12g}")
    if p.multiple_of is not None and value % p.multiple_of:
        near = max(round(value / p.multiple_of) * p.multiple_of, p.multiple_of)
        raise field.refusal(f"is {value}, not a multiple of {p.multiple_of}; {near} is near")


def _parse_bool(field: Field, text: str) -> bool:
    word = text.strip().casefold()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise field.refusal(f"is {_short(text)}, not true or false")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
