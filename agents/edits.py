"""Exact edits as models write them: REMOVE/ADD blocks in a fence that names the file.

::

    ```edit path=pkg/module.py
    <<<<<<< REMOVE
    the exact existing lines
    =======
    the lines that take their place
    >>>>>>> ADD
    ```
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agents.parsing import fences, parse_module
from schemas.architecture import safe_path
from schemas.code_change import CodeChange, Edit, FileWrite

__all__ = ["apply", "change_from"]

_BLOCK = re.compile(r"^<{5,} REMOVE\n(?P<remove>.*?)^={5,}\n(?P<add>.*?)^>{5,} ADD$", re.M | re.S)


def change_from(text: str, files: Mapping[str, str]) -> CodeChange:
    """Return the change that a reply describes: whole files and edits, applicable to ``files``.

    Raises:
        ValueError: a fence without a path, an edit that does not match exactly once, or a result
            that is no valid Python.
    """
    writes: list[FileWrite] = []
    edits: list[Edit] = []
    for fence in fences(text):
        match = re.search(r"(?:path=)?([\w.-]+(?:/[\w.-]+)*\.\w+)$", fence.info)
        if match is None:
            raise ValueError(f"a fenced block names no path behind its ticks: {fence.info[:60]!r}")
        path = safe_path(match[1])
        blocks = list(_BLOCK.finditer(fence.content))
        if fence.info.startswith("edit") and not blocks:
            raise ValueError(f"{path}: the edit holds no REMOVE/ADD block")
        if blocks:
            edits += [Edit(path=path, remove=b["remove"].rstrip("\n"), add=b["add"].rstrip("\n")) for b in blocks]
        else:
            writes.append(FileWrite(path=path, content=fence.content))
    if not writes and not edits:
        raise ValueError("the reply holds no fenced file and no edit")
    change = CodeChange(writes=writes, edits=edits)
    for path, source in apply(change, files).items():
        if path.endswith(".py") and source != files.get(path):
            parse_module(source, path)
    return change


def apply(change: CodeChange, files: Mapping[str, str]) -> dict[str, str]:
    """Return ``files`` after ``change``; all of it applies or none.

    Raises:
        ValueError: an edit's text is not in its file exactly once.
    """
    result = dict(files)
    for path in change.deletes:
        result.pop(path, None)
    for write in change.writes:
        result[write.path] = write.content
    for edit in change.edits:
        if edit.path not in result:
            raise ValueError(f"{edit.path} does not exist, so it can't be edited: send it whole")
        count = result[edit.path].count(edit.remove)
        if count != 1:
            first = edit.remove.strip().split("\n")[0][:80]
            raise ValueError(f"{edit.path}: the REMOVE text that begins {first!r} is there {count} times, not once")
        result[edit.path] = result[edit.path].replace(edit.remove, edit.add)
    return result
