"""The report as text: whatever a model or a program says, the report keeps its shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.write import _block, _line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("~~~ a tool", r"\~~~ a tool"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("12) a", r"12\) a"),
        ("--- a", r"\--- a"),
        ("# a\n> b", r"\# a > b"),
        ("2.5 times a_b", "2.5 times a_b"),
        ("_a_ *b* `c` [d](e) <f> &lt; R&D", r"\_a\_ \*b\* \`c\` \[d\](e) \<f> &amp;lt; R&D"),
    ],
)
def test_a_text_is_shown_as_it_is_and_makes_no_markup(text: str, shown: str) -> None:
    assert _line(text) == shown


@given(st.text(max_size=200))
def test_a_block_ends_only_where_it_should(text: str) -> None:
    fence, *_, last = _block(text).split("\n")
    assert fence.removesuffix("text") == last
    assert last not in text
