"""What one job leaves behind, from request to files: seeds, infotexts, grids, texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.contract.test_command_line import generate, home
from webui.library import Library
from webui.metadata import parse, read_infotext
from webui.settings import Saving

__all__ = ["home"]


def drawn(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    assert generate(home, *words, "--steps", "2", "--size", "64x32", "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_variation_counts_up_and_the_seed_stays(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seed=5", "--variation-seed=70", "--variation-strength=0.25", "--count=3"]
    lines = drawn(home, capsys, "red", *words)
    assert [line["seed"] for line in lines] == [5, 5, 5]
    found = [parse(read_infotext(Path(line["path"])) or "") for line in lines]
    assert [one["Variation seed"] for one in found] == ["70", "71", "72"]
    assert {one["Variation seed strength"] for one in found} == {"0.25"}


def test_a_random_variation_is_chosen_on_submission(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = drawn(home, capsys, "red", "--variation-strength=0.5")
    assert int(parse(line["infotext"])["Variation seed"]) >= 0
    (line,) = drawn(home, capsys, "red")
    assert "Variation seed" not in line["infotext"]


def test_settings_say_what_lies_in_the_folder(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "FORMAT": "avif",
        "NAME_PATTERN": "[prompt_words] [steps] [generation_number]",
        "FOLDER_PATTERN": "[model_name]/[sampler]",
        "TEXT_FILE": "true",
        "GRID": "true",
    }.items():
        monkeypatch.setenv(f"EASEL_SAVING_{name}", value)
    lines = drawn(home, capsys, "red", "--sampler=Euler", "--count=3", "--seed=9")
    folder = home / "outputs" / "first" / "Euler"
    names = [f"red 2 {i}{suffix}" for i in (1, 2, 3) for suffix in (".avif", ".txt")]
    assert sorted(p.name for p in folder.iterdir()) == ["grid-0000.avif", *names]
    assert (folder / "red 2 2.txt").read_text("utf-8") == lines[1]["infotext"] + "\n"
    assert read_infotext(folder / "grid-0000.avif") == lines[0]["infotext"]
    with Image.open(folder / "grid-0000.avif") as grid:
        assert grid.size == (128, 64)
    library = Library(home / "outputs", home / "data", Saving())
    assert len(library.recent()) == 3
    library.close()


def test_no_grid_is_kept_unless_it_is_wanted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn(home, capsys, "red", "--count=2")
    assert not list((home / "outputs").rglob("grid-*"))
