#!/usr/bin/env python3
"""Install Easel into .venv beside this file, then start it: `python launch.py --help` tells more.

Needs nothing but Python. This file also runs on Pythons that are too old for the rest, to say so.
"""

import shutil
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)


def complaint(version, is_64_bit):
    """Why this Python will not do, in a sentence; empty when it will."""
    if OLDEST <= tuple(version[:2]) <= NEWEST and is_64_bit:
        return ""
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = [name for name in names if shutil.which(name)]
    hint = "Start it with: %s launch.py" % found[0] if found else "Install one from python.org."
    this = "%d.%d with %d bits" % (version[0], version[1], 64 if is_64_bit else 32)
    return "Easel needs a 64-bit Python 3.11 to 3.14, this is %s. %s" % (this, hint)


def main():
    """Check the Python, then do what the command line asks."""
    reason = complaint(sys.version_info, sys.maxsize > 2**32)
    if reason:
        print(reason, file=sys.stderr)
        return 1
    from launcher.command import main as command

    return command(sys.argv[1:], Path(__file__).resolve().parent)


if __name__ == "__main__":
    sys.exit(main())
