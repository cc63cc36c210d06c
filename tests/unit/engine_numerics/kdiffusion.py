"""k-diffusion's ``sampling`` and ``external`` modules, loaded without the package around them.

The package imports training code with many dependencies; these two files need four names, which are
given as stand-ins where they are not installed and the compared functions do not use them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

_PACKAGE = "k_diffusion_reference"


@cache
def load() -> Any:
    """A namespace with ``sampling`` and ``external``; skips the test where it is not installed."""
    try:
        distribution = importlib.metadata.distribution("k-diffusion")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("k-diffusion is not installed; `python launch.py test` installs it")
    folder = Path(str(distribution.locate_file("k_diffusion")))
    package = ModuleType(_PACKAGE)
    package.__path__ = []
    utils = ModuleType(f"{_PACKAGE}.utils")
    utils.append_dims = lambda x, ndim: x[(...,) + (None,) * (ndim - x.ndim)]  # type: ignore[attr-defined]
    sys.modules[_PACKAGE] = package
    sys.modules[utils.__name__] = package.utils = utils  # type: ignore[attr-defined]
    with _stand_in("torchdiffeq", odeint=None), _stand_in("torchsde", BrownianTree=None):
        sampling = package.sampling = _load_file(folder, "sampling")  # type: ignore[attr-defined]
        return SimpleNamespace(sampling=sampling, external=_load_file(folder, "external"))


@contextmanager
def _stand_in(name: str, **names: object) -> Iterator[None]:
    """A module of that name while k-diffusion is imported, where there is no real one."""
    if importlib.util.find_spec(name) is not None:
        yield
        return
    module = ModuleType(name)
    module.__dict__.update(names)
    sys.modules[name] = module
    yield
    del sys.modules[name]


def _load_file(folder: Path, name: str) -> ModuleType:
    full = f"{_PACKAGE}.{name}"
    spec = importlib.util.spec_from_file_location(full, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    return module
