"""Comments, extra networks, AND, and what is told of a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.prompt.networks import ExtraNetwork, split_networks
from webui.prompt.plan import Part, plain_text, plan_prompts, split_prompt, without_comments
from webui.prompt.problems import MOST, problems


@pytest.mark.parametrize(
    ("text", "rest", "networks"),
    [
        ("a cat", "a cat", ()),
        ("a <lora:ink:0.8> cat", "a  cat", (ExtraNetwork("lora", ("ink", "0.8")),)),
        ("<lora:ink>", "", (ExtraNetwork("lora", ("ink",)),)),
        (
            "<lora:ink:te=0.5:unet=0.7:dyn=8>",
            "",
            (ExtraNetwork("lora", ("ink",), (("te", "0.5"), ("unet", "0.7"), ("dyn", "8"))),),
        ),
        ("<a:b=c=d>", "", (ExtraNetwork("a", ("b=c=d",)),)),
        (
            "<lora:x:1><hypernet:y:2>b",
            "b",
            (ExtraNetwork("lora", ("x", "1")), ExtraNetwork("hypernet", ("y", "2"))),
        ),
        ("<lora:a b\nc>", "", (ExtraNetwork("lora", ("a b\nc",)),)),
        ("<lora:a <b:c>", "", (ExtraNetwork("lora", ("a <b", "c")),)),
        ("a <3 b> <x> < y:z> <:z>", "a <3 b> <x> < y:z> <:z>", ()),
        ("<lora:> b", "<lora:> b", ()),
        ("<lora:ink b", "<lora:ink b", ()),
    ],
)
def test_networks_are_taken_out(text: str, rest: str, networks) -> None:
    assert split_networks(text) == (rest, networks)


def test_an_option_is_found_by_its_name() -> None:
    _, (network,) = split_networks("<lora:ink:te=0.5:te=0.6>")
    assert network.option("te") == "0.6"
    assert network.option("unet", "1") == "1"


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat", [Part("a cat")]),
        ("", [Part("")]),
        ("a cat AND a dog", [Part("a cat"), Part("a dog")]),
        ("a cat:1.2 AND a dog : -.5 ", [Part("a cat", 1.2), Part("a dog", -0.5)]),
        ("a AND b :1.2", [Part("a"), Part("b", 1.2)]),
        ("a:+2. AND b:0", [Part("a", 2.0), Part("b", 0.0)]),
        ("a AND\nb:2\nAND c", [Part("a"), Part("b", 2.0), Part("c")]),
        ("a AND", [Part("a"), Part("")]),
        ("SAND and ANDY a_AND", [Part("SAND and ANDY a_AND")]),
        ("a:b:2", [Part("a:b", 2.0)]),
        ("(a:1.2)", [Part("(a:1.2)")]),
        ("a:1.2.3", [Part("a:1.2.3")]),
        ("a:1e5", [Part("a:1e5")]),
        ("a:" + "9" * 500, [Part("a", 1000.0)]),
        ("[a AND b:3]", [Part("[a"), Part("b:3]")]),
    ],
)
def test_and_joins_weighted_parts(prompt: str, parts: list[Part]) -> None:
    assert split_prompt(prompt) == (tuple(parts), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a # b", "a "),
        ("a # b\nc # d", "a \nc "),
        ("# b", ""),
        ("#\n#\na", "\n\na"),
        ("a (b:1.2) # (c", "a (b:1.2) "),
    ],
)
def test_comments_go_to_the_end_of_their_line(text: str, expected: str) -> None:
    assert without_comments(text) == expected


def test_a_plan_has_all_of_it_in_a1111s_order() -> None:
    prompt = "a [red:blue:2]# not <lora:no:1>\n cat <lora:ink:0.8> AND a dog:-1"
    plan = plan_prompts(prompt, "[x|] # y\n AND <lora:z:1>:3", 4)
    assert plan.positive == (
        (((2, "a red\n cat"), (4, "a blue\n cat")), 1.0),
        (((4, "a dog"),), -1.0),
    )
    assert plan.negative == tuple(
        (step, f"{'x' if step % 2 else ''} \n AND <lora:z:1>:3") for step in (1, 2, 3, 4)
    )
    assert plan.networks == (ExtraNetwork("lora", ("ink", "0.8")),)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a (red:1.3) [cat]", "a red cat"),
        ("a [red:blue:0.5] cat # no\n<lora:x:1>", "a blue cat"),
        ("a BREAK b AND c:2 AND d:-1", "a b c"),
        (r"\(a\)", "(a)"),
        ("", ""),
    ],
)
def test_plain_words_for_models_without_syntax(prompt: str, expected: str) -> None:
    assert plain_text(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a [cat:dog] b", "“[cat:dog]” is used as text: after its last colon"),
        ("a cat, 16:9", "The number at the end, 9,"),
        ("<lora:ink:1 cat", "“<lora:ink:1 cat” is used as text: it is not closed"),
        ("a > b <lora:ink", "“<lora:ink” is used"),
        ("[word:1.3]", "The 1.3 in square brackets"),
        ("(word:1,3)", "“1,3” is no weight"),
    ],
)
def test_the_page_is_told_where_a_prompt_stumbles(prompt: str, said: str) -> None:
    (sentence,) = problems(prompt)
    assert sentence.startswith(said)
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a <lora:ink:1>", "“<lora:…>” is used as text"),
        ("a AND b", "AND is a word"),
        ("[a:b]", "“[a:b]” is used as text"),
    ],
)
def test_of_a_negative_prompt_too(prompt: str, said: str) -> None:
    (sentence,) = problems(prompt, negative=True)
    assert sentence.startswith(said)


def test_nothing_is_said_of_prompts_that_mean_what_they_say() -> None:
    fine = "a (cat:1.2), [red:blue:0.5] [a|b] <lora:x:1> 12:30, AND b:0.5 # [x:"
    assert problems(fine) == ()
    assert problems("a cat, 9:16", negative=True) == ()
    assert len(problems(" ".join(f"[{n}:x]" for n in range(99)))) == MOST


@given(st.text(alphabet="<>a:=lora 1#\n", max_size=60))
def test_networks_and_the_rest_are_the_whole(text: str) -> None:
    rest, networks = split_networks(text)
    taken = sum(
        len(n.kind) + sum(map(len, n.arguments)) + sum(len(a) + len(b) for a, b in n.options)
        for n in networks
    )
    items = sum(len(n.arguments) + 2 * len(n.options) for n in networks)
    assert len(rest) + taken + items + 2 * len(networks) == len(text)
