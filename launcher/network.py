"""The network as pip is set up to see it, for what has to be fetched before pip is there."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path

from launcher.layout import Target
from launcher.running import UnavailableError
from launcher.torch_choice import TorchChoice

PACKAGE_INDEX = "https://pypi.org/simple"

PROBE_SECONDS = 5.0


def pip_setting(name: str) -> str:
    """A setting of pip, from its environment variable or its configuration files."""
    import configparser

    if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
        return value
    home, value = Path.home(), ""
    own = os.environ.get("PIP_CONFIG_FILE")
    files = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / "Library/Application Support/pip/pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf",
        Path(os.environ.get("APPDATA") or home) / "pip/pip.ini",
    ]
    for file in [Path(own)] if own else files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, UnicodeDecodeError):
            parser.read(file, encoding="utf-8")
        for section in ("global", "install"):
            value = parser.get(section, name, fallback=value)
    return value.strip()


def fetch(url: str, seconds: float) -> bytes:
    """Download `url` through pip's or the system's proxy and certificates; OSError if not."""
    import base64
    import ssl
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(url)
    headers = {"User-Agent": "pip", "Accept": "text/html"}
    if parts.username:
        pair = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    context = ssl.create_default_context()
    cert = pip_setting("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if cert and Path(cert).is_dir():
        context.load_verify_locations(capath=cert)
    elif cert:
        context.load_verify_locations(cafile=cert)
    if parts.hostname in pip_setting("trusted-host").split():
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxy = pip_setting("proxy")
    proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
    opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - pip's own settings
    with opener.open(request, timeout=seconds) as answer:
        return answer.read()


def offered_version(page: str, spec: str, target: Target) -> str | None:
    """The exact version, local part included, that an index page has for `spec` and machine."""
    import urllib.parse

    package, _, version = spec.partition("==")
    python = f"cp{target.python[0]}{target.python[1]}"
    system = {"Linux": "linux", "Windows": "win", "Darwin": "macosx"}[target.os_name]
    arch = "(amd64|x86_64)" if target.machine.lower() in {"amd64", "x86_64"} else "(aarch64|arm64)"
    pattern = (
        rf"\b{package}-(?P<version>{re.escape(version)}(?:\+[\w.]+)?)"
        rf"-(?:{python}-{python}|cp3\d+-abi3|py3-none)-[\w.]*{system}[\w.]*{arch}\.whl"
    )
    found = re.search(pattern, urllib.parse.unquote(page), re.IGNORECASE)
    return found["version"] if found else None


def reachable(choice: TorchChoice, target: Target) -> TorchChoice:
    """The same choice with the exact versions its index offers; UnavailableError without it.

    A choice without alternative is left to pip, which then says best what is wrong.
    """
    if choice.index is None or choice.instead is None:
        return choice
    found: list[str] = []
    for spec in choice.specs():
        package = spec.partition("==")[0]
        try:
            page = fetch(f"{choice.index}/{package}/", PROBE_SECONDS).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{choice.index} cannot be reached ({short(error)})") from error
        version = offered_version(page, spec, target)
        if version is None:
            raise UnavailableError(f"{choice.index} has no {spec} for this machine")
        found.append(f"{package}=={version}")
    return replace(choice, torch=found[0], torchvision=found[1] if found[1:] else None)


def short(error: BaseException) -> str:
    """The innermost reason of a network error."""
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
