"""The start command and the code that it reaches."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from agents.context import Context
from agents.entry import called, entry_points, input_files, with_entry, with_exit_code
from schemas.idea import Idea
from schemas.milestone import Milestone

LIBRARY = 'def count(text: str) -> int:\n    """Count."""\n    return len(text)\n'


def context(run: str | None, *, due: bool = True) -> Context:
    idea = {"name": "N", "summary": "s", "features": ["f"]}
    return Context(
        idea=Idea.model_validate({**idea, **({"run": run} if run else {})}),
        milestone=Milestone(id="M1", title="t", description="d", acceptance_criteria=[], runs_program=due),
        turn=1,
        third_party=frozenset({"uvicorn"}),
    )


@pytest.mark.parametrize(
    ("run", "files"),
    [
        ("python -m tool a.txt", ["tool/__main__.py", "tool.py"]),
        ("python3 -m tool.sub", ["tool/sub/__main__.py", "tool/sub.py"]),
        ("python app/start.py --fast", ["app/start.py"]),
        ("python -m uvicorn api:app", []),
        ("python -m http.server 8000", []),
        ("python -c pass", []),
        (None, []),
    ],
)
def test_the_start_command_names_its_files(run: str | None, files: list[str]) -> None:
    assert entry_points(context(run)) == files


def test_before_the_program_is_due_nothing_has_to_be_started() -> None:
    assert entry_points(context("python -m tool", due=False)) == []


def test_input_files_are_the_plain_files_among_the_arguments() -> None:
    assert input_files(context("python -m tool list data/a.txt ../b.txt --out=c -v 1.5.2")) == ["data/a.txt"]


@pytest.mark.parametrize(
    ("files", "path"),
    [({}, "tool/__main__.py"), ({"tool.py": LIBRARY}, "tool.py"), ({"tool/__init__.py": ""}, "tool/__main__.py")],
)
def test_a_stub_of_main_is_put_where_the_command_starts(files: dict[str, str], path: str) -> None:
    made = with_entry(files, context("python -m tool a.txt"))
    names = [n.name for n in ast.parse(made[path]).body if isinstance(n, ast.FunctionDef)]
    assert names[-1] == "main"
    assert "raise SystemExit(main())" in made[path]


def test_what_is_started_already_is_left_as_it_is() -> None:
    files = {"tool.py": LIBRARY + '\nif __name__ == "__main__":\n    print(count("a"))\n'}
    assert with_entry(files, context("python -m tool")) == files


def test_a_main_that_nobody_calls_is_called() -> None:
    files = {"tool.py": "def main() -> int:\n    return 0\n"}
    made = with_entry(files, context("python -m tool"))["tool.py"]
    assert made.count("def main") == 1
    assert "raise SystemExit(main())" in made


@pytest.mark.parametrize("start", ["import logging\nlogging.basicConfig()", "if TYPE_CHECKING:\n    import json"])
def test_setting_up_is_not_starting(start: str) -> None:
    made = with_entry({"tool.py": f"from typing import TYPE_CHECKING\n{start}\n"}, context("python -m tool"))
    assert "raise SystemExit(main())" in made["tool.py"]


def test_main_is_told_what_the_features_say_of_the_command_in_their_own_words() -> None:
    features = ["list prints the task(s) of a file", f"with --no-color-at-all {'it is plain ' * 7}", "count(x) counts"]
    idea = Idea.model_validate({"name": "N", "summary": "s", "features": features, "run": "python -m tool"})
    made = with_entry({}, replace(context("python -m tool"), idea=idea))["tool/__main__.py"]
    assert "- list prints the task(s) of a file" in made
    assert "--no-color-at-all" in made
    assert "count(x)" not in made


AS_A_PROCESS = """def test_it(tmp_path):
    done = main(['a.txt'])
    assert done.returncode == 0, done.stderr
    assert '4' in done.stdout
"""
AS_A_CALL = """def test_it(capsys, tmp_path):
    done = main(['a.txt'])
    done_printed = capsys.readouterr()
    assert done == 0, done_printed.err
    assert '4' in done_printed.out"""


@pytest.mark.parametrize(
    ("test", "becomes"),
    [
        (AS_A_PROCESS, AS_A_CALL),
        (AS_A_CALL, AS_A_CALL),
        (AS_A_PROCESS.replace("main(", "run("), AS_A_PROCESS.strip().replace("main(", "run(")),
        (
            "def test_it(capsys):\n    done = main([])\n    capsys.readouterr()\n    assert done.returncode == 2",
            "def test_it(capsys):\n    done = main([])\n    capsys.readouterr()\n    assert done == 2",
        ),
        (
            "def test_it():\n\n    def fake():\n        return 1\n"
            "    done = main([])\n    assert done.stdout == str(fake())",
            "def test_it(capsys):\n\n    def fake():\n        return 1\n    done = main([])\n"
            "    done_printed = capsys.readouterr()\n    assert done_printed.out == str(fake())",
        ),
        (
            "def test_it():\n    sys.stdout = buffer\n    done = main([])\n    assert done.returncode == 2",
            "def test_it():\n    sys.stdout = buffer\n    done = main([])\n    assert done == 2",
        ),
        (
            "def run(args):\n    done = main(args)\n    return done.stdout",
            "def run(args):\n    done = main(args)\n    return done.stdout",
        ),
        (
            "def test_it():\n    done = main([])\n\n    def out(done):\n        return done.stdout\n    out(0)",
            "def test_it():\n    done = main([])\n\n    def out(done):\n        return done.stdout\n    out(0)",
        ),
        (
            "def test_it():\n    done = main([])\n    done = run()\n    assert 'x' in done.stdout",
            "def test_it():\n    done = main([])\n    done = run()\n    assert 'x' in done.stdout",
        ),
    ],
    ids=[
        "written for a process",
        "written for main",
        "of another function",
        "reads for itself",
        "with a function inside",
        "catches the output itself",
        "no test",
        "a function in it has an argument of that name",
        "of a name with two meanings",
    ],
)
def test_what_a_test_of_main_reads_of_a_process_is_read_where_it_is(test: str, becomes: str) -> None:
    assert ast.unparse(called(ast.parse(test))) == becomes


SIGNATURE = "def main(argv: list[str] | None = None) -> int:\n"


@pytest.mark.parametrize(
    "body",
    [
        "    print(1)\n",
        "    if not argv:\n        return 2\n    print(1)\n",
        "    for word in argv:\n        print(word)\n",
        "    try:\n        print(1)\n    except OSError:\n        return 2\n",
        "    while True:\n        if input():\n            break\n",
        "    with open(argv[0]) as file:\n        print(file.read())\n",
    ],
)
def test_a_main_that_comes_to_its_end_without_a_word_gives_0(body: str) -> None:
    assert with_exit_code(f"import sys\n\n\n{SIGNATURE}{body}") == f"import sys\n\n\n{SIGNATURE}{body}    return 0\n"


@pytest.mark.parametrize(
    "code",
    [
        f"{SIGNATURE}    return 1\n",
        f"{SIGNATURE}    if argv:\n        return 2\n    else:\n        raise ValueError\n",
        f"{SIGNATURE}    try:\n        return int(argv[0])\n    except ValueError:\n        return 2\n",
        f"{SIGNATURE}    while True:\n        print(1)\n",
        f"import sys\n\n\n{SIGNATURE}    sys.exit(3)\n",
        "def main() -> None:\n    print(1)\n",
        "def other() -> int:\n    print(1)\n",
        "def main() -> int: print(1)\n",
    ],
)
def test_a_main_that_says_what_it_gives_is_left_as_it_is(code: str) -> None:
    assert with_exit_code(code) == code


def test_what_is_added_stands_as_deep_as_the_rest() -> None:
    assert with_exit_code("def main() -> int:\n\tprint(1)\n") == "def main() -> int:\n\tprint(1)\n\treturn 0\n"
