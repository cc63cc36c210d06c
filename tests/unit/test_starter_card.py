"""The model card and the loss curves say what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tools.starter import card, curves

GROUP = {"pictures": 40, "colour": 0.975, "colour_asked": 20, "glyph": 0.5, "mean": 0.8, "all": 0.6}
REPORT = {
    "cfg_1": {"unstyled": {**GROUP, "colour": 0.5}},
    "cfg_1_misses": [],
    "cfg_7": {"unstyled": GROUP, "unseen": {**GROUP, "glyph": 0.25}},
    "cfg_7_misses": ["glyph is 0.500, less than 0.70"],
    "guidance_misses": ["mean is 0.7000 at CFG 7, 0.8000 at CFG 1"],
    "negation_misses": [],
    "96x96": {**GROUP, "colour": 0.9},
    "negated_colour": {"pictures": 110, "keep_the_colour": 0.125},
    "judges": {"128x128": {"pictures": 1000, "colour": 0.999}},
}


def test_the_card_has_every_figure_and_its_gate() -> None:
    text = card.card(REPORT)
    (gate,) = (line for line in text.splitlines() if line.startswith("| *gate*"))
    assert "≥ 0.95" in gate
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| CFG")]
    assert [row[0] for row in rows] == ["| CFG 7", "| CFG 7, unseen", "| CFG 1"]
    assert rows[0][1:3] == ["40", "0.975"]
    assert rows[2][2] == "0.500"
    assert "| 96×96 px | 40 | 0.900" in text
    assert "of 110 pictures" in text
    assert "0.125" in text
    assert "| 128x128 | 1000 | 0.999 |" in text


def test_the_card_says_which_gates_are_missed() -> None:
    text = card.card(REPORT)
    assert (
        "Missed: glyph is 0.500, less than 0.70; mean is 0.7000 at CFG 7, 0.8000 at CFG 1." in text
    )
    met = REPORT | {"cfg_1_misses": ["size"], "cfg_7_misses": [], "guidance_misses": []}
    assert "No gate is missed." in card.card(met)


def test_the_lowest_scale_does_not_hide_unseen_combinations() -> None:
    report = {key: value for key, value in REPORT.items() if not key.startswith("cfg_1")}
    assert "| CFG 7, unseen | 40 | 0.975 | – | – | 0.250" in card.card(report)


def test_curves_take_the_later_line_of_a_resumed_run(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    entries = [("unet", 50, 1.0), ("unet", 100, 0.9), ("unet", 100, 0.5), ("unet", 150, 0.25)]
    lines = [json.dumps({"stage": s, "step": n, "loss": loss}) for s, n, loss in entries]
    log.write_text("\n".join([*lines, json.dumps({"stage": "vae", "psnr_db": 30.1})]))
    read = curves.read_curves(log)
    assert read == {"unet": [(50, 1.0), (100, 0.5), (150, 0.25)]}
    picture = ElementTree.fromstring(curves.draw(read))
    lines = [node for node in picture.iter() if node.tag.endswith("polyline")]
    assert len(lines) == 1
    points = [tuple(map(float, point.split(","))) for point in lines[0].attrib["points"].split()]
    assert len(points) == 3
    heights = [y for _, y in points]
    assert heights == sorted(heights), "a falling loss falls on the page"
