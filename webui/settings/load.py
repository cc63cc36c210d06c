"""Settings from where they are kept: defaults < file < environment < overrides."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.errors import SetupError
from webui.core.paths import at_home
from webui.settings.declared import PREFIX, Setting, convert, describe
from webui.settings.sections import SECTIONS, Settings, Source

HOME_VARIABLE = "EASEL_HOME"
FILE_NAME = "settings.toml"


@dataclass
class _Found:
    """Values and warnings as they are gathered, later sources over earlier ones."""

    values: dict[str, Any]
    sources: dict[str, Source] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Settings:
    """The settings in force.

    ``overrides`` are ``{"server.port": 7861}``, as flags give them (texts are parsed); an unknown
    name there is a ``SetupError``. Unknown names in the file (``data/settings.toml``) or the
    environment (``EASEL_SERVER_PORT``) become sentences in ``Settings.warnings``. A bad value is a
    ``SetupError`` that names its source and the value. Relative folders are meant from ``home`` in
    the file, from the working directory elsewhere.
    """
    environ = os.environ if environ is None else environ
    home = (home or find_home(environ)).absolute()
    found = _Found({s.key: s.default for s in describe()})
    for setting in describe():
        if setting.field.type is Path:
            found.values[setting.key] = home / setting.default
    from_environment = _from_environment(found, environ)
    from_flags = _from_overrides(overrides or {})
    named = {**from_environment, **from_flags}
    if "paths.data" in named:
        found.values["paths.data"] = named["paths.data"]
    from_file = _from_file(found, home)
    found.values.update({**from_file, **named})
    found.sources = {
        **dict.fromkeys(found.values, "default"),
        **dict.fromkeys(from_file, "file"),
        **dict.fromkeys(from_environment, "environment"),
        **dict.fromkeys(from_flags, "flag"),
    }
    return _build(found, home)


def find_home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder that holds ``models``: ``EASEL_HOME``, else the checkout, else where we are."""
    environ = os.environ if environ is None else environ
    given = environ.get(HOME_VARIABLE, "").strip()
    if given:
        return at_home(given).absolute()
    checkout = Path(__file__).resolve().parents[2]
    is_checkout = (checkout / "models").is_dir() and (checkout / "pyproject.toml").is_file()
    return checkout if is_checkout else Path.cwd()


def read_file(path: Path) -> dict[str, Any]:
    """What a settings file says; nothing where there is none; ``SetupError`` when it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SetupError(f"{path} is not valid TOML ({error}); mend or delete it.") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read ({error.strerror}).") from None


def _from_file(found: _Found, home: Path) -> dict[str, Any]:
    path = found.values["paths.data"] / FILE_NAME
    known = _by_key()
    values: dict[str, Any] = {}
    for key, value in _flatten(read_file(path)):
        if key == "paths.data":
            found.warnings.append(
                f"{path}: paths.data has no effect there; use --data-dir or EASEL_PATHS_DATA."
            )
        elif key in known:
            values[key] = convert(known[key], value, source=f"{path}, {key}", base=home)
        else:
            found.warnings.append(_unknown(f"{path}: there is no setting", key, known))
    return values


def _from_environment(found: _Found, environ: Mapping[str, str]) -> dict[str, Any]:
    known = {s.variable: s for s in describe()}
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if name in known and text.strip():
            setting = known[name]
            values[setting.key] = convert(setting, text, source=name, base=Path.cwd())
        elif name not in known and _is_meant(name, known):
            found.warnings.append(_unknown("There is no setting for the variable", name, known))
    return values


def _is_meant(name: str, known: Mapping[str, Setting]) -> bool:
    """Whether a variable that is no setting was meant as one; others of ours are not."""
    sections = tuple(f"{PREFIX}{section}_".upper() for section in SECTIONS)
    is_near = bool(difflib.get_close_matches(name, known, n=1, cutoff=0.85))
    return name.startswith(sections) or (name.startswith(PREFIX) and is_near)


def _from_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    known = _by_key()
    for key in overrides:
        if key not in known:
            raise SetupError(_unknown("There is no setting", key, known))
    return {
        key: convert(known[key], value, source=key, base=Path.cwd())
        for key, value in overrides.items()
    }


def _build(found: _Found, home: Path) -> Settings:
    sections = {
        name: kind(**{s.field.name: found.values[s.key] for s in describe() if s.section == name})
        for name, kind in SECTIONS.items()
    }
    return Settings(**sections, warnings=tuple(found.warnings), sources=found.sources, home=home)


def _flatten(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, values in data.items():
        if isinstance(values, dict):
            yield from ((f"{section}.{name}", value) for name, value in values.items())
        else:
            yield section, values


def _by_key() -> dict[str, Setting]:
    return {s.key: s for s in describe()}


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    shown = name if len(name) <= 80 else name[:77] + "..."
    return f"{what} {shown!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
