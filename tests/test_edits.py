"""Exact edits and fenced replies: applied wholly, or refused in words that the agent can act on."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.edits import apply, blocks_of, change_from
from agents.parsing import Fence, answer_of, fences, files_from, json_as, parse_file, python_from
from schemas.code_change import CodeChange, Edit
from schemas.evaluation import Judgement

FILES = {"a.py": "x = 1\ny = 2\n", "b.txt": "one\none\n"}


def edit(path: str, remove: str, add: str) -> str:
    return f"```edit path={path}\n<<<<<<< REMOVE\n{remove}\n=======\n{add}\n>>>>>>> ADD\n```"


def test_an_edit_replaces_its_text_once() -> None:
    change = change_from(edit("a.py", "x = 1", "x = 3"), FILES)
    assert apply(change, FILES).files["a.py"] == "x = 3\ny = 2\n"


def test_a_whole_file_is_written_as_it_is() -> None:
    change = change_from("```python path=c.py\nz = 1\n```", FILES)
    assert apply(change, FILES).files["c.py"] == "z = 1\n"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (edit("a.py", "nothing", "x"), "is there 0 times"),
        (edit("b.txt", "one", "two"), "is there 2 times"),
        (edit("none.py", "x", "y"), "does not exist"),
        (edit("../a.py", "x", "y"), "not a plain relative path"),
        (edit("a.py", "x = 1", "x = ("), "a.py, line 1"),
        ("```edit path=a.py\nx = 1\n```", "no REMOVE/ADD block"),
        ("```python\nx = 1\n```", "names no path"),
        ("```python path=conftest.py\nx = 1\n```", "reserved"),
        ("```python path=coverage.py\nx = 1\n```", "choose another one"),
        ("```python path=.git/config.py\nx = 1\n```", "not a plain relative path|reserved"),
        ("no code at all", "no fenced file and no edit"),
        ("", "no fenced file and no edit"),
    ],
)
def test_what_can_not_be_applied_is_refused(reply: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_from(reply, FILES)


def changed(reply: str, files: dict[str, str] = FILES) -> dict[str, str]:
    return apply(change_from(reply, files), files).files


def test_a_file_is_moved_and_edited_under_its_new_name() -> None:
    reply = "```move path=a.py to=c/d.py\n```\n" + edit("c/d.py", "x = 1", "x = 3")
    assert changed(reply) == {"b.txt": FILES["b.txt"], "c/d.py": "x = 3\ny = 2\n"}


def test_a_file_is_deleted() -> None:
    assert changed("```delete path=a.py\n```") == {"b.txt": FILES["b.txt"]}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("```delete path=none.py\n```", "does not exist"),
        ("```move path=a.py to=b.txt\n```", "is there already"),
        ("```move path=a.py to=../c.py\n```", "not a plain relative path"),
        ("```move path=a.py\n```", "a move is written"),
        ("```delete path=/etc/passwd\n```", "not a plain relative path"),
        ("```delete path=a.py\n```\n```python path=a.py\nx = 1\n```", "in two ways"),
        ("```delete path=a.py\n```\n" + edit("a.py", "x = 1", "x = 2"), "does not exist"),
        ("```python path=a.py\nx = 1\n```\n" + edit("a.py", "x = 1", "x = 2"), "both edited and sent whole"),
        (edit("a.py", "x = 1\ny = 2", "x = 2") + "\n" + edit("a.py", "y = 2", "y = 3"), "two edits change line 2"),
        (edit("a.py", " ", "x"), "REMOVE text is empty"),
    ],
)
def test_contradictions_are_refused(reply: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_from(reply, FILES)


def test_an_absent_text_is_answered_with_the_nearest_lines() -> None:
    source = "def f(n):\n    total = n + 1\n    return total\n"
    with pytest.raises(ValueError, match=r"Nearest, from line 2 on:\n    total = n \+ 1"):
        change_from(edit("f.py", "    totals = n + 2", "pass"), {"f.py": source})


def test_an_ambiguous_text_is_answered_with_its_lines() -> None:
    with pytest.raises(ValueError, match=r"2 times \(lines 1, 2\)"):
        change_from(edit("b.txt", "one", "two"), FILES)


def test_a_name_is_not_found_inside_of_a_longer_one() -> None:
    files = {"a.py": "maximum = 1\n"}
    with pytest.raises(ValueError, match="0 times"):
        change_from(edit("a.py", "mum = 1", "x = 2"), files)


def test_a_line_of_its_own_counts_before_a_part_of_one() -> None:
    files = {"a.txt": "x = 1\ny = x = 1\n"}
    assert changed(edit("a.txt", "x = 1", "x = 2"), files) == {"a.txt": "x = 2\ny = x = 1\n"}


def test_other_white_space_is_tolerated_and_said() -> None:
    source = "class C:\n    def f(self):\n        if self:\n            return  1\n        return 2\n"
    change = change_from(edit("c.py", "if self:\n    return 1", "if not self:\n    return 3"), {"c.py": source})
    applied = apply(change, {"c.py": source})
    assert applied.files["c.py"] == source.replace("if self", "if not self").replace("return  1", "return 3")
    assert applied.tolerated == ["c.py:3: the REMOVE text was found only when white space did not count"]


def test_an_exact_edit_is_not_said_to_be_tolerated() -> None:
    change = change_from(edit("a.py", "x = 1", "x = 3"), FILES)
    assert apply(change, FILES).tolerated == []


@pytest.mark.parametrize(
    ("source", "remove", "add"),
    [
        ("server:\n  host: localhost\n  port: 80\n", "host: localhost\n  port: 80", "host: 0.0.0.0\n  port: 8080"),
        ("- a\n  - b\n  - c\n", "- b\n  - c", "- b\n  - d\n  - e"),
        ("class A:\n    def f(self):\n        a = 1\n        b = 2\n", "a = 1\n        b = 2", "a = 3\n        b = 4"),
        ("one:\n  x: 1\n  y: 2\ntwo:\n    x: 1\n    y: 2\n", "x: 1\n  y: 2", "x: 3\n  z: 4"),
    ],
    ids=["yaml", "list", "python", "also elsewhere, but indented otherwise"],
)
def test_a_text_that_has_lost_only_the_indentation_of_its_first_line_is_replaced_as_it_stands(
    source: str, remove: str, add: str
) -> None:
    files = {"a.txt": source}
    assert changed(edit("a.txt", remove, add), files) == {"a.txt": source.replace(remove, add)}


def test_lines_of_their_own_that_are_shifted_alike_count_before_a_part_of_a_line() -> None:
    files = {"a.txt": "x: a\n  b\ny:\n  a\n    b\n"}
    assert changed(edit("a.txt", "a\n  b", "c\n  d"), files) == {"a.txt": "x: a\n  b\ny:\n  c\n    d\n"}


names = st.sampled_from(["a.txt", "b.txt", "c/d.txt"])
lines = st.lists(st.sampled_from(["alpha", "beta", "", "  gamma", "====", "delta "]), max_size=6).map("\n".join)
edits = st.lists(st.tuples(names, lines.filter(str.strip), lines), max_size=4)


@given(st.dictionaries(names, lines), edits, st.randoms())
def test_a_change_applies_wholly_or_not_at_all_whatever_the_order_of_its_edits(
    files: dict[str, str], parts: list[tuple[str, str, str]], random: Random
) -> None:
    before = dict(files)
    shuffled = list(parts)
    random.shuffle(shuffled)
    results: list[dict[str, str] | None] = []
    for some in (parts, shuffled):
        change = CodeChange(edits=[Edit(path=p, remove=r, add=a) for p, r, a in some])
        try:
            results.append(apply(change, files).files)
        except ValueError:
            results.append(None)
    assert results[0] == results[1]
    assert files == before


@given(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=12), st.data())
def test_an_edit_changes_its_lines_and_no_others_and_can_be_undone(numbers: list[int], data: st.DataObject) -> None:
    rows = [f"{'  ' * (n % 3)}value_{n} = {n}" for n in numbers]
    start = data.draw(st.integers(0, len(rows) - 1))
    end = data.draw(st.integers(start + 1, len(rows)))
    source, removed, added = "\n".join(rows), "\n".join(rows[start:end]), "something = else_\n  of_ours"
    there = apply(CodeChange(edits=[Edit(path="a.txt", remove=removed, add=added)]), {"a.txt": source})
    assert there.files["a.txt"] == "\n".join([*rows[:start], added, *rows[end:]])
    back = apply(CodeChange(edits=[Edit(path="a.txt", remove=added, add=removed)]), there.files)
    assert back.files["a.txt"] == source


@given(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=8), st.integers(0, 8), st.data())
def test_an_edit_with_another_indentation_is_made_at_that_of_the_file(
    numbers: list[int], by: int, data: st.DataObject
) -> None:
    rows = [f"        value_{n} = {n}" for n in numbers]
    at = data.draw(st.integers(0, len(rows) - 1))
    wrong = Edit(path="a.txt", remove=" " * by + rows[at].strip(), add=" " * by + "new = 1\n" + " " * by + "  more = 2")
    result = apply(CodeChange(edits=[wrong]), {"a.txt": "\n".join(rows)}).files["a.txt"]
    assert result == "\n".join([*rows[:at], "        new = 1\n          more = 2", *rows[at + 1 :]])


@given(st.from_regex(r"[./a-z~\\-]{1,20}", fullmatch=True), st.sampled_from(["python", "edit", "delete", "move"]))
def test_no_path_of_a_reply_leads_out_of_the_project(path: str, kind: str) -> None:
    reply = f"```{kind} path={path} to={path}\n<<<<<<< REMOVE\nx = 1\n=======\nx = 2\n>>>>>>> ADD\n```"
    try:
        change = change_from(reply, {path: "x = 1\n"})
    except ValueError:
        return
    root = Path("/project")
    assert all((root / p).resolve().is_relative_to(root) and not p.startswith(".") for p in change.paths)


@given(st.dictionaries(names, lines, min_size=1))
def test_written_files_come_back_from_their_fences(files: dict[str, str]) -> None:
    change = change_from("\n".join(f"````text path={p}\n{s}\n````" for p, s in files.items()), {})
    assert {w.path: w.content for w in change.writes} == {p: s + "\n" for p, s in files.items()}


@given(st.text(max_size=300))
def test_any_text_is_a_change_or_a_value_error(text: str) -> None:
    try:
        change = change_from(text, FILES)
    except ValueError as error:
        assert str(error)
    else:
        assert change.paths


def test_a_block_that_is_never_closed_reaches_to_the_end() -> None:
    assert fences("```python\nx = 1\ny = 2") == [Fence("python", "x = 1\ny = 2\n")]


README = "# Hi\n\n```sh\nhi --all\n```\n\nMore.\n"


@pytest.mark.parametrize(
    ("reply", "contents"),
    [
        (f"```markdown path=README.md\n{README}```\nThat is all.", [README]),
        (f"```markdown path=README.md\n{README}```", [README]),
        ('```python\ndef f():\n    """Like:\n\n    ```\n    f()\n    ```\n    """\n```\nDone.',
         ['def f():\n    """Like:\n\n    ```\n    f()\n    ```\n    """\n']),
        ("```python path=a.py\nx = 1\n```python path=b.py\ny = 2\n```", ["x = 1\n", "y = 2\n"]),
        ("   ```python\n   x = 1\n   ```\nThat.", ["   x = 1\n"]),
        ("```python\nx = 1\n  ```\nThat.", ["x = 1\n"]),
        ("```\nx = 1\n```\n```\ny = 2\n```", ["x = 1\n", "y = 2\n"]),
        ("```python\nx = 1\n  ```\nSecond:\n```\ny = 2\n```", ["x = 1\n", "y = 2\n"]),
        ("```md path=a.md\nLike:\n```python path=a.py\nx\n```\n```\nDone", ["Like:\n```python path=a.py\nx\n```\n"]),
    ],
)  # fmt: skip
def test_a_block_ends_where_its_writer_means_it_to(reply: str, contents: list[str]) -> None:
    assert [fence.content for fence in fences(reply)] == contents


ticked = st.lists(st.sampled_from(["```", "```sh", "  ```", "hi"]), min_size=1, max_size=5).map("\n".join)


@given(ticked, ticked)
def test_ticks_in_an_edit_are_a_part_of_it(remove: str, add: str) -> None:
    reply = f"So:\n{edit('a.md', remove + ' hi', add)}\nAnd:\n```python path=b.py\nx = 1\n```"
    first, second = fences(reply)
    assert (blocks_of(first), second.content) == ([(remove + " hi", add)], "x = 1\n")


def test_an_edit_without_an_end_spoils_its_own_block_only() -> None:
    reply = f"```edit path=a.md\n<<<<<<< REMOVE\nhi\n```\n{edit('b.md', 'hi', 'ho')}"
    assert [fence.info for fence in fences(reply)] == ["edit path=a.md", "edit path=b.md"]


USAGE = '"""Use it so:\n\n```{lang}\nhi --all\n```\n\nOr so:\n\n```\nhi\n```\n"""\n\nx = 1\n'


@pytest.mark.parametrize("lang", ["", "bash"])
def test_an_example_in_ticks_in_a_string_of_python_does_not_end_its_block(lang: str) -> None:
    first, second = USAGE.format(lang=lang), "y = 2\n"
    reply = f"```python path=a.py\n{first}```\nAnd:\n```python path=b.py\n{second}```"
    assert files_from(reply) == {"a.py": first, "b.py": second}


def test_a_string_that_is_never_ended_spoils_its_own_block_only() -> None:
    reply = '```python path=a.py\n"""Use it.\n```\nAnd:\n```python path=b.py\n"""Two."""\ny = 2\n```'
    assert [fence.content for fence in fences(reply)] == ['"""Use it.\n', '"""Two."""\ny = 2\n']


@pytest.mark.parametrize("kind", ["delete path=a.py", "move path=a.py to=c.py"])
def test_content_of_a_block_that_takes_none_is_not_lost(kind: str) -> None:
    with pytest.raises(ValueError, match="holds nothing between its ticks"):
        change_from(f"```{kind}\nx = 1\n```\n", {"a.py": "x = 1\n"})


@pytest.mark.parametrize("before", ["\ufeff", "<think>\n```python\nx = 0\n```\n</think>\n", "<thinking>no</thinking>"])
def test_what_is_no_part_of_the_answer_is_left_out(before: str) -> None:
    assert answer_of(f"{before}```python\nx = 1\n```") == "```python\nx = 1\n```"


@pytest.mark.parametrize("end", ["(two of three) </think>\n", 'I will write "ok"</think>', "</think>"])
def test_words_that_follow_thoughts_of_code_are_the_answer(end: str) -> None:
    assert answer_of(f'The facts {{"a": 1}} say so.\n{end}One fixed; one left.') == "One fixed; one left."


DRAFT = "I could write:\n```python\nx = 0\n```\nor {x: 0}, as Ada's list has it. So:"
ANSWERS = {
    "a block": "```python\nx = '</think>'\n```\nDone.",
    "a block that is not closed": "```python\ndef f():\n    return '</think>'",
    "json": '{"reason": "the tag </think> is left", "wrong": "</thinking>"}',
    "json with words": 'So: {"reason": "the tag </think> is left"}',
    "python": "a = {1: 2}\nx = '</think>'\nb = {}",
    "words": "Nothing is to be done.",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("tag", ["", "</think>", "\n</think>\n\n", "\r\n</thinking>\r\n", "</think>\nNo:</think>"])
def test_thoughts_whose_beginning_the_prompt_held_are_left_out_and_nothing_else(tag: str, answer: str) -> None:
    assert answer_of(f"{DRAFT}{tag}{answer}" if tag else answer) == answer


@pytest.mark.parametrize("answer", ["```python path=a.py\nx = 1\n```", '```json\n{"a": 1}\n```', '{"a": 1}'])
@pytest.mark.parametrize(
    "words", ["What stands behind the last `</think>` is kept.", "A missing </think> is no error."]
)
def test_an_answer_stays_that_words_about_thoughts_follow(answer: str, words: str) -> None:
    assert answer_of(f"{answer}\n\n{words}") == f"{answer}\n\n{words}"


@given(st.text("ab`'\" {}\n", max_size=40), st.text("ab'\"{}\\\n</think>", max_size=40))
def test_no_json_is_cut_whatever_was_thought_before_it(thoughts: str, value: str) -> None:
    answer = json.dumps({"reason": f"{value}</think>{value}", "more": "</think>"})
    assert answer_of(answer) == answer
    if "```" not in thoughts:
        assert answer_of(f"{thoughts}\n</think>\n{answer}") == answer


def test_many_ends_of_thoughts_are_read_in_one_pass() -> None:
    assert answer_of("</think>" * 40_000 + "x = 1") == "x = 1"


@pytest.mark.parametrize("cookie", ["latin-1", "utf-7", "cp1252"])
def test_another_encoding_than_utf_8_is_refused(cookie: str) -> None:
    with pytest.raises(ValueError, match="leave that out"):
        files_from(f"```python path=a.py\n#!/usr/bin/env python\n# -*- coding: {cookie} -*-\nx = 1\n```")


@pytest.mark.parametrize("cookie", ["utf-8", "UTF8", "utf-8-sig", "ascii", "us-ascii"])
def test_an_encoding_that_says_nothing_else_is_taken(cookie: str) -> None:
    assert parse_file(f"# coding: {cookie}\nx = 1\n", "a.py").body


def test_fences_are_found_in_one_pass() -> None:
    """Twice as many lines take twice as long, not four times: otherwise this would not come to its end."""
    assert len(fences("```a\n ```\n" * 40_000)) == 40_000


def test_longer_ticks_enclose_shorter_ones() -> None:
    assert fences("````md path=r.md\n```sh\nls\n```\n````") == [Fence("md path=r.md", "```sh\nls\n```\n")]


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two blocks are named"):
        files_from("```python path=a.py\nx=1\n```\n```python path=a.py\nx=2\n```")


def test_python_is_read_with_or_without_a_fence() -> None:
    assert python_from("x = 1") == "x = 1"
    assert python_from("Here:\n```python\nx = 1\n```\nDone.") == "x = 1\n"


def test_what_is_wrong_behind_the_last_definition_is_left_out_where_only_definitions_count() -> None:
    reply = "def f():\n    return 1\n\nprint(f()\n"
    assert python_from(reply) == "def f():\n    return 1\n"
    with pytest.raises(ValueError, match="line 4"):
        python_from(reply, statements=True)


def test_a_long_reply_with_an_error_in_its_middle_is_read_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(f"def f{n}(): return {n}\n" for n in range(500))
    read, real = [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: read.append(source) or real(source))  # type: ignore[func-returns-value]
    assert python_from(f"{many}x = = 1\n{many}") == many.rsplit("def f499", 1)[0].rstrip("\n")
    assert len(read) < 10


def test_a_huge_reply_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="longer than"):
        fences("x" * 1_000_000)
    with pytest.raises(ValueError, match="longer than"):
        json_as(Judgement)("{" * 1_000_000)


@pytest.mark.parametrize(
    "reply", ["", "{", "}{", "[1]", '{"correctness": NaN}', "null", "{}", '{"feedback": "no list"}']
)
def test_nonsense_instead_of_a_judgement_is_a_value_error(reply: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_as(Judgement)(reply)


@pytest.mark.parametrize("score", ['"5"', "6", "0", "4.5", "NaN", "1e999", "true", "null"])
def test_only_whole_numbers_from_1_to_5_are_scores(score: str) -> None:
    names = ("correctness", "code_quality", "security", "maintainability", "scalability")
    opinions = ", ".join(f'"{n}": {{"reason": "r", "score": {score}}}' for n in names)
    with pytest.raises(ValueError, match=r"correctness\.score"):
        json_as(Judgement)(f'{{{opinions}, "feedback": []}}')


BLOCK = "<<<<<<< REMOVE\none\n=======\n1\n>>>>>>> ADD\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BLOCK + "<<<<<<< REMOVE\ntwo\n=======\n2\n>>>>>>> REPLACE\n", "not ended by"),
        (BLOCK + "<<<<<<< REMOVE\ntwo\n=======\n2", "not ended by"),
        (BLOCK + "and so on\n", "outside of the REMOVE/ADD blocks"),
        ("<<<<<<< REMOVE\none\n" + BLOCK, "begins another one"),
        ("<<<<<<< REMOVE\none\n>>>>>>> ADD\n", "no line ======="),
        ("<<<<<<< REMOVE\na\n=======\nb\n=======\nc\n>>>>>>> ADD\n", "2 lines that could be"),
    ],
)
def test_a_block_that_is_not_whole_spoils_the_reply(content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_from(f"```edit path=a.txt\n{content}```", {"a.txt": "one\ntwo\n"})


def test_a_heading_that_is_underlined_does_not_divide_a_block() -> None:
    block = "<<<<<<< REMOVE \nTitle\n=====\n=======\nHeading\n=========\n>>>>>>> ADD\t\n"
    change = change_from(f"```edit path=a.md\n{block}```", {"a.md": "Title\n=====\n\ntext\n"})
    assert apply(change, {"a.md": "Title\n=====\n\ntext\n"}).files == {"a.md": "Heading\n=========\n\ntext\n"}


@pytest.mark.parametrize("path", ["pkg/mod.py/data.txt", "pkg"])
def test_a_file_can_not_be_a_folder_too(path: str) -> None:
    with pytest.raises(ValueError, match="both a file and the folder"):
        change_from(f"```text path={path}\nx\n```", {"pkg/mod.py": "x = 1\n"})


def test_a_long_text_that_is_nowhere_is_refused_with_what_comes_nearest() -> None:
    source = "".join(f"    value_{n} = compute({n}) + offset\n" for n in range(2_000))
    remove = "".join(f"    value_{n} = computed({n}) - offset\n" for n in range(100))
    with pytest.raises(ValueError, match="Nearest, from line 1 on"):
        apply(CodeChange(edits=[Edit(path="a.py", remove=remove, add="x")]), {"a.py": source})


@pytest.mark.parametrize("content", ["Here you are:\n" + BLOCK, "  " + BLOCK.replace("\n", "\n  "), " \nx\n" + BLOCK])
def test_marks_are_never_written_into_a_file(content: str) -> None:
    with pytest.raises(ValueError, match="REMOVE"):
        change_from(f"```markdown path=a.md\n{content}\n```", {"a.md": "one\n"})
