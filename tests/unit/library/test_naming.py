"""File names: what patterns make of a picture, and that no name is unfit for any system."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.library.naming import (
    MAX_BYTES,
    Subject,
    file_names,
    folder_name,
    number_of,
    safe,
    starts_with_number,
)

SUBJECT = Subject(
    seed=7,
    prompt="a (red:1.2) circle, on [white] <lora:x:1> and more words than fit here",
    model="sub/model v1.5",
    width=64,
    height=32,
    job="abc",
    time=datetime(2026, 1, 31, 23, 59),  # noqa: DTZ001
)


def first(pattern: str, subject: Subject = SUBJECT, number: int = 0) -> str:
    return next(file_names(pattern, subject, number))[1]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[number]-[seed]", "00041-7"),
        ("[seed]_[width]x[height]", "7_64x32"),
        ("[date] [job]", "2026-01-31 abc"),
        ("[model_name]", "sub_model v1.5"),
        ("[prompt_words]", "a red 1 2 circle on white lora"),
        ("[unknown] [SEED]", "[unknown] 7"),
        ("plain", "plain"),
        ("../../x", "_.._x"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\x", "C__x"),
        ("a.", "a"),
        (".hidden", "hidden"),
        ("...", "picture"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("a\nb\0c\x7f\u202ed", "a_b_c__d"),
    ],
)
def test_patterns_become_names(pattern: str, name: str) -> None:
    assert first(pattern, number=41) == name


def test_numbers_go_on_and_names_without_one_get_an_ending() -> None:
    numbered = itertools.islice(file_names("[number]-x-[number]", SUBJECT, 99_999), 2)
    assert list(numbered) == [(99_999, "99999-x-99999"), (100_000, "100000-x-100000")]
    plain = itertools.islice(file_names("x", SUBJECT, 0), 3)
    assert [name for _, name in plain] == ["x", "x-1", "x-2"]


def test_what_is_filled_in_is_no_token() -> None:
    subject = Subject(1, "p", "[number][seed]", 8, 8, "[date]", SUBJECT.time)
    assert first("[model_name] [job]", subject) == "(number)(seed) (date)"


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=60))
def test_every_name_is_one_all_systems_take(pattern: str, prompt: str, model: str) -> None:
    subject = Subject(1, prompt, model, 8, 8, "j", SUBJECT.time)
    tokens = "[prompt_words][model_name][number]"
    names = [n for _, n in itertools.islice(file_names(pattern + tokens, subject, 3), 3)]
    assert len({name.casefold() for name in names}) == 3
    for name in names:
        assert 0 < len(name.encode()) <= MAX_BYTES
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        assert name == name.strip(" ")
        assert not name.startswith(".")
        assert PurePosixPath(name).name == name
        assert PureWindowsPath(name).name == name
        assert not name.endswith(".")


@given(st.text(max_size=200))
def test_a_safe_name_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("00041-7.png", 41),
        ("00041.png", 41),
        ("100000-1.jpg", 100_000),
        ("41-7.png", None),
        ("0000041x.png", 41),
        ("12345678901.png", None),
        ("x00041.png", None),
        (".easel-1.tmp", None),
    ],
)
def test_numbers_are_read_from_names(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_days_are_folders() -> None:
    assert folder_name(SUBJECT.time) == "2026-01-31"
    assert starts_with_number("[number]-[seed]")
    assert not starts_with_number("[seed]-[number]")
