"""Any text is a prompt: nothing raises, and hostile texts take no longer than others."""

from __future__ import annotations

import random

import pytest

from webui.prompt.plan import plain_text, plan_prompts
from webui.prompt.problems import problems
from webui.prompt.weights import sections

ATOMS = [
    *"()[]|:\\<>#{}_\n ,.;-+=\t\0\u00a0\u3000é日😀\ud800", "cat", "a red", "AND", "BREAK", "<lora:",
    "<lora:ink:0.8>", ":1.2)", ":0.5]", ":3]", ":1e9]", ":.]", "[a|b", "\\(", "\\", "__x__", "{a|",
    "1.2.3", "9" * 30, "(((", "]]]", "][", "embedding",
]  # fmt: skip
EMPHASIS = ("Original", "No norm", "None", "Ignore")


def draw(rng: random.Random) -> str:
    return "".join(rng.choices(ATOMS, k=rng.randint(0, 30)))


def read_everything(prompt: str, negative: str, rng: random.Random) -> None:
    steps = rng.randint(1, 20)
    plan = plan_prompts(prompt, negative, steps)
    schedules = [*(pieces for pieces, _ in plan.positive), plan.negative]
    assert all(pieces[-1].end == steps for pieces in schedules)
    assert all(-1000 <= weight <= 1000 for _, weight in plan.positive)
    for pieces in schedules:
        read = sections(pieces[-1].text, rng.choice(EMPHASIS))
        assert all(section for section in read)
        assert all(-1000 <= span.weight <= 1000 for section in read for span in section)
    plain_text(prompt)
    assert all(said.endswith(".") for said in problems(prompt) + problems(prompt, negative=True))


def test_random_prompts_never_fail() -> None:
    rng = random.Random(1)
    for _ in range(1500):
        read_everything(draw(rng), draw(rng), rng)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_random_prompts_never_fail() -> None:
    rng = random.Random(2)
    for _ in range(100_000):
        read_everything(draw(rng), draw(rng), rng)


HOSTILE = [
    "(", "[", "([", "[(", "()", "[]", ")", "]", "[:", "[|", "[a:", "[a:1]", "[a|b]", ":", "|", "\\",
    "\\(", "<a:", "<a:>", "<", "# ", " ", "\n", "BREAK ", "AND ", ": 1", "a :1 ", "(a:1.1",
    "[[a:.1]",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_prompts_take_linear_time(piece: str) -> None:
    """What is quadratic, or worse, runs for minutes here, past the suite's limit for a test."""
    prompt = piece * (100_000 // len(piece))
    plan = plan_prompts(prompt, "", 4)
    for pieces, _ in plan.positive[:2]:
        sections(pieces[0].text)
    problems(prompt)


def test_deep_nesting_needs_no_deep_stack() -> None:
    depth = 20_000
    prompt = "[" * depth + "a" + ":b:2]" * depth
    (pieces, _), *_ = plan_prompts(prompt, "", 4).positive
    assert pieces == ((2, "a"), (4, "b"))
    prompt = "(" * depth + "[a|b]" + ":1.0)" * depth
    assert sections(plan_prompts(prompt, "", 2).positive[0][0][1].text)[0][0].text == "b"
