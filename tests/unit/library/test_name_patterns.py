"""A1111's name patterns: what each part becomes, and that nothing leads out of the folder."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.requests import Txt2Img
from webui.library.naming import (
    MAX_BYTES,
    MAX_FOLDERS,
    file_names,
    folder_names,
    grid_names,
    is_grid,
    normal,
)
from webui.library.tokens import Subject, fill

PROMPT = "a (red:1.2) circle, [white] sky"
PLAIN = Subject(
    seed=7,
    prompt=PROMPT,
    model="sub/model v1.5",
    width=64,
    height=32,
    job="abc",
    time=datetime(2026, 1, 31, 23, 59, 8, tzinfo=ZoneInfo("UTC")),
    negative_prompt="blurry",
    steps=20,
    cfg_scale=7.0,
    sampler="DPM++ 2M",
    scheduler="Karras",
    model_hash="0123456789",
    user="ann",
    pixels=b"\x01\x02\x03",
    job_time=datetime(2026, 1, 31, 23, 58, 0, tzinfo=ZoneInfo("UTC")),
)
BATCH = replace(PLAIN, seed=11, index=4, batch_size=3, count=6)


def sha(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("pattern", "filled"),
    [
        ("[seed]-[steps]-[cfg]", "7-20-7"),
        ("[sampler] [scheduler]", "DPM++ 2M Karras"),
        ("[sampler_scheduler]", "DPM++ 2M Karras"),
        ("[model_name] [model_hash]", "sub_model v1.5 0123456789"),
        ("[width]x[height]", "64x32"),
        ("[date]", "2026-01-31"),
        ("[datetime]", "20260131235908"),
        ("[datetime<%H.%M>]", "23.59"),
        ("[datetime<%d %H:%M><Asia/Tokyo>]", "01 08:59"),
        ("[datetime<><Asia/Tokyo>]", "20260201085908"),
        ("[datetime<%H><No/Such>]", "23"),
        ("[datetime<%H><../etc>]", "23"),
        ("[datetime<%H><America>]", "23"),
        ("[job_timestamp]", "20260131235800"),
        ("[prompt]", "a_(red:1.2)_circle,_(white)_sky"),
        ("[prompt_spaces]", "a (red:1.2) circle, (white) sky"),
        ("[prompt_no_styles]", "a (red:1.2) circle, (white) sky"),
        ("[prompt_words]", "a red 1 2 circle white sky"),
        ("[styles]", "None"),
        ("[prompt_hash]", sha(PROMPT)[:8]),
        ("[prompt_hash<5>]", sha(PROMPT)[:5]),
        ("[negative_prompt_hash<12>]", sha("blurry")[:12]),
        ("[full_prompt_hash]", sha(f"{PROMPT} blurry")[:8]),
        ("[image_hash]", sha(b"\x01\x02\x03")),
        ("[image_hash<10>]", sha(b"\x01\x02\x03")[:10]),
        ("[image_hash<x>]", "[image_hash<x>]"),
        ("[hasprompt<circle><square>]", "circle"),
        ("[hasprompt<CIRCLE|none><square|No Square>]", "circleNo Square"),
        ("[hasprompt<dog|>]", ""),
        ("[clip_skip] [user]", "1 ann"),
        ("[vae_filename]", "None"),
        ("a[none]b", "ab"),
        ("[seed] [nothing<1>] [[seed]]", "7 [nothing<1>] [7]"),
        ("[seed<1>]", "[seed<1>]"),
        ("[number]", "[number]"),
        # of a batch of one these say nothing, and take the text before them along
        ("[seed]-[batch_number]", "7"),
        ("[seed] of [generation_number]", "7"),
        ("[seed_first]-[seed_last]", "7"),
        ("[seed]~[denoising]!", "7!"),
        ("[batch_size]", "1"),
    ],
)
def test_parts_of_one_picture(pattern: str, filled: str) -> None:
    assert fill(pattern, PLAIN) == filled


@pytest.mark.parametrize(
    ("pattern", "filled"),
    [
        ("[seed]-[batch_number]", "11-2"),
        ("[generation_number] [batch_size]", "5 3"),
        ("[seed_first]-[seed_last]", "7-12"),
    ],
)
def test_parts_of_a_batch(pattern: str, filled: str) -> None:
    assert fill(pattern, BATCH) == filled


def test_a_variation_has_one_seed() -> None:
    varied = replace(BATCH, variation_strength=0.2)
    assert fill("[seed_first]-[seed_last]", varied) == "11-11"


def test_parts_of_other_kinds_of_requests() -> None:
    subject = replace(
        PLAIN,
        denoising_strength=0.75,
        vae="models/kl-f8 v2.safetensors",
        styles=("Film", "[seed]"),
        styled_prompt="a cat, film",
        max_words=2,
    )
    assert fill("[denoising] [vae_filename]", subject) == "0.75 kl-f8 v2"
    assert fill("[styles]|[prompt]|[prompt_words]", subject) == "Film, (seed)|a_cat,_film|a cat"
    assert fill("[prompt_no_styles]", subject) == "a (red:1.2) circle, (white) sky"
    assert fill("[prompt_words]", replace(PLAIN, prompt=" ,. ")) == "empty"


def test_a_request_says_how_it_was_drawn() -> None:
    request = Txt2Img(
        prompt="not this", steps=9, cfg_scale=2.5, sampler="Euler", batch_size=2, batch_count=3
    )
    subject = replace(PLAIN, index=3).drawn_by(request)
    pattern = "[steps] [cfg] [sampler] [batch_number] [generation_number] [prompt_words]"
    assert fill(pattern, subject) == "9 2.5 Euler 2 4 a red 1 2 circle white sky"
    assert PLAIN.drawn_by(None) == PLAIN


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("[date]", ("2026-01-31",)),
        ("[date]/[model_name]", ("2026-01-31", "sub_model v1.5")),
        ("a\\b", ("a", "b")),
        ("", ()),
        ("../../etc", ("etc",)),
        ("/abs/./x/..", ("abs", "x")),
        ("C:/x", ("C_", "x")),
        ("[vae_filename]/con", ("None", "_con")),
        ("[datetime<%Y/%m>]/x", ("2026_01", "x")),
        ("[user]/y", ("ann", "y")),
        ("/".join("x" * 20), ("x",) * MAX_FOLDERS),
    ],
)
def test_folders(pattern: str, names: tuple[str, ...]) -> None:
    assert folder_names(pattern, PLAIN) == names


def test_a_part_that_is_empty_makes_no_folder() -> None:
    assert folder_names("[user]/[date]", replace(PLAIN, user="")) == ("2026-01-31",)


def test_none_leaves_the_number() -> None:
    assert normal("[none]") == normal(" [None] ") == "[number]"
    assert normal("[NUMBER]-[seed]") == "[number]-[seed]"
    assert normal("[none][seed]") == "[seed]"


def test_no_picture_is_named_like_a_grid() -> None:
    assert list(itertools.islice(grid_names(0), 2)) == [(0, "grid-0000"), (1, "grid-0001")]
    for pattern in ("grid-0000", "Grid-[seed]0000", "grid-[number]"):
        names = [name for _, name in itertools.islice(file_names(pattern, PLAIN, 0), 3)]
        assert names[0].casefold().startswith("_grid-")
        assert not any(map(is_grid, names))


PARTS = re.findall(
    r"\S+",
    "[seed] [seed_first] [seed_last] [steps] [cfg] [sampler] [scheduler] [width] [height] "
    "[model_name] [model_hash] [date] [datetime<%c><Asia/Tokyo>] [job_timestamp] [prompt] "
    "[prompt_no_styles] [prompt_spaces] [prompt_words] [prompt_hash<4>] [negative_prompt_hash<4>] "
    "[full_prompt_hash<4>] [batch_number] [batch_size] [generation_number] [hasprompt<a|b><c>] "
    "[clip_skip] [denoising] [user] [vae_filename] [none] [image_hash<4>] [styles] [number] [job]",
)
ANY = st.text(max_size=200)
NASTY = st.sampled_from(
    ["../../etc/passwd", "..", "CON", "a/b\\c", "\0", "[number]", "nul.txt ", "é" * 200, "~/x"]
)


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3),
    st.lists(st.sampled_from([*PARTS, "/", "../", "\\"]), max_size=4),
    ANY | NASTY,
    ANY | NASTY,
)
def test_any_prompt_gives_a_legal_name_inside_the_folder(
    parts: list[str], folders: list[str], prompt: str, model: str
) -> None:
    subject = replace(PLAIN, prompt=prompt, model=model, vae=model, user=prompt, styles=(prompt,))
    names = [n for _, n in itertools.islice(file_names("-".join(parts), subject, 3), 3)]
    assert len({name.casefold() for name in names}) == 3
    outputs = Path("/outputs")
    below = folder_names("".join(folders), subject)
    for name in (*names, *below):
        assert 0 < len(name.encode()) <= MAX_BYTES
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        assert name == name.strip(" .")
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
        assert not PureWindowsPath(name).is_reserved()
        path = outputs.joinpath(*below, name)
        assert path.resolve() == path
        assert path.is_relative_to(outputs)


@given(st.text(max_size=120))
def test_any_pattern_gives_a_legal_name(pattern: str) -> None:
    names = itertools.islice(file_names(normal(pattern), PLAIN, 0), 2)
    for _, name in names:
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    for name in folder_names(pattern, PLAIN):
        assert name not in {".", ".."}
        assert PureWindowsPath(name).name == name
