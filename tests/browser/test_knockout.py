"""Attention knockout on the Occlusion page: the photo stays, and no token may look there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.browser.test_occlusion import Hiding


def test_attention_is_blocked_where_the_photo_stays(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Hiding(window(), address + "#occlusion")
    page = visitor.page
    covered = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    blocked = visitor.study(lambda: page.click('[data-tool="knockout"]'))
    assert blocked["occluder"] == {**covered["occluder"], "colour": "knockout"}
    assert blocked["after"] != covered["after"] and blocked["before"] == covered["before"]
    pressed = page.locator('.pk-oc-tools [aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["Block attention"]
    assert "no token may look" in page.inner_text('[data-slot="oc-options"]')
    assert visitor.text("oc-after-note").startswith("with a knocked-out rectangle")
    assert "The photo is as it was" in visitor.text("oc-said")
    # Hatched, not filled: what lies under the stripes still shows.
    grey = visitor.canvas('[data-side="after"] [data-piece="photo"]')[..., :3].mean(-1)
    photo = visitor.canvas('[data-side="before"] [data-piece="photo"]')[..., :3].mean(-1)
    under = np.abs(grey - photo) > 8
    assert 0.002 < under.mean() < 0.2
    assert np.corrcoef(grey[under], photo[under])[0, 1] > 0.2

    stroke = visitor.study(lambda: page.click('[data-tool="limb"]'))
    assert stroke["occluder"]["kind"] == "stroke" and stroke["occluder"]["colour"] == "knockout"
    choice = page.locator('[aria-label="What the occluder is filled with"]')
    grey_one = visitor.study(lambda: choice.select_option("grey"))
    assert grey_one["occluder"]["colour"] == "grey"
    assert not page.locator(".pk-oc-fill").is_visible()
    again = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    assert again["occluder"]["colour"] == "grey"

    # A model that does not look from place to place has nothing to block, and says so.
    visitor.study(lambda: page.click('[data-tool="knockout"]'))
    other = visitor.study(lambda: page.select_option('[data-slot="oc-model"]', "ssa-small"))
    assert other["occluder"]["colour"] == "mean"
    assert page.locator('[data-tool="knockout"]').is_disabled()
    assert "no attention between places" in visitor.text("alert-text")
    page.click('[data-tool="limb"]')
    assert "nothing: attention knockout" not in page.inner_text('[data-slot="oc-options"]')
    assert visitor.trouble == []
