"""Command-line flags derived from declarations: request fields and settings.

No flag is written down twice: a request field's flag, bounds and help come from its ``Param``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.params import Field, fields_of
from webui.core.requests import DrawRequest, Img2Img, Txt2Img

SETTING_FLAGS: Mapping[str, tuple[str, str, str]] = {
    "--models-dir": ("paths.models", "FOLDER", "where the models lie"),
    "--output-dir": ("paths.outputs", "FOLDER", "where pictures are saved"),
    "--data-dir": ("paths.data", "FOLDER", "where queue, library and caches are kept"),
    "--device": ("device.device", "NAME", "auto, cpu, cuda, cuda:1, mps or xpu"),
    "--dtype": ("device.dtype", "NAME", "auto, float32, bfloat16 or float16"),
}
SERVE_FLAGS: Mapping[str, tuple[str, str, str]] = {
    "--port": ("server.port", "NUMBER", "the port to serve on"),
    "--auth": ("server.auth", "USER:PASS", "ask for this user and password (several: comma)"),
    "--api-auth": ("server.api_auth", "USER:PASS", "the same, for programs that use the HTTP API"),
    "--cors-allow-origins": (
        "server.allowed_origins",
        "ORIGINS",
        "other sites whose pages may call the API (several: comma; * means all)",
    ),
    "--cors-allow-origins-regex": (
        "server.allowed_origins_regex",
        "REGEX",
        "the same, as a regular expression",
    ),
    "--batching": ("jobs.batching", "MODE", "exact (one job at a time) or shared (mixed)"),
}
PICTURES: Mapping[str, tuple[str, str]] = {
    "init_image": ("--image", "a picture to draw over"),
    "mask": ("--mask", "where to draw over it: what is light in this picture"),
}
"""Flags for files, in place of the ids that requests have."""


def add_settings(parser: argparse.ArgumentParser, *tables: Mapping[str, Any]) -> None:
    """Add flags whose value becomes a setting."""
    for table in tables:
        for flag, (key, metavar, text) in table.items():
            parser.add_argument(flag, dest=f"setting:{key}", metavar=metavar, help=text)
    parser.add_argument(
        "--inline",
        dest="setting:device.inline",
        action="store_const",
        const=True,
        help="draw in this process instead of one of its own",
    )


def settings_from(args: argparse.Namespace) -> dict[str, Any]:
    """The settings given as flags, as ``{"section.name": value}``."""
    chosen = ((name, value) for name, value in vars(args).items() if value is not None)
    return {name.split(":", 1)[1]: value for name, value in chosen if name.startswith("setting:")}


def add_request(
    parser: argparse.ArgumentParser,
    request: type,
    positional: str = "",
    only: Sequence[str] | None = None,
) -> None:
    """Add one flag per request field, or for those named in ``only``.

    ``positional`` is given without a flag.
    """
    for field in fields_of(request):
        if only is not None and field.name not in only:
            continue
        text = _help(field)
        if field.name == positional:
            parser.add_argument(
                positional, nargs="?", help=text, default=None, metavar=positional.upper()
            )
        else:
            _add_field(parser, field, text)


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """Add the flags of all that draws: from the prompt alone, and over the file of ``--image``."""
    over = {f.name: f for f in fields_of(Img2Img) if f.name not in PICTURES}
    alone = {f.name: f for f in fields_of(Txt2Img)}
    same = [name for name, field in alone.items() if over.get(name, field) == field]
    add_request(parser, Txt2Img, "prompt", only=same)
    for name, field in over.items():
        if name not in alone:
            _add_field(parser, field, f"with --image: {_help(field)}")
        elif alone[name] != field:
            text = f"{_help(alone[name])}; with --image: {_help(field)}"
            _add_field(parser, field, text)
    for name, (flag, text) in PICTURES.items():
        parser.add_argument(flag, dest=f"picture:{name}", metavar="FILE", type=Path, help=text)


def drawing_from(
    args: argparse.Namespace,
) -> tuple[type[DrawRequest], dict[str, Any], dict[str, Path]]:
    """What :func:`add_drawing`'s flags ask for: the kind of request, its fields, its pictures'
    files by their fields. ``InvalidRequest`` where flags of both kinds are mixed."""
    named = ((name, getattr(args, f"picture:{name}")) for name in PICTURES)
    pictures = {name: path for name, path in named if path is not None}
    kind, other = (Img2Img, Txt2Img) if "init_image" in pictures else (Txt2Img, Img2Img)
    own = {f.name for f in fields_of(kind)}
    strange = [f.flag for f in fields_of(other) if f.name not in own and _given(args, f.name)]
    strange += [PICTURES[name][0] for name in pictures if name not in own]
    if strange:
        goes = "does not go" if kind is Img2Img else "only goes"
        raise InvalidRequest(f"{strange[0]} {goes} with --image.", field=strange[0].strip("-"))
    return kind, request_from(args, kind, "prompt"), pictures


def request_from(args: argparse.Namespace, request: type, positional: str = "") -> dict[str, Any]:
    """The request fields given on the command line, parsed and checked."""
    found: dict[str, Any] = {}
    for field in fields_of(request):
        name = positional if field.name == positional else f"field:{field.name}"
        text = getattr(args, name, None)
        if text is not None:
            found[field.name] = field.parse(text)
    return found


def parse_count(flag: str, text: str | None) -> int | None:
    """A number from 1 on; None stays None."""
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InvalidRequest(f"{flag} is {text!r}, not a number from 1 on.", field=flag.strip("-"))
    return int(text)


def parse_size(text: str) -> tuple[int, int]:
    """``"512x768"`` → (512, 768)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(p.strip().isdigit() for p in parts):
        raise InvalidRequest(f"--size is {text!r}; write it like 512x768.", field="width")
    return int(parts[0]), int(parts[1])


def with_value(argv: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Join flags with values that begin with a minus: ``--seed -1`` → ``--seed=-1``."""
    joined: list[str] = []
    for word in argv:
        number = word[:1] == "-" and word[1:].replace(".", "", 1).isdigit()
        if joined and joined[-1] in flags and number:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _add_field(parser: argparse.ArgumentParser, field: Field, text: str) -> None:
    metavar = field.type.__name__.upper()
    parser.add_argument(field.flag, dest=f"field:{field.name}", metavar=metavar, help=text)


def _given(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, f"field:{name}", None) is not None


def _help(field: Field) -> str:
    p = field.param
    bounds = ""
    if p.minimum is not None and p.maximum is not None:
        bounds = f" ({p.minimum:.12g} to {p.maximum:.12g})"
    default = "" if field.default in (None, "") else f" [{field.default}]"
    return (p.help + bounds + default).replace("%", "%%")
