"""The arithmetic of the tokens benchmark, and the run that it counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tokens.arms import ARMS, Kind, Prompt, play
from benchmarks.tokens.cache import Sent, breakpoints, common, prefixes, size, slots
from benchmarks.tokens.project import Call
from benchmarks.tokens.report import page, summary
from benchmarks.tokens.tokenizer import counter


def sent(*texts: str, model: str = "m", reply: str = "", choices: int = 1, schema: str = "") -> Sent:
    """Return a prompt of a system's message and of users'; in these tests a token is a character."""
    roles = ("system", *["user"] * (len(texts) - 1))
    return Sent(tuple(zip(roles, texts, strict=True)), model, reply, schema, choices)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Call]:
    return play("project", 2, tmp_path_factory.mktemp("tokens"))[0]


def test_a_prompt_takes_what_is_said_and_the_template_around_it() -> None:
    assert size(sent("abc", "de"), len) == 3 + 5 + 2 + 5 + 3


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("abc", "de"), ("abc", "dx"), 3 + 5 + 3 + 1),
        (("abc", "de"), ("abx", "de"), 3 + 2),
        (("abc", "de"), ("abc", "de"), 3 + 5 + 2 + 5),
    ],
)
def test_two_prompts_share_what_both_begin_with(one: Sequence[str], other: Sequence[str], shared: int) -> None:
    assert common(sent(*one).prompt, sent(*other).prompt, len) == shared


def test_an_endless_cache_serves_the_longest_beginning_of_any_earlier_prompt_of_the_model() -> None:
    run = [sent("abc", "wxyz"), sent("abc", "wq"), sent("abc", "wxq"), sent("abc", "wxyz", model="other")]
    assert prefixes(run, len) == (8 + 3 + 1) + (8 + 3 + 2)


def test_the_reply_is_served_once_it_is_part_of_a_prompt() -> None:
    first = sent("abc", "de", reply="fgh")
    second = Sent((*first.prompt, ("assistant", "fgh"), ("user", "i")), "m")
    assert prefixes([first, second], len) == slots([first, second], len) == 8 + 7 + 8


def test_what_was_used_longest_ago_is_dropped_when_all_slots_are_taken() -> None:
    a, b, c = (sent(letter * 50, "?") for letter in "abc")
    whole = size(a, len) - 3
    # Where a slot held another prompt before, the template's opening is what both share.
    assert slots([a, b, a, c, a, b], len, count=2) == 2 * whole + 2 * 3
    assert slots([a, b, a, c, a, b], len, count=3) == 3 * whole


def test_more_replies_to_a_prompt_take_more_slots() -> None:
    a, b = sent("a" * 50, "?"), sent("b" * 50, "?", choices=2)
    assert slots([a, b, a], len, count=2) == 3
    assert slots([a, b, a], len, count=3) == size(a, len) - 3


def test_a_prefix_below_the_least_length_or_of_another_form_is_not_read() -> None:
    long, short = "x" * 1019, "x" * 1018
    assert breakpoints([sent(long, "a"), sent(long, "b"), sent(long, "c", schema="{}")], len) == (1024, 2048)
    assert breakpoints([sent(short, "a"), sent(short, "b")], len) == (0, 0)


def test_a_conversation_reads_the_turn_before_and_writes_its_own() -> None:
    run = [sent("x" * 1019, "a"), sent("x" * 1019, "a", "b")]
    assert breakpoints(run, len, last=True) == (1024 + 6, 1024 + 6 + 6)


def test_the_naive_arms_hold_all_code(calls: Sequence[Call]) -> None:
    arms: dict[str, list[Prompt]] = {name: arm(calls) for name, arm in ARMS.items()}
    assert all(
        source in arms["whole project"][-1][1][1]
        for source in calls[-1].asked.files.values()
        if "def test_" not in source
    )
    assert all(source in arms["everything"][-1][1][1] for source in calls[-1].asked.files.values())


def test_nothing_of_the_project_stands_twice_in_a_naive_prompt(calls: Sequence[Call]) -> None:
    for name in ("whole project", "everything"):
        assert max(prompt[1][1].count("return 0, 1_000_000 - 1\n") for prompt in ARMS[name](calls)) == 1


def test_a_conversation_begins_with_the_whole_turn_before(calls: Sequence[Call]) -> None:
    prompts = ARMS["one conversation"](calls)
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(prompts))
    assert [prompt[-2][1] for prompt in prompts[1:]] == [call.reply for call in calls[:-1]]


def test_without_the_model_file_tokens_are_estimated(tmp_path: Path) -> None:
    tokens, name = counter(tmp_path / "none.gguf")
    assert (tokens("abcdef"), name.split(",")[0]) == (2, "estimated")


def measured(power: float) -> dict[str, Any]:
    """Return results in which a run of Milepost takes 100 tokens a milestone, and the others grow by ``power``."""

    def arm(tokens: float) -> dict[str, float]:
        half = tokens / 2
        return {
            "tokens": tokens,
            "largest": 9,
            "over": 0,
            "slots": half,
            "prefixes": half,
            "breakpoints": half,
            "written": 0,
        }

    kinds: tuple[Kind, ...] = ("project", "function")
    rows = [
        {
            "kind": kind,
            "milestones": n,
            "calls": 10 * n,
            "code_tokens": 50 * n,
            "brief_tokens": n,
            "arms": {name: arm(100 * n if name == "Milepost" else 100 * n**power) for name in ARMS},
        }
        for kind in kinds
        for n in (2, 4, 8)
    ]
    machine = {"commit": "c", "at": "2026-01-01T00:00"}
    return {"measured_with": machine, "tokens": "characters", "rows": rows, "log": None}


def test_figures_are_per_accepted_milestone_and_exponents_those_of_whole_runs() -> None:
    figures = summary(measured(2.0))["project"]
    own, other = figures["Milepost"], figures["everything"]
    assert (own["each"], own["left"]) == ({2: 100, 4: 100, 8: 100}, {2: 50, 4: 50, 8: 50})
    assert (own["exponent"], other["exponent"], other["times"]) == pytest.approx((1.0, 2.0, 8.0))
    assert (own["billed"], own["at_best"]) == pytest.approx((50 + 50 / 10, 50 * 1.25 + 50 / 10))


def test_the_page_has_no_gap_and_says_what_the_figures_say() -> None:
    text = page(measured(2.0))
    assert "<!--" not in text
    assert "everything 8.0 times as many" in text
