"""What a declared setting says beyond a request's field."""

from __future__ import annotations

from dataclasses import dataclass

from webui.core.params import Param


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingParam(Param):
    """What a setting means; ``a1111`` is the name of its option in A1111's ``config.json``.

    ``restart`` says that a change counts from the next start on, ``secret`` that the value is
    never shown, ``fixed`` that the settings file cannot hold it.
    """

    restart: bool = True
    secret: bool = False
    fixed: bool = False
