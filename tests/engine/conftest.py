"""Tiny checkpoints, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import tiny
from webui.core.models import ModelRef


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the checkpoints lie."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="session")
def folder_model(weights_folder: Path) -> ModelRef:
    """A diffusers folder that predicts noise."""
    return tiny.write_folder(weights_folder / "folder")


@pytest.fixture(scope="session")
def v_model(weights_folder: Path) -> ModelRef:
    """A diffusers folder that predicts velocity."""
    return tiny.write_folder(weights_folder / "v", tiny.Tiny(seed=7, prediction="v_prediction"))


@pytest.fixture(scope="session")
def file_model(weights_folder: Path) -> ModelRef:
    """An original single file."""
    return tiny.write_file(weights_folder / "single.safetensors", tiny.Tiny(seed=3))
