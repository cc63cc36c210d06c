"""Settings: typed sections, each field declared once; file < environment < flags."""

from webui.settings.auth import parse_auth
from webui.settings.declared import Setting, describe
from webui.settings.defaults import Defaults
from webui.settings.load import find_home, load_settings
from webui.settings.save import save_settings, settings_file
from webui.settings.sections import Device, Jobs, Paths, Saving, Server, Settings
from webui.settings.store import Entry, SettingsStore

__all__ = [
    "Defaults",
    "Device",
    "Entry",
    "Jobs",
    "Paths",
    "Saving",
    "Server",
    "Setting",
    "Settings",
    "SettingsStore",
    "describe",
    "find_home",
    "load_settings",
    "parse_auth",
    "save_settings",
    "settings_file",
]
