"""What is read of another program's options, beyond what the import's contract test shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webui.settings.installation import read_installation


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"samples_filename_pattern": "[seed]"}, "[number]-[seed]"),
        ({"samples_filename_pattern": "[seed]", "save_images_add_number": True}, "[number]-[seed]"),
        ({"samples_filename_pattern": "[seed]", "save_images_add_number": False}, "[seed]"),
        ({"samples_filename_pattern": "x[number]"}, "x[number]"),
        ({"samples_filename_pattern": ""}, None),
        ({"save_images_add_number": True}, None),
    ],
)
def test_the_running_number_becomes_part_of_the_name(
    options: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(options), encoding="utf-8")
    found = read_installation(str(tmp_path))
    assert found.settings.get("saving.name_pattern") == expected
    assert found.refused == {}
