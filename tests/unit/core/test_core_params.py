"""What a request accepts, what it refuses, and in which words."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.core.requests import Txt2Img
from webui.core.samplers import SAMPLERS, SCHEDULES, split_schedule

FIELDS = {f.name: f for f in fields_of(Txt2Img)}
UNKNOWN_TO_A1111 = {
    "best_of",
    "clip_score",
    "cfg_rescale",
    "guidance_start",
    "guidance_end",
    "dynamic_threshold",
    "perp_neg",
}


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"steps": 0}, "steps", "Sampling steps is 0; the least is 1."),
        ({"steps": 10_000}, "steps", "Sampling steps is 10000; the most is 150."),
        ({"steps": 20.5}, "steps", "is 20.5, not a whole number."),
        ({"steps": "20"}, "steps", "is '20', not a whole number."),
        ({"steps": True}, "steps", "is True, not a whole number."),
        ({"steps": None}, "steps", "is missing"),
        ({"cfg_scale": math.nan}, "cfg_scale", "CFG Scale is nan, not a finite number."),
        ({"cfg_scale": math.inf}, "cfg_scale", "not a finite number."),
        ({"cfg_scale": 0.5}, "cfg_scale", "the least is 1."),
        ({"width": 100}, "width", "Width is 100, not a multiple of 8; 96 is near."),
        ({"width": 8}, "width", "the least is 16."),
        ({"height": 10**9}, "height", "the most is 4096."),
        ({"width": 4096, "height": 4096}, "width", "larger than 8 million pixels"),
        (
            {"prompt": "x" * (MAX_PROMPT_CHARS + 1)},
            "prompt",
            "20001 characters; the most is 20000.",
        ),
        ({"prompt": 5}, "prompt", "Prompt is 5, not text."),
        ({"sampler": "Eulr"}, "sampler", "There is no sampler 'Eulr'; did you mean 'Euler'?"),
        ({"scheduler": "qqqq"}, "scheduler", "known are Automatic"),
        ({"noise_source": "x"}, "noise_source", "There is no noise source 'x'"),
        ({"seed": 2**32}, "seed", "the most is"),
        ({"seed": -2}, "seed", "the least is -1."),
        ({"batch_count": 100, "batch_size": 64}, "batch_count", "is 6400; the most is 1000."),
        ({"sigma_min": 5, "sigma_max": 5}, "sigma_min", "Sigma min 5 is not below sigma max 5."),
        ({"banana": 1}, "banana", "There is no field 'banana'; the fields are prompt, "),
        ({"sampler_": 1}, "sampler_", "There is no field 'sampler_'; did you mean 'sampler'?"),
    ],
)
def test_a_bad_field_is_one_sentence_naming_it(
    values: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        Txt2Img.from_mapping(values)
    assert error.value.field == field
    assert says in error.value.message
    assert "\n" not in error.value.message
    assert len(error.value.message) < 300


def test_long_values_are_shortened_in_sentences() -> None:
    with pytest.raises(InvalidRequest) as error:
        Txt2Img.from_mapping({"sampler": "y" * 90})
    assert len(error.value.message) < 250
    with pytest.raises(InvalidRequest) as error:
        Txt2Img.from_mapping({"steps": "z" * 10_000})
    assert len(error.value.message) < 150


def test_what_json_brings_is_taken_as_the_declared_type() -> None:
    request = Txt2Img.from_mapping({"steps": 20.0, "cfg_scale": 7, "width": 64.0, "height": None})
    assert (request.steps, type(request.steps)) == (20, int)
    assert (request.cfg_scale, type(request.cfg_scale)) == (7.0, float)
    assert (request.width, request.height) == (64, None)
    assert Txt2Img().prompt == ""


@pytest.mark.parametrize(
    ("given", "sampler", "schedule"),
    [
        ({"sampler": "k_euler_a"}, "Euler a", "Automatic"),
        ({"sampler": " euler A "}, "Euler a", "Automatic"),
        ({"sampler": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler": "dpm++ 2m sde exponential"}, "DPM++ 2M SDE", "Exponential"),
        ({"sampler": "DPM++ 2M Karras", "scheduler": "simple"}, "DPM++ 2M", "Simple"),
        ({"sampler": "Euler", "scheduler": "sgm_uniform"}, "Euler", "SGM Uniform"),
    ],
)
def test_names_are_taken_in_any_spelling(
    given: dict[str, str], sampler: str, schedule: str
) -> None:
    request = Txt2Img(**given)  # pyright: ignore[reportArgumentType]
    assert (request.sampler, request.scheduler) == (sampler, schedule)


@given(st.sampled_from(SAMPLERS.names()), st.sampled_from(SCHEDULES.names()))
def test_every_combined_name_splits_into_its_parts(sampler: str, schedule: str) -> None:
    assert split_schedule(f"{sampler} {schedule}") == (sampler, schedule)


def test_a_request_cannot_be_changed_but_replaced() -> None:
    request = Txt2Img(prompt="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.prompt = "b"  # pyright: ignore[reportAttributeAccessIssue]
    assert dataclasses.replace(request, prompt="b").prompt == "b"
    with pytest.raises(InvalidRequest):
        dataclasses.replace(request, steps=0)


def _outcome(make: Callable[[], Any]) -> tuple[Any, InvalidRequest | None]:
    try:
        return make(), None
    except InvalidRequest as error:
        return None, error


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.integers())
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), values, max_size=4))
def test_any_values_give_a_valid_request_or_a_sentence(given_values: dict[str, Any]) -> None:
    request, error = _outcome(lambda: Txt2Img.from_mapping(given_values))
    if error is not None:
        assert error.field
        assert error.message.endswith((".", "?"))
        assert len(error.message) < 400
        return
    for field in FIELDS.values():
        value = getattr(request, field.name)
        assert value is None or type(value) is field.type
    assert Txt2Img.from_mapping(json.loads(json.dumps(dataclasses.asdict(request)))) == request


@given(st.sampled_from(list(FIELDS.values())), st.text(max_size=40))
def test_parsing_text_gives_a_checked_value_or_a_sentence(field: Any, text: str) -> None:
    value, error = _outcome(lambda: field.parse(text))
    if error is not None:
        assert error.field == field.name
    else:
        assert value is None or isinstance(value, field.type)
        assert field.check(value) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "20", 20),
        ("cfg_scale", "7.5", 7.5),
        ("width", "", None),
        ("seed", "-1", -1),
        ("seed", "4294967295", 4294967295),
        ("prompt", " kept ", " kept "),
    ],
)
def test_text_is_parsed(name: str, text: str, value: object) -> None:
    assert FIELDS[name].parse(text) == value


def test_every_field_says_what_it_is() -> None:
    for field in FIELDS.values():
        assert field.param.label
        assert field.param.help.endswith(".")
        assert bool(field.param.a1111) == (field.name not in UNKNOWN_TO_A1111)
        assert field.flag == "--" + field.name.replace("_", "-")
        if field.type in (int, float):
            assert field.param.minimum is not None
            assert field.param.maximum is not None
        if field.default is not None:
            assert field.check(field.default) == field.default
