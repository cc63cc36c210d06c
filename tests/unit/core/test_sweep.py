"""Axes' values, and what scripts make of a request."""

from __future__ import annotations

from typing import Any

import pytest

from webui.core.axes import axis_kinds, numbers, parse_axis, reordered
from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.prompt_lines import read_prompt_lines
from webui.core.requests import DrawRequest, Series, Txt2Img
from webui.core.sweep import at_once, drawing_order, plan, split_parts, switches

BASE = Txt2Img(prompt="a red cat in a garden", negative_prompt="red", seed=5)


def values(name: str, text: str, base: Txt2Img = BASE) -> list[Any]:
    return [dict(value.fields)[name] for value in parse_axis(name, text, base).values]


def refusal(script: str, base: Txt2Img = BASE, **options: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        plan(base, {"script": script, **options})
    assert "\n" not in caught.value.message
    return caught.value.message


def pictures(series: Series) -> list[DrawRequest]:
    return [series.picture(i) for i in range(series.count)]


def xyz(base: Txt2Img = BASE, **axes: tuple[str, str]) -> Series:
    options = {place: {"axis": name, "values": text} for place, (name, text) in axes.items()}
    return plan(base, {"script": "xyz", **options})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-10(+2)", [1, 3, 5, 7, 9]),
        ("1-10 (+2)", [1, 3, 5, 7, 9]),
        ("10-5 (-3)", [10, 7]),
        ("10-8", [10, 9, 8]),
        ("1-10 [5]", [1, 3.25, 5.5, 7.75, 10]),
        ("0-1(+0.25)", [0, 0.25, 0.5, 0.75, 1]),
        ("1-2(+0.3)", [1, 1.3, 1.6, 1.9]),
        ("-2-1", [-2, -1, 0, 1]),
        ("-1--3", [-1, -2, -3]),
        ("4-4", [4]),
        ("3-9[1]", [3]),
        ("7", None),
        ("-1", None),
        ("a-b", None),
        ("1e3", None),
    ],
)
def test_ranges(text: str, expected: list[float] | None) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize("text", ["1-5(-1)", "5-1(+1)", "1-5(+0)", "1-99999", "1-2[5000]"])
def test_ranges_that_cannot_be(text: str) -> None:
    with pytest.raises(InvalidRequest):
        numbers(text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("steps", "5, 10 , 15-17", [5, 10, 15, 16, 17]),
        ("steps", "1-10 [5]", [1, 3, 5, 7, 10]),
        ("cfg_scale", "1-3, 4.5", [1.0, 2.0, 3.0, 4.5]),
        ("cfg_scale", "1-10 [5]", [1, 3.25, 5.5, 7.75, 10]),
        ("width", "512-640(+64)", [512, 576, 640]),
        ("seed", "-1, 7", [-1, 7]),
        ("tiling", "True, false", [True, False]),
        ("sampler", "euler, DPM++ 2M", ["Euler", "DPM++ 2M"]),
        ("prompt", '"a, b", c', ["a, b", "c"]),
        ("variation_strength", "0-1(+.5)", None),
        ("checkpoint", "one, folder/two", ["one", "folder/two"]),
    ],
)
def test_values_of_fields(name: str, text: str, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidRequest):
            values(name, text)
    else:
        assert values(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("steps", "5, many", "not a number"),
        ("steps", "0", "the least is 1"),
        ("steps", "1.5", "not a whole number"),
        ("steps", "", "has no values"),
        ("sampler", "nobody", "nobody"),
        ("size", "512", "512x768"),
        ("prompt_sr", "dog, cat", "did not find 'dog'"),
        ("prompt_sr", "", "needs the words"),
        ("prompt_order", "dog, cat", "did not find 'dog'"),
        ("lora_weight", "1", "needs a LoRA in the prompt"),
        ("nothing", "1", "no axis"),
        ("batch_count", "1-2", "no axis"),
    ],
)
def test_bad_values_are_one_sentence(name: str, text: str, part: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_axis(name, text, BASE, "y")
    assert part in caught.value.message
    assert caught.value.field == "y"


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("0.5, 1", ["<lora:Ink:0.5> a <lora:fur:0.5:dyn=8>", "<lora:Ink:1> a <lora:fur:1:dyn=8>"]),
        ("0-1 (+.5)", None),
        ("INK, 0-1 [2]", ["<lora:Ink:0> a <lora:fur:1:2:te=3:dyn=8>",
                          "<lora:Ink:1> a <lora:fur:1:2:te=3:dyn=8>"]),
    ],
)  # fmt: skip
def test_weights_of_loras(text: str, prompts: list[str] | None) -> None:
    base = Txt2Img(prompt="<lora:Ink:.2> a <lora:fur:1:2:te=3:dyn=8>", seed=1)
    if prompts is None:
        with pytest.raises(InvalidRequest, match="LoRA weight is '0-1 "):
            parse_axis("lora_weight", text, base)
        return
    series = plan(base, {"script": "xyz", "x": {"axis": "lora_weight", "values": text}})
    assert [series.picture(i).prompt for i in range(series.count)] == prompts


def test_every_field_is_an_axis_but_the_counts() -> None:
    names = {f.name for f in fields_of(Txt2Img)} - {"batch_count", "batch_size", "best_of"}
    assert {kind.name for kind in axis_kinds()} == names | {
        "prompt_sr",
        "prompt_order",
        "size",
        "lora_weight",
    }


def test_cells_are_rows_of_columns_page_by_page() -> None:
    series = xyz(x=("cfg_scale", "3, 5"), y=("steps", "10-12"), z=("seed", "1, 2"))
    found = [(p.cfg_scale, p.steps, p.seed) for p in pictures(series)]
    assert found[:3] == [(3, 10, 1), (5, 10, 1), (3, 11, 1)]
    assert found[6] == (3, 10, 2)
    assert len(found) == 12
    legend = series.legend
    assert legend is not None
    assert legend.columns == ("CFG Scale: 3", "CFG Scale: 5")
    assert legend.rows == ("Sampling steps: 10", "Sampling steps: 11", "Sampling steps: 12")
    assert legend.pages == ("Seed: 1", "Seed: 2")
    assert ("X Values", "3, 5") in legend.caption


def test_words_are_replaced_in_both_prompts_and_after_one_another() -> None:
    series = xyz(x=("prompt_sr", "red, blue"), y=("prompt_sr", 'cat, "dog, old"'))
    assert [(p.prompt, p.negative_prompt) for p in pictures(series)] == [
        ("a red cat in a garden", "red"),
        ("a blue cat in a garden", "blue"),
        ("a red dog, old in a garden", "red"),
        ("a blue dog, old in a garden", "blue"),
    ]


def test_a_prompt_axis_comes_before_replacements() -> None:
    series = xyz(x=("prompt_sr", "red, blue"), y=("prompt", "red car, red bus"))
    assert [p.prompt for p in pictures(series)] == ["red car", "blue car", "red bus", "blue bus"]


def test_orders() -> None:
    series = xyz(x=("prompt_order", "red, cat, garden"))
    found = [p.prompt for p in pictures(series)]
    assert len(set(found)) == 6
    assert found[0] == BASE.prompt
    assert "a garden cat in a red" in found
    assert reordered(["b", "a"], ["b", "a"], "a b") == "b a"


def test_seeds_are_fixed_and_can_differ() -> None:
    series = xyz(Txt2Img(prompt="x"), x=("steps", "1-3"))
    assert len({p.seed for p in pictures(series)}) == 1
    assert series.base.seed >= 0
    options = {"script": "xyz", "x": {"axis": "steps", "values": "1-3"}, "different_seeds": True}
    assert [p.seed for p in pictures(plan(BASE, options))] == [5, 6, 7]
    many = Txt2Img(prompt="x", seed=5, batch_size=4)
    assert [p.seed for p in pictures(plan(many, options))] == [5, 9, 13]


def test_a_pair_that_does_not_go_together_is_refused() -> None:
    assert "million pixels" in refusal(
        "xyz", x={"axis": "width", "values": "4096"}, y={"axis": "height", "values": "4096"}
    )


def test_too_many_are_refused_before_they_are_made() -> None:
    seeds = {"axis": "seed", "values": "1-1000"}
    assert "1000000000" in refusal("xyz", x=seeds, y=seeds, z=seeds)
    assert "most is 1000" in refusal("matrix", Txt2Img(prompt="|".join("abcdefghijkl")))
    assert "most is 1000" in refusal("matrix", Txt2Img(prompt="|" * 19_000))
    axis = {"axis": "steps", "values": "1-100"}
    assert "2000" in refusal("xyz", Txt2Img(batch_count=20), x=axis)


def test_values_of_an_axis_are_counted_as_they_are_read() -> None:
    # All of them would be two million requests to check.
    assert "1050 values or more" in refusal("xyz", x={"axis": "steps", "values": "1-150," * 14_000})
    assert "1001 values or more" in refusal("xyz", x={"axis": "size", "values": "64x64," * 10_000})


def test_a_prompt_of_any_length_is_not_made() -> None:
    axis = {"axis": "prompt_sr", "values": "a," + "b" * 90_000}
    found = refusal("xyz", Txt2Img(prompt="a" * 20_000), x=axis)
    assert "would make a prompt of 1800000000 characters" in found


def test_candidates_of_lines_count() -> None:
    assert "1280 pictures" in refusal("lines", text="--prompt red --best_of 64\n" * 20)


def test_options_are_checked() -> None:
    assert "xyz, matrix, lines" in refusal([])  # type: ignore[arg-type]
    assert "xyz, matrix, lines" in refusal("nothing")
    assert "X axis" in refusal("xyz")
    assert "X axis" in refusal("xyz", x={"axis": "", "values": "1"})
    assert "object" in refusal("xyz", x="steps")
    assert "not text" in refusal("xyz", x={"axis": 5})
    assert "true or false" in refusal("xyz", x={"axis": "steps", "values": "1"}, legend="yes")
    assert "comma, space" in refusal("matrix", Txt2Img(prompt="a|b"), joiner="x")


def test_a_matrix_has_every_combination() -> None:
    series = plan(Txt2Img(prompt="cat|red|old|[a|b] x", seed=1), {"script": "matrix"})
    assert [p.prompt for p in pictures(series)] == [
        "cat",
        "cat, red",
        "cat, old",
        "cat, red, old",
        "cat, [a|b] x",
        "cat, red, [a|b] x",
        "cat, old, [a|b] x",
        "cat, red, old, [a|b] x",
    ]
    assert series.legend is not None
    assert series.legend.columns == ("–", "red", "old", "red + old")
    assert series.legend.rows == ("–", "[a|b] x")


def test_a_matrix_of_the_negative_prompt() -> None:
    base = Txt2Img(prompt="cat", negative_prompt="fog|rain", seed=1)
    options = {"script": "matrix", "target": "negative_prompt", "joiner": "space", "start": True}
    series = plan(base, {**options, "different_seeds": True})
    assert [(p.negative_prompt, p.seed) for p in pictures(series)] == [("fog", 1), ("rain fog", 2)]
    assert "needs parts" in refusal("matrix", base)


def test_parts_are_split_outside_brackets() -> None:
    assert split_parts(r"a | [b|c]{d|e} | f\|g | ]h") == ["a", "[b|c]{d|e}", r"f\|g", "]h"]


LINES = """a cat

--prompt "a dog" --negative_prompt fog and rain --steps 7 --cfg_scale 3.5 --seed 9 --width 256
--prompt a bird --sampler_name "Euler" --n_iter 2 --tiling --outpath_samples /tmp
"""


def test_lines_are_prompts_or_flags() -> None:
    assert [dict(line) for line in read_prompt_lines(LINES)] == [
        {"prompt": "a cat"},
        {
            "prompt": "a dog",
            "negative_prompt": "fog and rain",
            "steps": 7,
            "cfg_scale": 3.5,
            "seed": 9,
            "width": 256,
        },
        {"prompt": "a bird", "sampler": "Euler", "batch_count": 2, "tiling": True},
    ]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("ok\n--steps x", "Line 2: Sampling steps is 'x', not a number"),
        ('--prompt "a', "Line 1 has a quote"),
        ("--nobody 1", "Line 1: there is no flag --nobody"),
        ("--sampler_name zzz", "Line 1: "),
    ],
)
def test_a_bad_line_is_named(line: str, part: str) -> None:
    assert part in refusal("lines", text=line)


def test_lines_join_the_prompt_and_count_seeds_up() -> None:
    base = Txt2Img(prompt="oil", seed=5, batch_size=2)
    text = "a\n--prompt b --seed 50\nc"
    series = plan(base, {"script": "lines", "text": text, "iterate_seed": True})
    assert [(p.prompt, p.seed) for p in pictures(series)] == [
        ("a oil", 5),
        ("b oil", 50),
        ("c oil", 9),
    ]
    assert series.legend is None
    series = plan(base, {"script": "lines", "text": text, "place": "start"})
    assert [(p.prompt, p.seed) for p in pictures(series)] == [
        ("oil a", 5),
        ("oil b", 50),
        ("oil c", 5),
    ]
    series = plan(base, {"script": "lines", "text": text, "place": "none"})
    assert [p.prompt for p in pictures(series)] == ["a", "b", "c"]
    assert "at least one" in refusal("lines", text=" \n ")


def test_checkpoints_are_switched_as_rarely_as_possible() -> None:
    series = xyz(
        x=("checkpoint", "one, two, three"), y=("steps", "1-2"), z=("size", "64x64, 32x64")
    )
    found = pictures(series)
    order = drawing_order(found)
    assert sorted(order) == list(range(12))
    assert [found[i].checkpoint for i in order] == ["one"] * 4 + ["two"] * 4 + ["three"] * 4
    assert [found[i].width for i in order[:4]] == [64, 64, 32, 32]
    assert switches(found) == 2
    assert switches(found[:1]) == 0


def test_small_pictures_are_drawn_together() -> None:
    assert at_once(1, 512, 512) == 4
    assert at_once(1, 1024, 1024) == 1
    assert at_once(6, 1024, 1024) == 6
    assert at_once(1, 64, 64) == 4
