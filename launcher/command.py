"""The command line of launch.py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.layout import EXTRAS, Layout, read_stamp
from launcher.packages import ensure
from launcher.running import LaunchError, say
from launcher.testing import run_tests

HELP = """\
Easel: draw with diffusion models in your browser.

  python launch.py                       install what is missing, start, open the browser
  python launch.py [options]             the same, with options of `webui serve`:
      --port N  --listen HOST  --share  --auth USER:PASS  --models-dir DIR  --output-dir DIR
      --device DEVICE  --inline  --no-browser
      --mcp  --metrics                   for agents, for Prometheus; what they need is installed
  python launch.py install               only make the environment
  python launch.py generate "a prompt"   draw without a server (generate --help tells more)
  python launch.py doctor                say what is installed and what is wrong
  python launch.py COMMAND ...           any other `webui` command (COMMAND --help tells more)
  python launch.py test [--long] [...]   install the test tools, run checks and the whole suite;
                                         with pytest arguments only those tests

Options of the launcher itself, before or after the command:
  --torch WHAT   where torch and torchvision come from; remembered until changed:
                   auto           what fits this machine (the default)
                   cpu, cu132, cu126, rocm7.2, xpu ...   that build from download.pytorch.org
                   https://...    both from this package index
                   pypi           both from the ordinary package index
                   torch==2.14.1  this version from the ordinary package index, with the
                                  torchvision that matches it, or without torchvision
  --reinstall    check every step again, even when nothing has changed

pip's own settings (PIP_INDEX_URL, PIP_CERT, pip.conf, HTTPS_PROXY ...) are honoured throughout.
"""


@dataclass(frozen=True)
class Call:
    """What the command line asks: a command, its arguments, and the launcher's own options."""

    command: str
    arguments: tuple[str, ...] = ()
    torch: str | None = None
    again: bool = False
    help: bool = False


def split_arguments(argv: Sequence[str]) -> Call:
    """Take the launcher's options out; what is left starts with a command or is for `serve`."""
    rest: list[str] = []
    torch: str | None = None
    again = False
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--torch" or word.startswith("--torch="):
            torch = word.partition("=")[2] or next(words, "")
            if not torch or torch.startswith("-"):
                raise LaunchError("--torch needs a value, --torch cpu for example.")
        elif word == "--reinstall":
            again = True
        else:
            rest.append(word)
    if rest[:1] in (["--help"], ["-h"]):
        return Call("help", help=True)
    named = bool(rest) and not rest[0].startswith("-")
    command, arguments = (rest[0], rest[1:]) if named else ("serve", rest)
    return Call(command, tuple(arguments), torch, again)


def start(layout: Layout, call: Call) -> int:
    """Become `webui COMMAND`; on Windows, run it."""
    command = [str(layout.python), "-P", "-m", "webui", call.command, *call.arguments]
    environment = {**os.environ}
    for name in ("PYTHONHOME", "PYTHONPATH"):
        environment.pop(name, None)
    if os.name != "nt":
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    import subprocess

    with subprocess.Popen(command, env=environment) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the child gets it too and decides
                return process.wait()


def launch(layout: Layout, call: Call) -> int:
    """Do what the command line asks."""
    if call.help:
        print(HELP)
        return 0
    if call.command == "install" and call.arguments:
        raise LaunchError(f"install takes no {call.arguments[0]!r}; see launch.py --help.")
    request = call.torch or read_stamp(layout).get("torch") or "auto"
    ensure(layout, request, "test" if call.command == "test" else "run", call.again)
    for extra in EXTRAS:
        if call.command == "serve" and f"--{extra}" in call.arguments:
            ensure(layout, request, extra)
    if call.command == "install":
        say("Ready: start with `python launch.py`.")
        return 0
    if call.command == "test":
        return run_tests(layout, call.arguments)
    return start(layout, call)


def main(argv: Sequence[str], root: Path) -> int:
    """Do what the command line asks in the checkout at `root`; return the exit status."""
    layout = Layout(root)
    try:
        return launch(layout, split_arguments(argv))
    except LaunchError as error:
        say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted; the next start repairs what is unfinished.")
        return 130
