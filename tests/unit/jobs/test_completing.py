"""What a request left open is filled in, and for each picture of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tests.fakes.jobs import MODEL
from webui.core.errors import InvalidRequest
from webui.core.models import ModelRef
from webui.core.requests import Series, Txt2Img
from webui.core.sweep import plan
from webui.jobs import completing

JUDGE = ModelRef("clip", "/clip", "folder", "clip", "epsilon", 224, "c")


class Models:
    """A catalog of one checkpoint."""

    models_dir = Path("/models")

    def resolve(self, name: str) -> ModelRef:
        return MODEL

    def model_hash(self, model: ModelRef) -> None:
        """Not known."""

    def networks(self, kind: str) -> tuple[()]:
        """None."""
        return ()


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> completing.Completer:
    monkeypatch.setattr(completing, "find_clip", lambda *_, **__: JUDGE)
    return completing.Completer(cast(Any, Models()), None)


@pytest.mark.parametrize("values", ["True, False", "False, True"])
def test_a_judge_comes_along_when_only_some_pictures_are_judged(
    complete: completing.Completer, values: str
) -> None:
    axis = {"axis": "clip_score", "values": values}
    series, _ = complete(plan(Txt2Img(prompt="red"), {"script": "xyz", "x": axis}))
    assert isinstance(series, Series)
    judged = [i for i in range(series.count) if series.picture(i).judged]
    assert [series.model(i).judge for i in judged] == [JUDGE]


def test_lines_bring_the_prompt_that_is_judged(complete: completing.Completer) -> None:
    base = Txt2Img(clip_score=True)
    series, _ = complete(plan(base, {"script": "lines", "text": "red\nblue"}))
    assert isinstance(series, Series)
    assert [series.picture(i).prompt for i in range(series.count)] == ["red", "blue"]
    with pytest.raises(InvalidRequest, match="CLIP needs a prompt"):
        complete(plan(base, {"script": "lines", "text": "red\n--steps 3"}))
