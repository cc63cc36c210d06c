"""Every setting as a value, and how a value given by file, environment or flag becomes its type."""

from __future__ import annotations

import ipaddress
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from webui.core.errors import InvalidRequest, SetupError
from webui.core.params import Field, fields_of
from webui.core.paths import at_home
from webui.settings.auth import parse_auth
from webui.settings.sections import GROUPS, SECTIONS, SettingParam

PREFIX = "EASEL_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting: what a settings page, a flag or the documentation derives from."""

    section: str
    field: Field

    @property
    def key(self) -> str:
        """Its name in files and overrides: ``server.port``."""
        return f"{self.section}.{self.field.name}"

    @property
    def variable(self) -> str:
        """Its environment variable: ``EASEL_SERVER_PORT``."""
        return f"{PREFIX}{self.section}_{self.field.name}".upper()

    @property
    def param(self) -> SettingParam:
        """Label, help, bounds, kind of control, and when a change counts."""
        assert isinstance(self.field.param, SettingParam), "settings are declared with SettingParam"
        return self.field.param

    @property
    def group(self) -> str:
        """What its section is called on the page."""
        return GROUPS[self.section]

    @property
    def default(self) -> Any:
        """Its value when nothing is set; of a path, relative to the home folder."""
        return self.field.default

    @property
    def options(self) -> tuple[str, ...]:
        """The texts it can be, where these are few."""
        kind = self.field.type
        return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


@cache
def describe() -> tuple[Setting, ...]:
    """Every setting there is, section by section, in the order they are declared."""
    return tuple(Setting(name, f) for name, kind in SECTIONS.items() for f in fields_of(kind))


def convert(setting: Setting, value: Any, *, source: str, base: Path) -> Any:
    """``value`` as the setting's type, checked.

    ``source`` says where it came from, for the ``SetupError`` sentence of a bad value; ``base`` is
    the folder relative paths are meant from. Texts are parsed where the setting is not a text.
    """
    try:
        return checked(setting, value, base=base)
    except InvalidRequest as error:
        raise SetupError(f"{source}: {error.message}") from None


def checked(setting: Setting, value: Any, *, base: Path) -> Any:
    """``value`` as the setting's type, checked; ``InvalidRequest`` names the setting as field."""
    try:
        converted = _convert(setting, value, base)
        check = _CHECKS.get(setting.key)
        return check(converted) if check else converted
    except (InvalidRequest, SetupError) as error:
        raise InvalidRequest(error.message, field=setting.key) from None


def _convert(setting: Setting, value: Any, base: Path) -> Any:
    field = setting.field
    if setting.options:
        return _option(setting, value)
    if field.type is Path:
        return _path(setting, value, base)
    if setting.key in _PAIRS:
        return parse_auth(",".join(_texts(setting, value)))
    if typing.get_origin(field.type) is tuple:
        return tuple(_texts(setting, value))
    return field.parse(value) if isinstance(value, str) else field.check(value)


def _option(setting: Setting, value: Any) -> str:
    text = value.strip().casefold() if isinstance(value, str) else value
    text = _SAME.get(text, text) if isinstance(text, str) else text
    if text not in setting.options:
        known = ", ".join(setting.options[:-1]) + f" or {setting.options[-1]}"
        raise SetupError(f"{setting.param.label} is {_short(value)}; it can be {known}.")
    return text


def _path(setting: Setting, value: Any, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value).strip() or "\0" in str(value):
        raise SetupError(f"{setting.param.label} is {_short(value)}, not the name of a folder.")
    return (base / at_home(value)).absolute()


def _texts(setting: Setting, value: Any) -> list[str]:
    """A list of texts; a text is split at commas, a (user, password) pair joined by a colon."""
    items = value.split(",") if isinstance(value, str) else value
    if isinstance(items, (list, tuple)):
        flat = [":".join(i) if _is_pair(i) else i for i in items]
        if all(isinstance(i, str) for i in flat):
            return [i.strip() for i in flat if i.strip()]
    raise SetupError(f"{setting.param.label} is no list of texts.")


def _is_pair(item: Any) -> bool:
    is_two = isinstance(item, (list, tuple)) and len(item) == 2
    return is_two and all(isinstance(part, str) for part in item)


def _host(host: str) -> str:
    if not re.fullmatch(r"[\w.:%-]+", host.strip()):
        raise SetupError(f"Address is {_short(host)}; give a name or number such as 127.0.0.1.")
    return host.strip()


def _device(device: str) -> str:
    name = device.strip().casefold()
    if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d{1,3})?", name):
        raise SetupError(
            f"Device is {_short(device)}; it can be auto, cpu, mps, cuda, xpu, or cuda:1 for the "
            "second of several."
        )
    return name


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?", origin):
            raise SetupError(
                f"Allowed origin {_short(origin)} is not like https://example.org or "
                "http://host:port."
            )
    return origins


def _origins_regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        raise SetupError(
            f"Allowed origins, as a pattern, is {_short(pattern)}, no regular expression."
        ) from None
    return pattern


def _networks(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise SetupError(
                f"{_short(address)} is no address like 10.0.0.9, nor a network like 10.0.0.0/24."
            ) from None
    return addresses


def _pattern(pattern: str) -> str:
    if not pattern.strip():
        raise SetupError("Images filename pattern is empty; the usual one is [number]-[seed].")
    return pattern


def _installation(folder: str) -> str:
    path = folder.strip()
    if not path:
        return ""
    if "\0" in path or not at_home(path).is_absolute():
        raise SetupError(
            f"Folder of an existing installation is {_short(path)}; give its whole path."
        )
    return str(at_home(path))


def _short(value: Any) -> str:
    text = repr(str(value) if isinstance(value, Path) else value)
    return text if len(text) <= 60 else text[:57] + "..."


_PAIRS = frozenset({"server.auth", "server.api_auth"})
"""Settings that are users with their passwords."""
_SAME: Mapping[str, str] = {"jpg": "jpeg"}  # other words for an option
_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "server.host": _host,
    "server.allowed_origins": _origins,
    "server.metrics_addresses": _networks,
    "server.allowed_origins_regex": _origins_regex,
    "saving.name_pattern": _pattern,
    "device.device": _device,
    "paths.installation": _installation,
}
