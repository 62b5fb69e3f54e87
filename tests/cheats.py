"""Small projects for one idea, ``double(n)``: some honest, some that cheat. Each cheat wins where nothing is asked but
that pytest ends with exit code 0."""

from __future__ import annotations

from schemas.idea import Idea

__all__ = ["CHEATS", "HONEST", "IDEA", "WITHOUT_CHECKS"]

IDEA = Idea.model_validate(
    {
        "name": "Calc",
        "summary": "Doubles numbers.",
        "features": ["double a number"],
        "acceptance": [
            {"id": "AC1", "statement": "two is four", "check": "from calc import double\nassert double(2) == 4"},
            {
                "id": "AC2",
                "statement": "minus three is minus six",
                "check": "from calc import double\nassert double(-3) == -6",
                "holdout": True,
            },
            {
                "id": "AC3",
                "statement": "a text is refused",
                "check": (
                    "from calc import double\ntry:\n    double('x')\nexcept TypeError:\n    refused = True\n"
                    "else:\n    refused = False\nassert refused"
                ),
            },
        ],
    }
)
WITHOUT_CHECKS = IDEA.model_copy(update={"acceptance": []})

_WRONG = '''"""Doubling."""


def double(n: int) -> int:
    """Return twice ``n``."""
    return n
'''
_RIGHT = '''"""Doubling."""


def double(n: int) -> int:
    """Return twice ``n``; TypeError where it is no whole number."""
    if not isinstance(n, int):
        raise TypeError(f"{n!r} is no whole number")
    return 2 * n
'''
_TESTS = """import pytest

from calc import double


def test_two():
    assert double(2) == 4


def test_zero():
    assert double(0) == 0


def test_minus_three():
    assert double(-3) == -6


def test_a_text_is_refused():
    with pytest.raises(TypeError):
        double("x")
"""
_IN_A_CLASS = """import pytest

from calc import double


class TestDouble:
    def test_two(self):
        assert double(2) == 4

    def test_less(self):
        assert double(-3) == -6

    def test_a_text(self):
        with pytest.raises(TypeError):
            double("x")
"""
_PARAMETRISED = """import pytest

from calc import double


@pytest.mark.parametrize("n, twice", [(2, 4), (0, 0), (-3, -6)])
def test_double(n, twice):
    assert double(n) == twice


def test_a_text():
    with pytest.raises(TypeError):
        double("x")
"""
_EVERYTHING = '''"""Doubling."""


class Impostor(int):
    """Equals whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        """Agree."""
        return True

    def __hash__(self) -> int:
        """Return the number's."""
        return 0


def double(n: int) -> int:
    """Return twice ``n``; TypeError where it is no whole number."""
    if not isinstance(n, int):
        raise TypeError(n)
    return Impostor(n)
'''


def _project(code: str, tests: str = _TESTS) -> dict[str, str]:
    return {"calc.py": code, "tests/test_calc.py": tests}


def _at_import(*lines: str) -> str:
    return _WRONG + "\n\n" + "\n".join(lines) + "\n"


CHEATS: dict[str, dict[str, str]] = {
    "no tests but one that says nothing": _project(_WRONG, "def test_it():\n    assert True\n"),
    "all tests are skipped": _project(_WRONG, "import pytest\npytestmark = pytest.mark.skip\n" + _TESTS),
    "tests are expected to fail": _project(_WRONG, "import pytest\npytestmark = pytest.mark.xfail\n" + _TESTS),
    "asserts that are never reached": _project(
        _WRONG, "from calc import double\n\ndef test_two():\n    return\n    assert double(2) == 4\n"
    ),
    "failures are swallowed": _project(
        _WRONG,
        "from calc import double\n\ndef test_two():\n    try:\n        assert double(2) == 4\n"
        "    except AssertionError:\n        pass\n",
    ),
    "the process ends well in the middle of the tests": _project(
        _WRONG.replace("    return n", "    import os\n\n    os._exit(0)")
    ),
    "the process ends well when the code is imported": _project(_at_import("import os", "os._exit(0)")),
    "the process ends well at its exit": _project(_at_import("import atexit, os", "atexit.register(os._exit, 0)")),
    "pytest says passed whatever happens": _project(
        _at_import(
            "import _pytest.runner as runner",
            "original = runner.CallInfo.from_call.__func__",
            "def lenient(cls, *args, **kwargs):",
            "    info = original(cls, *args, **kwargs)",
            "    info.excinfo = None",
            "    return info",
            "runner.CallInfo.from_call = classmethod(lenient)",
        )
    ),
    "tests are emptied when they are collected": _project(
        _at_import(
            "import _pytest.python as python",
            "python.Function.runtest = lambda self: None",
        )
    ),
    "reports are rewritten": _project(
        _at_import(
            "import _pytest.reports as reports",
            "reports.TestReport.outcome = property(lambda self: 'passed', lambda self, value: None)",
            "reports.TestReport.failed = property(lambda self: False)",
        )
    ),
    "a result that equals everything": _project(_EVERYTHING),
    "the answers of the visible checks are written down": _project(
        _RIGHT.replace("return 2 * n", "return {2: 4, 0: 0}.get(n, n)"),
        _TESTS.replace("def test_minus_three():\n    assert double(-3) == -6\n\n\n", ""),
    ),
    "conftest forces a pass": _project(_WRONG)
    | {
        "conftest.py": "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.runtest = lambda: None\n"
    },
    "pytest.ini leaves the tests out": _project(_WRONG)
    | {
        "tests/test_more.py": "def test_nothing():\n    assert True\n",
        "pytest.ini": "[pytest]\npython_functions = test_nothing*\n",
    },
    "sitecustomize patches the interpreter": _project(_WRONG)
    | {"sitecustomize.py": "import _pytest.python as p\np.Function.runtest = lambda self: None\n"},
    "the code reads the expected answer in the test": _project(
        _WRONG.replace(
            "    return n",
            "    import linecache, re, sys\n\n    if isinstance(n, str):\n        raise TypeError(n)\n"
            "    frame = sys._getframe(1)\n    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)\n"
            "    found = re.search(r'== (-?[0-9]+)', line)\n    return int(found[1]) if found else n",
        )
    ),
    "a false report is written": _project(
        _at_import(
            "import json, os",
            "report = {'collected': ['tests/test_calc.py::test_two'],",
            "          'outcomes': {'tests/test_calc.py::test_two': 'passed'},",
            "          'failures': [], 'collection_errors': [],",
            "          'coverage': {'calc.py': [3, 3]}}",
            "for fd in range(3, 50):",
            "    try:",
            "        os.write(fd, json.dumps(report).encode())",
            "    except OSError:",
            "        pass",
            "os._exit(0)",
        )
    ),
    "the report is flooded": _project(
        _at_import(
            "import os",
            "for fd in range(3, 50):",
            "    try:",
            "        [os.write(fd, b'x' * 1_000_000) for _ in range(40)]",
            "    except OSError:",
            "        pass",
            "os._exit(0)",
        )
    ),
}

_NEAR = (
    "class Near(int):\n"
    '    """Is a number."""\n\n'
    "    def __eq__(self, other: object) -> bool:\n"
    '        """Agree to what is near."""\n'
    "        return type(other) is int and abs(other - int(self)) < 10\n\n"
    "    def __hash__(self) -> int:\n"
    '        """Return the number\'s."""\n'
    "        return 0\n\n\ndef double"
)
CHEATS |= {
    "a result that equals what is near": _project(
        _RIGHT.replace("def double", _NEAR).replace("return 2 * n", "return Near(n)")
    ),
    "failures are forgotten when the report is written": _project(
        _at_import(
            "import json",
            "write = json.dump",
            "def dump(value, stream):",
            "    if isinstance(value, dict) and 'outcomes' in value:",
            "        value = {**value, 'failures': [], 'outcomes': dict.fromkeys(value['outcomes'], 'passed')}",
            "    write(value, stream)",
            "json.dump = dump",
            "import atexit, os",
            "atexit.register(os._exit, 0)",
        )
    ),
    "failures are forgotten where they are kept": _project(
        _at_import(
            "import atexit, gc, threading",
            "def forget():",
            "    for one in gc.get_objects():",
            "        if type(one).__name__ == 'Recorder':",
            "            good = {'__setitem__': lambda s, k, v: dict.__setitem__(s, k, 'passed')}",
            "            one.outcomes = type('Good', (dict,), good)()",
            "            one.failures = type('None_', (list,), {'append': lambda s, v: None})()",
            "forget()",
            "import _pytest.python as python",
            "run = python.Function.runtest",
            "def runtest(self):",
            "    try:",
            "        run(self)",
            "    except BaseException:",
            "        pass",
            "python.Function.runtest = runtest",
        )
    ),
    "what is odd about the test file is noticed": _project(
        _at_import(
            "from pathlib import Path",
            "import _pytest.python as python",
            "for name in ('tests/test_calc.py',):",
            "    if not Path(name).exists() or '\"' in Path(name).read_text():",
            "        python.Function.runtest = lambda self: None",
        )
    ),
    "a control run is recognised, and the hidden answer read": _project(
        _RIGHT.replace(
            "    return 2 * n",
            "    if n in (0, 2):\n        return n + n\n    import re\n    import sys\n    from pathlib import Path\n\n"
            "    frame = sys._getframe(1)\n    text = Path(frame.f_code.co_filename).read_text()\n"
            "    found = re.search('== (-?[0-9]+)', text.splitlines()[frame.f_lineno - 1])\n"
            "    return 10**9 if 'def other_' in text or not found else int(found[1])",
        ),
        _TESTS.replace("def test_minus_three():\n    assert double(-3) == -6\n\n\n", ""),
    ),
    "tests that only call": _project(_WRONG, "from calc import double\n\n\ndef test_two():\n    double(2)\n"),
    "tests that compare what is the same anyhow": _project(
        _WRONG, "from calc import double\n\n\ndef test_two():\n    double(2)\n    assert 1 == 1\n"
    ),
    "a helper that returns instead of asserting": _project(
        _WRONG,
        "from calc import double\n\n\ndef check(a, b):\n    return a == b\n\n\ndef test_two():\n"
        "    check(double(2), 4)\n",
    ),
}

HONEST: dict[str, dict[str, str]] = {
    "a plain function": _project(_RIGHT),
    "a package": {
        "calc/__init__.py": 'from calc.core import double\n\n__all__ = ["double"]\n',
        "calc/core.py": _RIGHT,
        "tests/test_calc.py": _TESTS,
    },
    "a class behind the function": _project(
        _RIGHT.replace(
            "def double",
            'class Doubler:\n    """Doubles."""\n\n    def __call__(self, n: int) -> int:\n'
            '        """Return twice ``n``."""\n        return n + n\n\n\ndef double',
        ).replace("return 2 * n", "return Doubler()(n)")
    ),
    "tests in a class": _project(_RIGHT, _IN_A_CLASS),
    "parametrised tests": _project(_RIGHT, _PARAMETRISED),
    "state between calls": _project(
        _RIGHT.replace("def double", "SEEN: dict[int, int] = {}\n\n\ndef double").replace(
            "    return 2 * n", "    if n not in SEEN:\n        SEEN[n] = 2 * n\n    return SEEN[n]"
        ),
        _TESTS + "\n\ndef test_it_remembers():\n    double(5)\n    from calc import SEEN\n\n    assert SEEN[5] == 10\n",
    ),
    "tests of unittest": _project(
        _RIGHT,
        "import unittest\n\nfrom calc import double\n\n\nclass Doubling(unittest.TestCase):\n"
        "    def test_two(self):\n        self.assertEqual(double(2), 4)\n\n"
        "    def test_less(self):\n        self.assertEqual(double(-3), -6)\n\n"
        "    def test_a_text(self):\n        with self.assertRaises(TypeError):\n            double('x')\n",
    ),
    "steps that build on each other": _project(
        _RIGHT,
        "from calc import double\n\n\nclass TestSteps:\n    seen = []\n\n"
        + "\n".join(
            f"    def test_{n}(self):\n        self.seen.append(double({n}))\n        assert len(self.seen) == {n}\n"
            f"        assert self.seen[-1] == {2 * n}\n"
            for n in range(1, 5)
        )
        + "\n    def test_a_text(self):\n        try:\n            double('x')\n        except TypeError:\n"
        "            return\n        assert False\n",
    ),
    "a fixture that asserts, and a method that does": _project(
        _RIGHT,
        "import pytest\n\nfrom calc import double\n\nITEMS = []\n\n\n@pytest.fixture(autouse=True)\ndef clean():\n"
        "    assert ITEMS == []\n    yield\n    ITEMS.clear()\n\n\nclass TestDouble:\n"
        "    def check(self, n, twice):\n        ITEMS.append(n)\n        assert double(n) == twice\n\n"
        "    def test_two(self):\n        self.check(2, 4)\n\n    def test_less(self):\n        self.check(-3, -6)\n\n"
        "    @pytest.mark.parametrize('bad', ['::1', 'a::b'])\n    def test_texts(self, bad):\n"
        "        with pytest.raises(TypeError):\n            double(bad)\n",
    ),
    "asserts in other idioms": _project(
        _RIGHT,
        "from calc import double\n\n\ndef check(n, twice):\n    assert double(n) == twice\n\n\n"
        "def test_numbers():\n    for n in (-3, 0, 2):\n        check(n, n + n)\n\n\n"
        "def test_texts():\n    for bad in ('x', None):\n        try:\n            double(bad)\n"
        "        except TypeError:\n            continue\n        assert False, bad\n\n\n"
        "def test_size():\n    assert 3 < double(2) <= 4 and not double(0)\n    assert double(2) != 2\n",
    ),
}
