"""The settings of a running Easel: what is in force, what is kept, and how that is changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.core.errors import Conflict, InvalidRequest, NotFound, SetupError
from webui.settings.declared import Setting, checked, describe
from webui.settings.save import save_settings
from webui.settings.sections import Settings, Source

MAX_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it stands.

    ``value`` is what the next start takes, ``waits`` says that until then another is in force.
    ``fixed`` is the sentence that says why the settings file cannot change it, "" if it can.
    """

    setting: Setting
    value: Any
    default: Any
    source: Source
    waits: bool
    fixed: str


class SettingsStore:
    """Changes the settings of a running Easel; safe to use from several threads.

    ``started`` is what :func:`load_settings` gave. ``apply`` is called with what is in force now
    whenever a setting that needs no restart has changed.
    """

    def __init__(
        self, started: Settings, apply: Callable[[Settings], None] = lambda _: None
    ) -> None:
        self._running = started
        self._apply = apply
        self._lock = threading.Lock()
        self._kept = {s.key: _value(started, s) for s in describe()}
        self._sources: dict[str, Source] = {s.key: "default" for s in describe()}
        self._sources |= dict(started.sources)

    @property
    def running(self) -> Settings:
        """What is in force now."""
        return self._running

    def entries(self) -> tuple[Entry, ...]:
        """Every setting, in the order they are declared."""
        with self._lock:
            return tuple(self._entry(setting) for setting in describe())

    def change(self, changes: Mapping[str, Any]) -> tuple[Entry, ...]:
        """Keep new values: ``{"saving.format": "webp"}``; None goes back to the default.

        All of them or, when one is refused, none: ``NotFound`` for a name that is no setting,
        ``Conflict`` for one that flag or environment fixes, ``InvalidRequest`` for a bad value
        (each names it as ``field``), ``StorageError`` when the file cannot be written. Returns the
        changed entries.
        """
        with self._lock:
            settings = self.check(changes)
            texts = {k: _plain(v) for k, (_, v) in settings.items()}
            try:
                save_settings(texts, self._running)
            except SetupError as error:
                raise Conflict(error.message) from None
            for key, (setting, value) in settings.items():
                self._kept[key] = self._default(setting) if value is None else value
                self._sources[key] = "default" if value is None else "file"
            self._put_in_force([s for s, _ in settings.values()])
            return tuple(self._entry(s) for s, _ in settings.values())

    def check(self, changes: Mapping[str, Any]) -> dict[str, tuple[Setting, Any]]:
        """The changes with their settings and checked values; raises what ``change`` raises."""
        if len(changes) > MAX_AT_ONCE:
            raise InvalidRequest(f"{len(changes)} settings at once; the most is {MAX_AT_ONCE}.")
        known = {s.key: s for s in describe()}
        found: dict[str, tuple[Setting, Any]] = {}
        for key, value in changes.items():
            setting = known.get(key)
            if setting is None:
                raise NotFound(f"There is no setting {key[:80]!r}.", field=key[:80])
            if why := self._fixed(setting):
                raise Conflict(why, field=key)
            new = None if value is None else checked(setting, value, base=self._running.home)
            _check_exists(setting, new)
            found[key] = (setting, new)
        return found

    def _entry(self, setting: Setting) -> Entry:
        kept = self._kept[setting.key]
        return Entry(
            setting=setting,
            value=kept,
            default=self._default(setting),
            source=self._sources[setting.key],
            waits=kept != _value(self._running, setting),
            fixed=self._fixed(setting),
        )

    def _default(self, setting: Setting) -> Any:
        is_path = isinstance(setting.default, Path)
        return self._running.home / setting.default if is_path else setting.default

    def _fixed(self, setting: Setting) -> str:
        label, source = setting.param.label, self._sources[setting.key]
        if source == "environment":
            return (
                f"{label} is fixed by the environment variable {setting.variable}; start Easel "
                "without it to change it here."
            )
        if source == "flag":
            return f"{label} was given as a flag; start Easel without it to change it here."
        if setting.param.fixed:
            return f"{label} holds the settings file itself; use --data-dir or {setting.variable}."
        return ""

    def _put_in_force(self, changed: list[Setting]) -> None:
        """Put what needs no restart in force."""
        live = [setting for setting in changed if not setting.param.restart]
        if not live:
            return
        running = self._running
        for setting in live:
            section = getattr(running, setting.section)
            section = replace(section, **{setting.field.name: self._kept[setting.key]})
            running = replace(running, **{setting.section: section})
        self._running = running
        self._apply(running)


def _value(settings: Settings, setting: Setting) -> Any:
    return getattr(getattr(settings, setting.section), setting.field.name)


def _check_exists(setting: Setting, value: Any) -> None:
    if setting.key == "paths.installation" and value and not Path(value).is_dir():
        raise InvalidRequest(f"There is no folder {value!r}.", field=setting.key)


def _plain(value: Any) -> Any:
    """A value as TOML holds it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [":".join(item) if isinstance(item, tuple) else item for item in value]
    return value
