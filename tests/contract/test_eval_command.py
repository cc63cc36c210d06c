"""`webui eval` from the outside: draws through the queue, measures, prints, leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.serving import write_checkpoint
from webui.cli import main

PROMPTS = [
    {"prompt": "red", "facts": {"background": "plain", "background_colour": "red"}},
    {"prompt": "blue", "facts": {"background": "plain", "background_colour": "blue"}},
    {"prompt": "green", "facts": {"background": "plain", "background_colour": "white"}},
    {"prompt": "white", "facts": {"object": "star", "background": "plain"}},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with one checkpoint, drawn with by the fake worker, and prompts."""
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    monkeypatch.setenv("EASEL_WORKER_MODULE", "tests.fakes.worker")
    lines = "\n".join(json.dumps(prompt) for prompt in PROMPTS)
    (tmp_path / "prompts.jsonl").write_text(lines)
    return tmp_path


def evaluate(home: Path, *words: str) -> int:
    """Run the command in this process, drawing inline, with three of the four prompts."""
    folders = [f"--models-dir={home / 'models'}", f"--output-dir={home / 'outputs'}"]
    folders.append(f"--data-dir={home / 'data'}")
    given = [f"--prompts={home / 'prompts.jsonl'}", "--limit=3", "--size=64x64", "--inline"]
    return main(["eval", *given, *folders, *words])


def test_pictures_are_drawn_measured_and_reported(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = home / "report.json"
    assert evaluate(home, "--json", f"--out={out}", "--seed=40", "--steps=2") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["checkpoint"] == "first"
    assert printed["table"]["unstyled"] == {
        "pictures": 3, "background": 0.6667, "background_asked": 3, "mean": 0.6667, "all": 0.6667,
    }  # fmt: skip
    assert printed["misses"] == ["background is 0.667, less than 0.95"]
    report = json.loads(out.read_text())
    assert report["table"] == printed["table"]
    assert [p["measured"]["background_colour"] for p in report["pictures"]] == [
        "red", "blue", "green",
    ]  # fmt: skip
    assert [p["right"] for p in report["pictures"]] == [
        {"background": True}, {"background": True}, {"background": False},
    ]  # fmt: skip


def test_the_library_stays_as_it_was_and_pictures_can_be_kept(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(home, f"--keep={home / 'kept'}", "--steps=1") == 0
    assert len(list((home / "kept").rglob("*.png"))) == 3
    assert not (home / "outputs").exists()
    assert not (home / "data").exists()
    text = capsys.readouterr().out
    assert text.split("background", 1)[1].split()[:2] == ["0.667", "/3"]
    assert "Missed: background is 0.667, less than 0.95." in text


def test_gates_decide_the_exit_status_only_when_asked_to(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(home, "--gates", "--steps=1") == 1
    assert evaluate(home, "--gates", "--steps=1", "--limit=2") == 0
    assert "None is missed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prompts=nowhere.jsonl"], "The prompts nowhere.jsonl cannot be read"),
        (["--limit=0"], "--limit is '0', not a number from 1 on."),
        (["--checkpoint=other"], "other"),
        (["--size=64"], "--size is '64'; write it like 512x768."),
        (["--steps=0"], "Sampling steps is 0; the least is 1."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert evaluate(home, *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_a_failed_picture_ends_it_with_what_failed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"prompt": "!fail", "facts": {"object": "star"}}
    (home / "prompts.jsonl").write_text(json.dumps(line))
    assert evaluate(home) != 0
    assert capsys.readouterr().err.startswith("easel: ")
