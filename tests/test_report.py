"""The report as text: whatever a model or a program says, the report keeps its shape."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.compile import _unproven
from orchestrator.report.outlook import UNVERIFIED, risks, roadmap
from orchestrator.report.write import _block, _cell, _code, _line
from orchestrator.sandbox.bubblewrap import Bubblewrap
from schemas.evidence import Evidence
from schemas.report import Acceptance
from schemas.test_report import Failure, TestReport


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


@pytest.mark.parametrize("show", [_line, _code, _cell, _block])
def test_nothing_that_steers_a_terminal_or_turns_the_writing_gets_through(show: Callable[[str], str]) -> None:
    shown = show("a\x1b[2Jb\x1b]0;title\x07c\u202ed\x9be\rf")
    assert not set("\x1b\x07\u202e\x9b\r") & set(shown)
    assert "2J" not in shown


def test_what_the_final_verification_found_is_a_risk_and_a_step() -> None:
    failed = Failure(test="AC1", error="AssertionError", location="")
    facts = Evidence(
        generated=TestReport(total=1, passed=1, failed=0),
        acceptance=TestReport(total=1, passed=0, failed=1, failures=[failed]),
        program=None,
        control_ended="time limit of 30 s",
    )
    told = [Acceptance(id="AC1", statement="s", milestone=None, proof="failed")]
    team = Mock(idea=Mock(acceptance=[]), info=Mock(sandboxes=[]), laboratory=Mock(sandbox=Bubblewrap()))
    lines = [item.evidence for item in risks(team, [], facts, told, []) if item.title == UNVERIFIED]
    assert lines == [item.because for item in roadmap([], facts, told, [], [], None) if "the whole" in item.step]
    assert [line.rpartition(": ")[2] for line in lines] == ["time limit of 30 s"]


def test_a_check_without_a_result_in_the_final_verification_is_said_to_have_none() -> None:
    facts = Evidence(generated=TestReport(total=1, passed=1, failed=0), acceptance=None, program=None)
    assert _unproven(None, "AC1", facts, stopped=False) == "it came to no result when all was verified at the end"
    assert _unproven(None, "AC1", None, stopped=False) == "there was nothing accepted to check"


@given(st.text(max_size=100))
def test_a_piece_of_code_stays_in_its_cell(text: str) -> None:
    assert not set("\n|") & set(_code(text))
