"""Feeding an idea: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.commands.init import IDEA_TEMPLATE
from orchestrator.idea_file import MAX_BYTES, load_idea, parse_idea
from schemas.errors import InputError
from schemas.idea import started

MINIMAL = "name: A\nsummary: s\nfeatures: [f]\n"
CHECK = MINIMAL + "acceptance:\n- id: A\n  statement: s\n  check: |\n      "


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_idea(text, "i.yaml")
    return list(caught.value.problems)


def test_three_keys_are_enough() -> None:
    assert parse_idea(MINIMAL, "i").slug == "a"


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_is_valid(path: Path) -> None:
    idea, text = load_idea(path)
    assert idea.features
    assert text


def test_the_template_of_init_is_valid_as_it_is_and_with_every_comment_taken_away() -> None:
    assert parse_idea(IDEA_TEMPLATE, "i").name == "My Tool"
    lines = []
    for line in IDEA_TEMPLATE.splitlines():
        bare = line.removeprefix("# ")
        is_setting = line.startswith(
            ("#   ", "# audience", "# run:", "# constraints", "# acceptance:", "# milestones:", "# limits")
        )
        lines.append(bare if is_setting else line)
    idea = parse_idea("\n".join(lines), "i")
    assert [c.id for c in idea.acceptance] == ["AC1", "AC2"]
    assert idea.milestones[0].id == "MVP"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "- add a task: by number",
            "features.2: expected a text; found dict {'add a task': 'by number'}, because of the ': ' in it; "
            "put the whole text into quotes",
        ),
        ("- yes", 'features.2: expected a text; found bool True; put it into quotes: "yes"'),
        ("- 5", 'features.2: expected a text; found int 5; put it into quotes: "5"'),
        ("- [x] done", "is not valid YAML: expected <block end>, but found '<scalar>'"),
        ("- [x]", "features.2: expected a text; found list ['x']; if it is meant as a text, put it into quotes"),
        ("-", "features.2: expected a text; found nothing"),
        (
            "- `x`",
            "is not valid YAML: found character '`' that cannot start any token; put a text that begins with it into "
            "quotes",
        ),
    ],
)
def test_a_text_that_lacks_quotes_is_told_to_take_them(text: str, said: str) -> None:
    assert problems(f"name: A\nsummary: s\nfeatures:\n- f\n{text}\n")[0].startswith(f"i.yaml:5: {said}")


def test_a_version_that_is_a_number_is_told_to_take_quotes() -> None:
    said = 'constraints.python: expected a text; found float 3.11; put it into quotes: "3.11"'
    assert problems(MINIMAL + "constraints:\n  python: 3.11\n") == [f"i.yaml:5: {said}"]


def test_a_colon_in_a_text_is_told_to_take_quotes() -> None:
    said = "is not valid YAML: mapping values are not allowed here; put a text that holds ': ' into quotes"
    assert problems("name: A\nsummary: A tool: does it\nfeatures: [f]\n") == [f"i.yaml:2: {said}"]


@pytest.mark.parametrize("key", ["milestones", "acceptance"])
def test_an_id_that_is_used_twice_is_reported_where_it_is_used_again(key: str) -> None:
    more = ", title: t, description: d" if key == "milestones" else ", statement: s"
    found = problems(f"{MINIMAL}{key}:\n- {{id: A{more}}}\n- {{id: B{more}}}\n- {{id: A{more}}}\n")
    assert found == [f"i.yaml:7: {key}.3.id: the id 'A' is used more than once"]


@pytest.mark.parametrize("dependency", ["requests==", "a>1<2", "a=1"])
def test_a_dependency_that_pip_could_not_read_is_refused_with_its_line(dependency: str) -> None:
    (found,) = problems(f"{MINIMAL}constraints:\n  dependencies:\n  - httpx>=0.27\n  - {dependency}\n")
    assert found.startswith(
        f"i.yaml:7: constraints.dependencies.2: {dependency!r} is none that pip could read; expected"
    )


def test_all_mistakes_are_reported_at_once_with_their_lines() -> None:
    found = problems("name: 5\nsumary: text\nfeatures: []\nlimits:\n  usd: lots\n")
    assert [p.split(": ")[0] for p in found] == ["i.yaml:1", "i.yaml:1", "i.yaml:2", "i.yaml:3", "i.yaml:5"]


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    assert problems(MINIMAL + "featurs: x\n") == ["i.yaml:4: featurs: unknown key; did you mean 'features'?"]


def test_an_unknown_nested_key_names_the_nearest_known_one() -> None:
    assert "did you mean 'dependencies'?" in problems(MINIMAL + "constraints:\n  dependancies: []\n")[0]


def test_a_key_like_no_other_gets_the_list_of_keys() -> None:
    assert "known keys: name, summary" in problems(MINIMAL + "zzz: 1\n")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found nothing"),
        ("- a\n", "found a list"),
        ("just text\n", "found text"),
        ("name: [\n", "is not valid YAML"),
        ("name: \x00\n", "is not valid YAML"),
        (MINIMAL + "name: B\n", "already given in line 1"),
        (MINIMAL + "---\nname: B\n", "a second document"),
        ("a: &x 1\nb: *x\n", "the alias *x is not allowed"),
        ("a: " + "[" * 50 + "]" * 50 + "\n", "nested more than 12 levels"),
        ("name: !!python/object:os.system x\n", "could not determine a constructor"),
        ("name: A\nsummary: s\nfeatures: []\n", "needs at least one entry"),
        ("name: '...'\nsummary: s\nfeatures: [f]\n", "at least one letter"),
        (MINIMAL + "run: rm -rf /\n", "must start with 'python '"),
        (MINIMAL + "constraints: {dependencies: ['--pre']}\n", "a package's name, with a version if need be"),
        (MINIMAL + "acceptance: [{id: 'a b', statement: s}]\n", "a letter, then at most 39 letters"),
        (MINIMAL.replace("name: A", "name: " + "A" * 81), "name: expected at most 80 characters"),
        (MINIMAL + "acceptance: [{id: A, statement: s, check: 'assert ('}]\n", "is not valid Python"),
        (MINIMAL + "acceptance: [{id: A, statement: s, check: 'print(1)'}]\n", "asserts nothing"),
        (
            MINIMAL.replace("[f]", "count words"),
            "features: expected a list, each entry on a line of its own behind '- '",
        ),
        (
            MINIMAL + "acceptance: [f gives 2]\n",
            "acceptance.1: expected a mapping with the keys id, statement, milestone,",
        ),
        (
            CHECK + "from calendar import enqueue\n      assert enqueue(1)\n",
            "acceptance.1.check: imports enqueue from calendar",
        ),
        (CHECK + "class TestIt(TestCase):\n        def test_it(self):\n          assert 1\n", "never calls TestIt, so"),
        (CHECK + "def check():\n        raise AssertionError\n", "never calls check, so what that asserts is not run"),
        (CHECK + "def check():\n        assert 1\n      def test_it(): check()\n", "never calls check, so what"),
        (CHECK + "def test_it():\n        assert 1\n", "never calls test_it, so what that asserts is not run"),
        (CHECK + "class TestIt:\n        def test_it(self):\n          assert 1\n", "never calls TestIt"),
        (MINIMAL + "acceptance: [{id: A, statement: s, check: 'from x import *\n\n  assert 1'}]\n", "can't be used"),
        (MINIMAL + "acceptance: [{id: A, statement: s}, {id: A, statement: s}]\n", "'A' is used more than once"),
        (MINIMAL + "audience: !!bool maybe\n", "i.yaml:4: 'maybe' can't be read as a value of the kind 'bool'"),
        (MINIMAL + "audience: !!timestamp foo\n", "i.yaml:4: 'foo' can't be read as a value of the kind 'timestamp'"),
        (MINIMAL + "limits:\n  calls: !!int abc\n", "i.yaml:5: 'abc' can't be read as a value of the kind 'int'"),
        (MINIMAL + "audience: 2024-13-45\n", "i.yaml:4: '2024-13-45' can't be read as a value of the kind 'timestamp'"),
        (MINIMAL + f"limits:\n  tokens: 1{'0' * 5000}\n", "i.yaml:5: '10000000000000000000'… (5,001"),
        (MINIMAL + "run: python -m x 'a\n", "No closing quotation"),
        (MINIMAL + "acceptance:\n- id: A\n\tstatement: s\n", "indent with spaces"),
        (MINIMAL + "acceptance:\n- id: A\n  statement: s\n  check: |\n\tassert 1\n", "indent with spaces"),
        (MINIMAL + "acceptance: [{id: A, statement: s, check: 'assert await f()'}]\n", "is not valid Python"),
        (MINIMAL + "acceptance: [{id: A, statement: s, check: '" + "-" * 7900 + "1'}]\n", "is not valid Python"),
        (MINIMAL + "acceptance: [{id: A-1, statement: s}, {id: A_1, statement: s}]\n", "'A_1' is used more than once"),
        (MINIMAL + "acceptance: [{id: A, statement: s, milestone: M7}]\n", "there is no milestone 'M7'"),
        (MINIMAL + "milestones: [{id: A, title: t, description: d, dependencies: [B]}]\n", "no milestone 'B'"),
    ],
)
def test_nonsense_is_refused_in_plain_words(text: str, words: str) -> None:
    assert words in "\n".join(problems(text))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["assert 1", "yield 1"], "uses yield, and pytest takes no test that does"),
        (["yield from [1]", "assert 1"], "uses yield"),
        (["if f():", "  x = yield", "assert 1"], "uses yield"),
        (["return", "assert 1"], "asserts behind a return, where nothing is run"),
        (["assert 1", "return 1", "assert 2"], "asserts behind a return"),
        (["with open('x'):", "  return", "assert 1"], "asserts behind a return"),
        (["with open('x'): pass"], "asserts nothing"),
        (["import contextlib", "with contextlib.suppress(OSError): f()"], "asserts nothing"),
        (["import sys", "sys.exit(0)"], "asserts nothing"),
        (["from pytest import fail", "later = lambda: fail('no')"], "asserts nothing"),
        (
            ["import unittest", "class T(unittest.TestCase):", "  def test(self): self.assertEqual(f(), 2)"],
            "never calls T",
        ),
        (["import httpx", "def test_up(): httpx.get('http://x/').raise_for_status()"], "never calls test_up"),
        (["import pytest", "def test_x():", "  if f(): pytest.fail('no')"], "never calls test_x"),
        (["@pytest.mark.parametrize('n', [1])", "def test_x(n): assert n == 2"], "never calls test_x"),
        (["@patch('os.getcwd')", "def test_x(cwd): assert cwd == 2"], "never calls test_x"),
        (["with TestClient(app) as c:", "  c.get('/')", "  return", "assert 1"], "behind a return"),
    ],
)
def test_a_check_that_could_not_fail_or_not_be_run_is_refused(lines: list[str], words: str) -> None:
    assert words in "\n".join(problems(CHECK + "\n      ".join(lines) + "\n"))


@pytest.mark.parametrize(
    "lines",
    [
        ["def numbers():", "  yield 1", "assert list(numbers())"],
        ["with open('x') as f:", "  for line in f:", "    if line: assert 1"],
        ["import pytest", "with pytest.raises(ValueError): f()"],
        ["import pytest", "with pytest.warns(UserWarning): f()"],
        ["from pytest import raises as fails", "with fails(ValueError): f()"],
        ["from pytest import raises", "wrong = raises(ValueError)", "with wrong: f()"],
        ["import unittest", "case = unittest.TestCase()", "with case.assertRaises(ValueError): f()"],
        ["def right(x):", "  assert x", "right(1)"],
        ["if f() != 3: raise ValueError('not 3')"],
        ["try: f()", "except ValueError: return", "assert 1"],
        ["import warnings", "with warnings.catch_warnings():", "  warnings.simplefilter('error')", "  f()"],
        ["import httpx", "with httpx.Client() as c: c.get('http://x/').raise_for_status()"],
        ["import unittest", "unittest.TestCase().assertEqual(f(), 1)"],
        ["import pytest", "pytest.raises(ValueError, f, 1)"],
        ["import subprocess", "subprocess.run(['python', 'x.py'], check=True)"],
        ["@app.get('/')", "def root(): assert 1", "assert app"],
        ["import pytest", "if f() != 1: pytest.fail('no')"],
        ["import pytest", "with pytest.raises(ValueError):", "  f()", "  return", "assert 1"],
        ["from contextlib import suppress", "with suppress(KeyError):", "  f()", "  return", "assert 1"],
        ["assert 1", "return"],
    ],
)
def test_a_check_may_assert_in_many_ways(lines: list[str]) -> None:
    assert parse_idea(CHECK + "\n      ".join(lines) + "\n", "i").acceptance[0].check


def test_what_a_run_began_with_is_read_although_a_rule_on_checks_is_newer() -> None:
    text = CHECK + "print(1)\n"
    assert parse_idea(text, "i", recorded=True).acceptance[0].check == "print(1)\n"
    assert "asserts nothing" in problems(text)[0]


@pytest.mark.parametrize("name", ["httpx >= 0.27", "foo ==1", "foo==1.0+local", "foo[a,b]>=1; python_version > '3'"])
def test_a_dependency_is_what_pip_takes(name: str) -> None:
    idea = parse_idea(f'{MINIMAL}constraints:\n  dependencies: ["{name}"]\n', "i")
    assert idea.constraints.dependencies == [name]


def test_a_dependency_comes_from_no_address() -> None:
    text = f"{MINIMAL}constraints:\n  dependencies: ['foo @ https://example.org/foo.whl']\n"
    assert "names an address: packages come from the index alone" in problems(text)[0]


def test_a_check_may_define_what_it_uses() -> None:
    app = "@app.get('/')\n      def root():\n        raise ValueError\n      "
    helper = (
        "def right(x):\n        assert x\n      class Fake:\n        def read(self):\n          raise OSError\n      "
    )
    plugin = "class Bad(Plugin):\n        def run(self):\n          assert self\n      "
    outer = "def outer():\n        def inner():\n          assert 1\n        inner()\n      "
    assert parse_idea(f"{CHECK}{app}{helper}{plugin}{outer}outer()\n      right(Fake)\n", "i").acceptance[0].check


def test_a_check_may_import_what_python_has() -> None:
    imports = "from os import path\n      from xml import etree\n      import xml.dom\n      import string\n      "
    tried = "try:\n        from typing import NoSuch\n      except ImportError:\n        NoSuch = None\n      "
    check = f"{CHECK}{imports}{tried}assert path and etree and string.digits and xml.dom\n"
    assert parse_idea(check, "i").acceptance[0].check


def test_a_cycle_is_shown_in_full() -> None:
    text = MINIMAL + (
        "milestones:\n- {id: A, title: t, description: d, dependencies: [B]}\n"
        "- {id: B, title: t, description: d, dependencies: [A]}\n"
    )
    assert "form a cycle" in problems(text)[0]


def test_a_cycle_and_a_wrong_type_elsewhere_are_reported_together() -> None:
    text = MINIMAL + (
        "audience: 3\nmilestones:\n- {id: A, title: 7, description: d, dependencies: [A]}\n- nonsense\n"
        "acceptance:\n- {id: AC1, statement: s, milestone: Z}\n"
    )
    found = "\n".join(problems(text))
    for words in ("audience", "milestones.1.title", "milestones.2", "form a cycle: A → A", "no milestone 'Z'"):
        assert words in found


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a" * 10_000_000)
    with pytest.raises(InputError, match=f"at most {MAX_BYTES:,}"):
        load_idea(path)


@pytest.mark.parametrize("make", ["missing", "folder", "latin"])
def test_what_is_no_text_file_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "idea.yaml"
    if make == "folder":
        path.mkdir()
    elif make == "latin":
        path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError) as caught:
        load_idea(path)
    assert {"missing": "no such file", "folder": "is a folder", "latin": "not UTF-8"}[make] in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_an_idea_or_an_input_error(text: str) -> None:
    try:
        idea = parse_idea(text, "i")
    except InputError as error:
        assert all(p.startswith("i:") for p in error.problems)
    else:
        assert idea.features


yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "summary", "features", "limits", "milestones", "acceptance", "x"]), yaml_values
    )
)
def test_any_value_of_any_key_is_an_idea_or_an_input_error(value: dict[str, object]) -> None:
    try:
        parse_idea(yaml.safe_dump(value), "i")
    except InputError as error:
        assert error.problems


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('run: "python -m my-pkg"', "is no name of a module"),
        ('run: "python /abs/app.py"', "must be a Python file inside the project"),
        ('run: "python ../app.py"', "must be a Python file inside the project"),
        ('run: "python -m x\\0y"', "control characters"),
        ("run: python", "starts nothing"),
        ('constraints: {python: "==2.7"}', "leaves out Python"),
        ('constraints: {python: "banana"}', "is no version specifier"),
        ("1: x", "the key 1 must be a text"),
        (f"acceptance: [{{id: A, statement: s, check: 'assert {'+'.join('1' * 400)}'}}]", "nested more than 100 deep"),
    ],
)
def test_what_could_never_be_run_is_refused_when_it_is_read(line: str, words: str) -> None:
    assert words in "\n".join(problems(MINIMAL + line + "\n"))


@pytest.mark.parametrize(
    ("run", "what"),
    [
        ("python -m a.b c", ("module", "a.b")),
        ("python  -X dev -ma", ("module", "a")),
        ("python3 ./app.py x.txt", ("script", "app.py")),
        ("python -c 'print(1)'", ("code", "print(1)")),
    ],
)
def test_a_start_command_names_a_module_a_script_or_code(run: str, what: tuple[str, str]) -> None:
    assert started(run) == what
