"""Exact edits as models write them: REMOVE/ADD blocks in a fence that names the file, and how they are applied.

::

    ```edit path=pkg/module.py
    <<<<<<< REMOVE
    the exact existing lines
    =======
    the lines that take their place
    >>>>>>> ADD
    ```

A new file is a fence of its own (```` ```python path=pkg/new.py ````). An empty fence moves a file
(```` ```move path=a.py to=b.py ````) or deletes it (```` ```delete path=a.py ````). All of a reply applies to the files
as they were, in whatever order it says it, or nothing does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from agents.parsing import EDIT_BEGINS, EDIT_ENDS, Fence, fences, parse_file, path_of
from schemas.architecture import safe_path
from schemas.code_change import CodeChange, Edit, FileWrite, Move

__all__ = ["Applied", "apply", "blocks_of", "change_from", "holds_edit"]

_DIVIDER = re.compile(r"={5,9}[ \t]*")
_COMPARED = 1_000
"""So many lines of a file are looked at for those that come nearest."""
_SHOWN = 3
"""Candidate places that an error names."""
_NEAR = 0.6
"""How alike, from 0 to 1, lines must be to be such a candidate (`difflib.SequenceMatcher.ratio`)."""


@dataclass(frozen=True)
class Applied:
    """The files after a change."""

    files: dict[str, str]
    tolerated: list[str]
    """Edits whose REMOVE text was found only when white space did not count, each with its place."""


def change_from(text: str, files: Mapping[str, str]) -> CodeChange:
    """Return the change that a reply describes: whole files, edits, moves and deletions, applicable to ``files``.

    Raises:
        ValueError: a fence without a path, an edit that does not match exactly once, or a result
            that is no valid Python.
    """
    writes: list[FileWrite] = []
    edits: list[Edit] = []
    moves: list[Move] = []
    deletes: list[str] = []
    for fence in fences(text):
        kind = fence.info.split(" ")[0]
        if kind in ("move", "delete") and any(not line.startswith("#") for line in fence.content.split("\n") if line):
            raise ValueError(f"a {kind} holds nothing between its ticks, and this one does: {fence.info[:80]!r}")
        if kind == "move":
            moves.append(_move(fence.info))
            continue
        path = path_of(fence.info)
        blocks = blocks_of(fence)
        if kind == "delete":
            deletes.append(path)
        elif kind == "edit" and not blocks:
            raise ValueError(f"{path}: the edit holds no REMOVE/ADD block")
        elif blocks:
            edits += [Edit(path=path, remove=remove, add=add) for remove, add in blocks]
        else:
            writes.append(FileWrite(path=path, content=fence.content))
    if not (writes or edits or moves or deletes):
        raise ValueError("the reply holds no fenced file and no edit")
    change = CodeChange(writes=writes, edits=edits, moves=moves, deletes=deletes)
    for path, source in apply(change, files).files.items():
        if path.endswith(".py") and source != files.get(path):
            parse_file(source, path)
    return change


def holds_edit(text: str) -> bool:
    """Whether a line of ``text`` is the mark that begins a REMOVE/ADD block, rightly placed or indented."""
    return any(EDIT_BEGINS.fullmatch(line.strip()) for line in text.splitlines())


def blocks_of(fence: Fence) -> list[tuple[str, str]]:
    """Return the REMOVE and ADD texts that a fence holds, without their last line feeds; none where it holds no block.

    Raises:
        ValueError: a block is not whole or can't be told apart, something stands outside of the blocks, or a REMOVE
            text is empty and would stand everywhere.
    """
    lines = fence.content.split("\n")
    if not holds_edit(fence.content):
        return []
    if not any(EDIT_BEGINS.fullmatch(line) for line in lines):
        raise ValueError("the marks <<<<<<< REMOVE, ======= and >>>>>>> ADD stand at the beginning of a line")
    blocks: list[tuple[str, str]] = []
    inside: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if EDIT_BEGINS.fullmatch(line):
            if inside is not None:
                raise ValueError(f"line {number} of a block begins another one before >>>>>>> ADD has ended it")
            inside = []
        elif inside is not None and EDIT_ENDS.fullmatch(line):
            blocks.append(_halves(inside))
            inside = None
        elif inside is not None:
            inside.append(line)
        elif line.strip():
            raise ValueError(f"this stands outside of the REMOVE/ADD blocks: {line.strip()[:80]!r}")
    if inside is not None:
        raise ValueError("a REMOVE/ADD block is not ended by >>>>>>> ADD")
    return blocks


def _halves(lines: Sequence[str]) -> tuple[str, str]:
    """Return what stands before and behind the line that divides a block: ``=======``, else the only one like it."""
    exact = [n for n, line in enumerate(lines) if line.rstrip() == "=" * 7]
    found = exact or [n for n, line in enumerate(lines) if _DIVIDER.fullmatch(line)]
    if len(found) != 1:
        why = "no line =======" if not found else f"{len(found)} lines that could be its ======="
        raise ValueError(f"a REMOVE/ADD block has {why} between the two texts: send the file whole instead")
    remove, add = "\n".join(lines[: found[0]]).rstrip("\n"), "\n".join(lines[found[0] + 1 :]).rstrip("\n")
    if not remove.strip():
        raise ValueError("a REMOVE text is empty: repeat the line that the new ones shall stand behind")
    return remove, add


def _move(info: str) -> Move:
    match = re.fullmatch(r"move\s+path=(\S+)\s+to=(\S+)", info)
    if match is None:
        raise ValueError(f"a move is written ```move path=old.py to=new.py, not {info[:80]!r}")
    return Move(path=safe_path(match[1]), to=safe_path(match[2]))


def apply(change: CodeChange, files: Mapping[str, str]) -> Applied:
    """Return ``files`` after ``change``; all of it applies or none.

    Every edit is looked up in the file as it was before the change, so their order does not matter.

    Raises:
        ValueError: an edit's text is not in its file exactly once, edits overlap, or a file is changed in two ways.
    """
    _refuse_contradictions(change, files)
    result = {path: source for path, source in files.items() if path not in change.deletes}
    for move in change.moves:
        result[move.to] = result.pop(move.path)
    for write in change.writes:
        result[write.path] = write.content
    tolerated: list[str] = []
    for path in dict.fromkeys(edit.path for edit in change.edits):
        edits = [edit for edit in change.edits if edit.path == path]
        result[path], odd = _edited(path, result[path], edits)
        tolerated += odd
    for path in result:
        folder = next((p for p in map(str, PurePosixPath(path).parents) if p in result), None)
        if folder is not None:
            raise ValueError(f"{folder} can't be both a file and the folder of {path}")
    return Applied(result, tolerated)


def _refuse_contradictions(change: CodeChange, files: Mapping[str, str]) -> None:
    touched = [*change.deletes, *(p for m in change.moves for p in (m.path, m.to)), *(w.path for w in change.writes)]
    twice = sorted({path for path in touched if touched.count(path) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is changed in two ways at once: say one thing of each file")
    for path in [*change.deletes, *(m.path for m in change.moves)]:
        if path not in files:
            raise ValueError(f"{path} does not exist, so it can't be moved or deleted{_known(files)}")
    for move in change.moves:
        if move.to in files:
            raise ValueError(f"{move.to} is there already: {move.path} can't be moved to it")
    there = {*files, *(m.to for m in change.moves)} - {*change.deletes, *(m.path for m in change.moves)}
    for edit in change.edits:
        if edit.path in {w.path for w in change.writes}:
            raise ValueError(f"{edit.path} is both edited and sent whole: do one of the two")
        if edit.path not in there:
            raise ValueError(f"{edit.path} does not exist, so it can't be edited: send it whole{_known(files)}")


def _known(files: Mapping[str, str]) -> str:
    return f" (there are: {', '.join(sorted(files)[:12])})" if files else ""


def _edited(path: str, source: str, edits: Sequence[Edit]) -> tuple[str, list[str]]:
    """Return ``source`` with all ``edits`` made, and which of them had to be tolerated."""
    places: list[tuple[int, int, str]] = []
    tolerated = []
    for edit in edits:
        start, end, add, exact = _place(path, source, edit)
        places.append((start, end, add))
        if not exact:
            line = _line(source, start)
            tolerated.append(f"{path}:{line}: the REMOVE text was found only when white space did not count")
    places.sort()
    for (_, end, _), (start, _, _) in pairwise(places):
        if start < end:
            raise ValueError(f"{path}: two edits change line {_line(source, start)}; join them")
    for start, end, add in reversed(places):
        source = source[:start] + add + source[end:]
    return source, tolerated


def _place(path: str, source: str, edit: Edit) -> tuple[int, int, str, bool]:
    """Return where the REMOVE text stands (from, to), what replaces it, and whether it stands there exactly.

    Raises:
        ValueError: it stands nowhere, or at more than one place.
    """
    found = list(_exactly(source, edit.remove))
    lines = [at for at in found if _is_whole_lines(source, at, at + len(edit.remove))]
    near = [] if lines else list(_tolerantly(source, edit))
    if len(lines) == 1 or (len(found) == 1 and (not near or _lacks_first_indent(edit, found[0], near))):
        at = (lines or found)[0]
        return at, at + len(edit.remove), edit.add, True
    if len(near) == 1:  # before a part of a line: what is added must be indented as the line is
        start, end, add = near[0]
        return start, end, add, False
    places = lines or [start for start, _, _ in near] or found
    raise ValueError(_ambiguous(path, source, edit, places) if places else _absent(path, source, edit))


def _lacks_first_indent(edit: Edit, at: int, near: Sequence[tuple[int, int, str]]) -> bool:
    """Whether all lines of the text at ``at`` but the first are indented as the file is: so are those to be added."""
    return "\n" in edit.remove.strip() and any(start <= at < end for start, end, _ in near)


def _exactly(source: str, text: str) -> Iterator[int]:
    """Yield where ``text`` stands in ``source``, but not as a part of a longer word or number."""
    before = r"(?<!\w)" if re.match(r"\w", text) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", text) else ""
    for match in re.finditer(f"(?={before}{re.escape(text)}{after})", source):
        yield match.start()


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1


def _is_whole_lines(source: str, start: int, end: int) -> bool:
    return (start == 0 or source[start - 1] == "\n") and (end == len(source) or source[end] == "\n")


def _tolerantly(source: str, edit: Edit) -> Iterator[tuple[int, int, str]]:
    """Yield (from, to, replacement) of each run of lines that is the REMOVE text when white space does not count; the
    replacement is shifted as the found lines are."""
    wanted = [" ".join(line.split()) for line in edit.remove.split("\n")]
    lines = source.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    folded = [" ".join(line.split()) for line in lines]
    for number in range(len(lines) - len(wanted) + 1):
        if folded[number : number + len(wanted)] == wanted:
            found = lines[number : number + len(wanted)]
            shift = _indent(found) - _indent(edit.remove.split("\n"))
            yield offsets[number], offsets[number + len(wanted)] - 1, _shifted(edit.add, shift)


def _indent(lines: Sequence[str]) -> int:
    return next((len(line) - len(line.lstrip()) for line in lines if line.strip()), 0)


def _shifted(text: str, by: int) -> str:
    def shift(line: str) -> str:
        if not line.strip():
            return ""
        return " " * by + line if by >= 0 else line[min(-by, len(line) - len(line.lstrip())) :]

    return "\n".join(shift(line) for line in text.split("\n"))


def _ambiguous(path: str, source: str, edit: Edit, places: Sequence[int]) -> str:
    lines = ", ".join(str(_line(source, at)) for at in places[:_SHOWN])
    return (
        f"{path}: the REMOVE text that begins {_beginning(edit)!r} is there {len(places)} times (lines {lines}), "
        "not once: add a line before or behind it"
    )


def _absent(path: str, source: str, edit: Edit) -> str:
    """Say that the REMOVE text is nowhere, and which lines come nearest."""
    said = f"{path}: the REMOVE text that begins {_beginning(edit)!r} is there 0 times, not once"
    start = _nearest([line.strip() for line in source.split("\n")], [line.strip() for line in edit.remove.split("\n")])
    if start is None:
        return f"{said}; repeat existing lines exactly"
    shown = "\n".join(source.split("\n")[start : start + edit.remove.count("\n") + 1])
    return f"{said}. Nearest, from line {start + 1} on:\n{shown[:600]}"


def _nearest(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Return where most of ``wanted`` stands line by line, else the line that is most like its first one.

    Bounded by `_COMPARED`: models get texts wrong every day, and long ones too.
    """
    lines, wanted = lines[:_COMPARED], wanted[:100]

    def equal(start: int) -> int:
        return sum(1 for a, b in zip(lines[start:], wanted, strict=False) if a == b and a)

    best = max(range(len(lines)), key=equal)
    if equal(best):
        return best
    first = next((line for line in wanted if line), "")[:200]
    near = difflib.get_close_matches(first, [line[:200] for line in lines], n=1, cutoff=_NEAR)
    return next(n for n, line in enumerate(lines) if line[:200] == near[0]) if near else None


def _beginning(edit: Edit) -> str:
    return edit.remove.strip().split("\n")[0][:80]
