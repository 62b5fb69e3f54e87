"""Small steps: several versions of a function, and tests that choose among them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from agents import impl
from agents.by_function import by_function
from agents.context import Context
from agents.critic import rule
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.pieces import filled, write
from agents.ports import Agreement, Examine, Traits
from agents.prompts.render import render
from agents.skeleton import Symbol, placeholder, stubs
from orchestrator.evidence.static import certain_errors
from schemas.architecture import Architecture, Blueprint
from schemas.code_change import Implementation, Version
from schemas.errors import InvalidOutput
from schemas.evidence import Evidence, Finding
from schemas.idea import AcceptanceCheck, Idea
from schemas.milestone import Criterion, Milestone
from schemas.test_report import Failure, TestReport, TestResult
from tests.model_calls import runner_for
from tests.replies import SMALL, arch, python

STUB = 'def double(n: int) -> int:\n    """Return twice ``n``."""\n    raise NotImplementedError\n'
RIGHT = STUB.replace("raise NotImplementedError", "return 2 * n")
WRONG = STUB.replace("raise NotImplementedError", "return n")
WORSE = STUB.replace("raise NotImplementedError", "return n - 1")
CHECK = "from calc import double\nassert double(2) == 4"
DOUBLE, TWICE = RIGHT.replace("2 * n", "n + n"), RIGHT.replace("2 * n", "sum([n, n])")
TEST = "def test_double():\n    assert double(1) == 3 and triple\n"
IDEA = Idea.model_validate(
    {
        "name": "Calc",
        "summary": "Doubles.",
        "features": ["double a number"],
        "acceptance": [{"id": "AC1", "statement": "two is four", "check": CHECK}],
    }
)
MILESTONE = Milestone(
    id="M1", title="t", description="d", acceptance_criteria=[Criterion(statement="two is four", check="AC1")]
)
BLUEPRINT = Blueprint(architecture=Architecture.model_validate_json(arch("calc.py")), skeletons={"calc.py": STUB})


def report(ok: bool, failure: Failure) -> TestReport:
    result = TestResult(id=failure.test, outcome="passed" if ok else "failed")
    return TestReport(total=1, passed=int(ok), failed=int(not ok), failures=[] if ok else [failure], results=[result])


def measure(source: str) -> Evidence:
    """What a sandbox would say: the sealed check wants 2 * n, the generated test wants 3 from 1."""
    right = any(doubled in source for doubled in ("return 2 * n", "return n + n", "return sum([n, n])"))
    return Evidence(
        acceptance=report(right, Failure(test="AC1", error="assert 2 == 4", location="", source=CHECK)),
        generated=report(
            False, Failure(test="tests/t.py::test_double", error="assert 2 == 3", location="", source=TEST)
        ),
        program=None,
    )


def examiner(seen: list[str], *, passing: bool, findings: Sequence[Finding] = ()) -> Examine:
    async def examine(files: Mapping[str, str]) -> Evidence:
        seen.append(files["calc.py"])
        found = measure(files["calc.py"]).model_copy(update={"findings": [*findings]})
        return found.model_copy(update={"generated": found.acceptance}) if passing else found

    return examine


@dataclass
class Compared:
    """A comparison that comes to what it was told, one time after the other; without that none is possible."""

    shares: list[float | None] = field(default_factory=list)
    asked: list[Sequence[str]] = field(default_factory=list)

    def possible(self, function: str) -> bool:
        return function == "double" and bool(self.shares)

    async def agreement(self, function: str, versions: Sequence[str], voters: Sequence[str]) -> Agreement | None:
        assert function == "double"
        self.asked.append(voters)
        share = self.shares[len(self.asked) - 1]
        # The later one of equals has the most agreement.
        return None if share is None else Agreement([*[0.0] * (len(versions) - 1), share], enough=0.9)


def implement(
    *codes: str,
    files: Mapping[str, str] | None = None,
    attempt: int = 1,
    passing: bool = False,
    compared: Compared | None = None,
    findings: Sequence[Finding] = (),
    prefill: bool = True,
) -> tuple[Implementation, list[str], ScriptedModel]:
    one = replace(SMALL, choices=1, prefill=prefill)  # a backend that gives one reply a call
    model = ScriptedModel([ScriptedReply(agent="impl", reply=python(code)) for code in codes], traits=one)
    context = Context(idea=IDEA, milestone=MILESTONE, turn=attempt, files=files or {"calc.py": STUB})
    seen: list[str] = []
    made = asyncio.run(
        by_function(
            runner_for(model),
            context,
            BLUEPRINT,
            certain_errors,
            examiner(seen, passing=passing, findings=findings),
            compared or Compared(),
        )
    )
    return made, seen, model


SINKS = (
    f'{RIGHT}\n\nclass Sink:\n    """S."""\n\n    def put(self, n: int) -> int:\n        raise NotImplementedError\n'
)
BELOW = "\n\nclass Null(Sink):\n    def put(self, n: int) -> int:\n        return n\n"


def test_a_large_model_may_leave_to_subclasses_what_they_write_and_is_told_where_none_does() -> None:
    replies = [f"```python path=calc.py\n{code}```" for code in (SINKS, SINKS + BELOW)]
    model = ScriptedModel(
        [ScriptedReply(agent="impl", reply=r) for r in replies], traits=replace(SMALL, step="project")
    )
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": STUB}, focus=["calc.py"])
    examine = examiner([], passing=True)
    done = impl.implement(runner_for(model), context, BLUEPRINT, certain_errors, examine, Compared())
    assert asyncio.run(done).change.writes[0].content == SINKS + BELOW
    told = "calc.py: Sink.put has no body yet: write it, or mark it with abc.abstractmethod"
    assert told in model.requests[1].messages[-1].content


def test_the_version_that_meets_the_sealed_check_is_chosen() -> None:
    made, _, model = implement(WRONG, WORSE, RIGHT, WRONG, WRONG)
    assert made.change.writes[0].content.strip() == RIGHT.strip()
    assert len(model.requests) == 5


def test_the_same_code_is_measured_once_and_counted_as_often_as_it_came() -> None:
    made, seen, _ = implement(RIGHT, RIGHT, RIGHT, WRONG, RIGHT)
    assert len(seen) == 2
    assert sorted((v.replies, v.evidence.holds) for v in made.versions) == [(1, False), (4, True)]


def test_the_likeliest_version_comes_first_and_the_others_only_where_something_fails() -> None:
    _, _, model = implement(*[RIGHT] * 5)
    assert [(r.sample, r.temperature) for r in model.requests] == [(0, 0.0), *((n, 0.7) for n in range(1, 5))]
    _, _, model = implement(*[RIGHT] * 5, passing=True)
    assert len(model.requests) == 1


def test_what_fails_a_sealed_check_is_begun_afresh_with_the_fact_without_and_with_it_again_but_never_shown() -> None:
    made, _, model = implement(*[WRONG] * 9, *[RIGHT] * 4)
    assert made.change.writes[0].content.strip() == RIGHT.strip()
    asked = [request.messages[0].content for request in model.requests]
    assert ["assert 2 == 4" in text for text in (asked[0], asked[1], asked[5], asked[9])] == [False, True, False, True]
    assert not any("    return n\n" in f"{text}\n" for text in asked)


def test_a_generated_test_alone_is_left_to_the_critic_on_the_first_attempt() -> None:
    _, _, model = implement(*[RIGHT] * 5)
    assert len(model.requests) == 5


def test_versions_that_are_to_speak_for_or_against_a_generated_test_are_not_told_of_it() -> None:
    made, _, model = implement(*[RIGHT] * 8, files={"calc.py": RIGHT}, attempt=2)
    assert [v.replies for v in made.versions] == [4]
    assert not any("assert double(1) == 3" in request.messages[0].content for request in model.requests)


def test_versions_are_measured_again_once_a_sealed_check_no_longer_hides_the_generated_test() -> None:
    """`double` fails the sealed check, `triple` a generated test that is in sight only after `double` is right."""
    stubs = {"calc.py": STUB + "\n\n" + STUB.replace("double", "triple")}
    triple = RIGHT.replace("double", "triple")
    made, _, _ = implement(WRONG, triple, RIGHT, WRONG, WRONG, WRONG, *[triple] * 4, files=stubs)
    assert {v.function for v in made.versions} == {"double", "triple"}


def test_two_likeliest_versions_that_agree_outvote_a_generated_test_and_no_more_are_asked_for() -> None:
    made, _, model = implement(RIGHT, DOUBLE, compared=Compared([1.0]))
    assert [(r.sample, r.temperature) for r in model.requests] == [(0, 0.0), (0, 0.0)]
    assert [v.replies for v in made.versions] == [1, 1]


def test_the_second_version_is_begun_otherwise_than_the_first() -> None:
    _, _, model = implement(RIGHT, DOUBLE, passing=True, compared=Compared([1.0]))
    first, second = (request.prefill or "" for request in model.requests)
    assert second == f"{first}    #"


def test_further_versions_of_a_function_are_begun_as_the_second_is() -> None:
    _, _, model = implement(WRONG, *[WORSE] * 12)
    first, *others = (request.prefill or "" for request in model.requests)
    assert others == [f"{first}    #"] * 12


@pytest.mark.parametrize("whole", [False, True])
def test_a_class_or_a_whole_module_is_not_begun_with_a_comment(whole: bool) -> None:
    source = (
        placeholder("app")
        if whole
        else "class Box:\n    def __len__(self) -> int:\n        raise NotImplementedError\n"
    )
    (symbol,) = stubs("calc.py", source)
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": source})
    plain, begun = (write(context, symbol, certain_errors, 1, thinking=think).prefill for think in (False, True))
    assert begun == plain


def test_two_that_meet_the_checks_and_differ_are_a_reason_for_more_and_most_decide() -> None:
    compared = Compared([0.5, 0.8])
    made, _, model = implement(RIGHT, DOUBLE, *[TWICE] * 4, passing=True, compared=compared)
    assert made.change.writes[0].content.strip() == TWICE.strip()
    assert [len(voters) for voters in compared.asked] == [2, 6]
    assert len(model.requests) == 6
    assert made.disputed == ["double"]


def test_two_that_nothing_can_be_told_of_are_taken_as_they_were_without_a_comparison() -> None:
    _, _, model = implement(RIGHT, DOUBLE, passing=True, compared=Compared([None]))
    assert len(model.requests) == 2


def test_versions_that_fail_a_sealed_check_are_not_made_sure_of_by_agreement() -> None:
    compared = Compared([1.0, 1.0])
    made, _, _ = implement(WRONG, WORSE, *[RIGHT] * 4, compared=compared)
    assert made.change.writes[0].content.strip() == RIGHT.strip()
    assert [len(voters) for voters in compared.asked] == [4]


def test_a_model_whose_reply_cannot_be_begun_is_asked_for_no_second_version() -> None:
    _, _, model = implement(RIGHT, passing=True, compared=Compared([1.0]), prefill=False)
    assert len(model.requests) == 1


def test_what_only_the_linter_says_is_no_reason_for_more_versions() -> None:
    finding = Finding(tool="lint", rule="ANN201", path="calc.py", line=1, message="double has no type")
    _, _, model = implement(RIGHT, passing=True, findings=[finding])
    assert len(model.requests) == 1


def test_a_reply_that_is_no_code_is_no_candidate() -> None:
    made, _, _ = implement("nonsense (", *[RIGHT] * 3, "nonsense (", *[RIGHT] * 5)
    assert made.change.writes[0].content.strip() == RIGHT.strip()


def test_no_usable_version_at_all_is_the_agents_failure() -> None:
    with pytest.raises(InvalidOutput):
        implement(*["nonsense ("] * 13)


def test_a_module_that_offers_an_object_is_written_and_judged_as_a_whole() -> None:
    """The first reply makes no object, the second fails the check, the third meets it."""
    skeleton = placeholder("double")
    replies = [python("size = 1\n"), python(f"{WRONG}\n"), *[python(f"{RIGHT}\n")] * 7]
    model = ScriptedModel([ScriptedReply(agent="impl", reply=r) for r in replies], traits=replace(SMALL, choices=1))
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": skeleton})
    blueprint = BLUEPRINT.model_copy(update={"skeletons": {"calc.py": skeleton}})
    examine = examiner([], passing=True)
    made = asyncio.run(by_function(runner_for(model), context, blueprint, certain_errors, examine, Compared()))
    assert made.change.writes[0].content.strip() == RIGHT.strip()
    assert all("Write calc.py with double, as a whole" in r.messages[0].content for r in model.requests)


def test_a_module_that_is_written_as_a_whole_keeps_how_it_is_started_and_what_it_hands_on() -> None:
    module = "from core import words as words\nfrom typing import Any\nSIZE = 3\ndouble: Any = ...\n"
    module += 'if __name__ == "__main__":\n    raise SystemExit(double())\n'
    made = filled({"calc.py": module}, Symbol("calc.py", "double", module, whole=True), RIGHT)
    assert "from core import words as words" in made
    assert "SIZE = 3" in made
    assert "raise SystemExit(double())" in made
    assert "double: Any" not in made


def test_all_objects_and_functions_of_a_whole_module_are_asked_for_with_their_checks() -> None:
    checks = [
        {"id": f"AC{n}", "statement": "s", "check": f"from conf import {name}\nassert {use}"}
        for n, (name, use) in enumerate({"HOST": "HOST", "PORT": "PORT == 80", "url": "url('x')"}.items())
    ]
    idea = Idea.model_validate({"name": "Conf", "summary": "s", "features": ["settings"], "acceptance": checks})
    criteria = [Criterion(statement="s", check=f"AC{n}") for n in range(3)]
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": criteria})
    skeleton = f"{placeholder('HOST')}PORT: Any = ...\n\ndef url(path: str) -> str:\n    raise NotImplementedError\n"
    context = Context(idea=idea, milestone=milestone, turn=1, files={"conf.py": skeleton})
    (symbol,) = stubs("conf.py", skeleton)
    shown = render("impl", "module", write(context, symbol, certain_errors, 0).variables)
    assert "Write conf.py with HOST, PORT, as a whole" in shown
    assert all(use in shown for use in ("assert HOST", "assert PORT == 80", "assert url('x')", "def url(path: str)"))


def test_a_class_is_begun_up_to_its_first_member_with_the_members_decorators_left_to_it() -> None:
    source = "class Box:\n\n    @property\n    def size(self) -> int:\n        raise NotImplementedError\n"
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": source})
    (symbol,) = stubs("calc.py", source)
    assert write(context, symbol, certain_errors, 0).prefill == "```python\nclass Box:\n\n"


BOX = 'class Box:\n    """A box."""\n\n    def size(self) -> int:\n        raise NotImplementedError\n'
HELPED = BOX.replace("raise NotImplementedError", "return self._n()") + "\n    def _n(self) -> int:\n        return 2\n"


async def sized(files: Mapping[str, str]) -> Evidence:
    """A box of 3 is right, one of 2 less wrong than others."""
    source = files["calc.py"]
    failing = 0 if "return 3" in source else 1 if "return 2" in source else 2
    failure = Failure(test="AC1", error="assert Box().size() == 3", location="", source="Box().size()")
    results = [TestResult(id=f"AC{n}", outcome="failed" if n < failing else "passed") for n in range(3)]
    tests = TestReport(total=3, passed=3 - failing, failed=failing, failures=[failure] * bool(failing), results=results)
    return Evidence(acceptance=tests, generated=report(True, failure), program=None)


def boxes(*codes: str) -> str:
    """Return what becomes of a class that is to be written, where ``codes`` are the replies."""
    model = ScriptedModel(
        [ScriptedReply(agent="impl", reply=python(code)) for code in codes], traits=replace(SMALL, choices=1)
    )
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": BOX})
    blueprint = BLUEPRINT.model_copy(update={"skeletons": {"calc.py": BOX}})
    made = asyncio.run(by_function(runner_for(model), context, blueprint, certain_errors, sized, Compared()))
    return made.change.writes[0].content


def test_a_version_need_not_have_what_the_one_before_it_made_up_for_itself() -> None:
    small, right = (BOX.replace("raise NotImplementedError", f"return {n}") for n in (1, 3))
    assert boxes(small, HELPED, right, small, small).strip() == right.strip()


def test_a_version_has_its_own_helpers_and_constants() -> None:
    method = BOX.replace("raise NotImplementedError", "return _n() or N")
    small, right = (f"N = {n}\n\n\ndef _n():\n    return {n}\n\n\n{method}" for n in (2, 3))
    made = boxes(small, right, small, small, small)
    assert ("N = 3" in made, made.count("def _n"), "2" in made) == (True, 1, False)


def test_a_class_that_is_begun_afresh_is_asked_for_as_it_was_designed() -> None:
    small, right = (BOX.replace("raise NotImplementedError", f"return {n}") for n in (1, 3))
    grown = HELPED.replace("_n", "count")
    assert boxes(grown, *[small] * 4, *[right] * 4).strip() == right.strip()


@pytest.mark.parametrize(("body", "shown"), [("raise NotImplementedError", True), ("return 1", False), ("pass", False)])
def test_the_code_of_a_class_is_shown_only_where_it_lacks_a_method(body: str, shown: bool) -> None:
    source = f"class Box:\n    def size(self) -> int:\n        return 7\n\n    def lid(self) -> int:\n        {body}\n"
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": source})
    asked = write(context, Symbol("calc.py", "Box", source), certain_errors, 0)
    assert ("return 7" in render("impl", "function", asked.variables)) is shown


def version(replies: int, source: str) -> Version:
    return Version(function="double", replies=replies, evidence=measure(source))


def ruled(
    *versions: Version,
    code: str = RIGHT,
    traits: Traits = SMALL,
    idea: Idea = IDEA,
    evidence: Evidence | None = None,
) -> tuple[str, int]:
    """Who is wrong, and how many calls it took to say so."""
    reply = '{"reason": "the code is wrong", "wrong": "code"}'
    model = ScriptedModel([ScriptedReply(agent="critic", reply=reply)], traits=traits)
    evidence = evidence or measure(RIGHT)
    context = Context(idea=idea, milestone=MILESTONE, turn=1, files={"calc.py": code}, evidence=evidence)
    failure = evidence.generated.failures[0]
    ruling = asyncio.run(rule(runner_for(model), context, failure, versions))
    return ruling.wrong, len(model.requests)


def test_versions_that_meet_the_sealed_checks_and_agree_outvote_a_test() -> None:
    assert ruled(version(1, RIGHT), version(1, RIGHT + "# 2 * n")) == ("test", 0)


def test_versions_that_fail_a_sealed_check_have_no_vote() -> None:
    assert ruled(version(1, RIGHT), version(2, WRONG)) == ("code", 1)


def test_a_small_models_test_that_no_version_passes_does_not_count() -> None:
    assert ruled(version(1, RIGHT), version(3, WRONG)) == ("test", 0)
    assert ruled(version(1, RIGHT), version(3, WRONG), traits=replace(SMALL, step="project")) == ("code", 1)
    assert ruled(version(4, WRONG)) == ("code", 1)


def test_versions_that_share_a_function_which_no_check_proves_have_no_vote() -> None:
    """All of them fail because of `half`, which is no sign of a wrong test."""
    shared = RIGHT.replace("return 2 * n", "return half(4 * n)") + "\n\ndef half(n: int) -> int:\n    return n // 3\n"
    assert ruled(version(1, RIGHT), version(1, RIGHT + "# 2 * n"), code=shared) == ("code", 1)


def test_what_a_check_of_an_earlier_milestone_proves_is_proven() -> None:
    """`half` belongs to a milestone that was accepted before; only checks of that one use it."""
    shared = RIGHT.replace("return 2 * n", "return half(4 * n)") + "\n\ndef half(n: int) -> int:\n    return n // 2\n"
    earlier = AcceptanceCheck(id="AC0", statement="half", check="from calc import half\nassert half(4) == 2")
    idea = IDEA.model_copy(update={"acceptance": [earlier, *IDEA.acceptance]})
    run = measure(RIGHT)
    assert run.acceptance
    results = [TestResult(id="AC0", outcome="passed"), *run.acceptance.results]
    proven = run.model_copy(update={"acceptance": run.acceptance.model_copy(update={"results": results})})
    assert ruled(version(1, RIGHT), version(1, DOUBLE), code=shared, idea=idea, evidence=proven) == ("test", 0)


def test_without_other_versions_the_critic_is_asked() -> None:
    assert ruled() == ("code", 1)


def test_a_sound_version_that_passes_the_test_speaks_for_the_test() -> None:
    passing = measure(RIGHT).model_copy(update={"generated": TestReport(total=1, passed=1, failed=0)})
    sound = Version(function="double", replies=1, evidence=passing)
    assert ruled(version(4, RIGHT), sound) == ("code", 1)


def test_a_test_run_that_broke_off_is_worse_than_failing_tests() -> None:
    failing = measure(RIGHT)
    broken = failing.model_copy(update={"generated": TestReport(total=1, passed=0, failed=0, errors=1)})
    assert broken.merit < failing.merit
