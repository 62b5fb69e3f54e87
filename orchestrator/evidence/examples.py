"""The examples of a task (``>>> double(2)``, below it ``4``, as in Python's own shell) as checks that are run."""

from __future__ import annotations

import contextlib
import doctest
import re

from pydantic import ValidationError

from schemas.idea import AcceptanceCheck

__all__ = ["MOST", "checks_in"]

MOST = 30
"""So many examples are taken at most."""


_CLOSING = re.compile(r"^((?!\s*>>>).*?)(?:\"{3}|'{3})[ \t]*$", re.M)
"""The end of a docstring, which would count as the last line that an example shows."""


def checks_in(prompt: str, module: str) -> list[AcceptanceCheck]:
    """Return a check for each example in ``prompt`` that shows a result; none where they can't be read, or for one of
    thousands of characters.

    An example is run in a copy of ``module``'s names, behind those statements before it that show none. What it prints,
    white space at the ends apart, must be what is shown; where that is a traceback, it must raise that error.
    """
    try:
        examples = doctest.DocTestParser().get_examples(_CLOSING.sub(r"\1\n", prompt))
    except ValueError:
        return []
    before: list[str] = []
    checks: list[AcceptanceCheck] = []
    for example in examples:
        if not example.want and example.exc_msg is None:
            before.append(example.source)
        elif len(checks) < MOST and _compiles(example.source):
            with contextlib.suppress(ValidationError):  # longer than a check may be
                checks.append(_check(f"E{len(checks) + 1}", module, before, example))
    return checks


def _compiles(source: str) -> bool:
    try:
        compile(source, "example", "single")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _check(name: str, module: str, before: list[str], example: doctest.Example) -> AcceptanceCheck:
    shown = (example.exc_msg or example.want).strip()
    lines = [
        "import contextlib, io",
        f"import {module}",
        f"space = dict(vars({module}))",
        *(f"exec({source!r}, space)" for source in before if _compiles(source)),
        f"source = {example.source!r}",
    ]
    if example.exc_msg is None:
        lines += [
            "printed = io.StringIO()",
            "with contextlib.redirect_stdout(printed):",
            "    exec(compile(source, 'example', 'single'), space)",
            f"assert printed.getvalue().strip() == {shown!r}, f'it shows {{printed.getvalue().strip()[:200]}}'",
        ]
    else:
        lines += [
            "raised = ''",
            "try:",
            "    exec(source, space)",
            "except Exception as error:",
            "    raised = type(error).__name__",
            f"assert raised == {shown.partition(':')[0].rpartition('.')[2]!r}",
        ]
    statement = f"{example.source.strip()} shows {shown}"
    return AcceptanceCheck(id=name, statement=" ".join(statement.split())[:400], check="\n".join(lines))
