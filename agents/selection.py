"""What of the project an agent is shown: whole what it works on, interfaces of what that touches, names of the rest.

So a prompt grows with the milestone, not with the project.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from agents.context import Context
from agents.names import Definition, imported_names
from agents.parsing import parse_module
from agents.skeleton import interface, module_path
from schemas.call import estimated_tokens

__all__ = ["interfaces", "whole"]

INTERFACE_TOKENS = 1_500
"""So much room do interfaces get together; what does not fit is named only."""

WHOLE_TOKENS = 24_000
"""So much room do files get that are shown whole: some thirty of the longest that the rubric likes."""

NAME_TOKENS = 300
"""So much room does the list of the other modules' names get."""


def whole(context: Context, *, code_only: bool = True) -> dict[str, str]:
    """Return the files to be shown as they are: those that the milestone adds or changes, and those that the facts
    point at; all of the project's code where that is nothing. Without ``code_only`` data and texts too.

    What does not fit `WHOLE_TOKENS` is left out.
    """
    own = context.code if code_only else {p: s for p, s in context.files.items() if not p.startswith("tests/")}
    files = {path: source for path, source in own.items() if path in context.focus and source.strip()}
    shown: dict[str, str] = {}
    room = WHOLE_TOKENS
    for path, source in (files or context.code).items():
        if (size := estimated_tokens(source)) <= room:
            shown[path] = source
            room -= size
    return shown


def interfaces(context: Context, also: Collection[str] = (), without: Collection[str] = ()) -> dict[str, object]:
    """Return the template variables ``interfaces`` (path → skeleton) and ``elsewhere`` (the names of other modules).

    Interfaces are shown of the milestone's own files and of ``also``, of what checks and those files import, and of
    the files of the milestones that this one builds on; none of the paths ``without``.
    """
    code = {path: source for path, source in context.code.items() if source.strip() and path not in without}
    own = [path for path in code if path in context.focus or path in also]
    required = _paths(context, context.required)
    imported = _paths(context, _imports(context, [*own, *without]))
    nearby = [path for path in code if path in context.nearby]
    shown = {path: interface(code[path]) for path in own}  # what is worked on is never left out
    room = INTERFACE_TOKENS
    for path in dict.fromkeys([*required, *imported, *nearby]):
        if path in code and path not in shown:
            skeleton = interface(code[path])
            room -= (size := estimated_tokens(skeleton))
            if room >= 0:
                shown[path] = skeleton
            else:
                room += size
    return {"interfaces": shown, "elsewhere": _elsewhere({p: s for p, s in code.items() if p not in shown})}


def _paths(context: Context, modules: Iterable[str]) -> list[str]:
    """Return the files of ``modules``, and behind a package those that it takes its names from."""
    paths = [path for module in modules if (path := module_path(module, list(context.code)))]
    packages = [path for path in paths if path.endswith("/__init__.py")]
    behind = [path for m in _imports(context, packages) if (path := module_path(m, list(context.code)))]
    return [*paths, *behind]


def _imports(context: Context, paths: Iterable[str]) -> list[str]:
    return [m for path in paths for m in imported_names(context.code.get(path, ""), context.third_party)]


def _elsewhere(code: dict[str, str]) -> list[str]:
    """Return one line for each module, the newest last; where there is no room for all, the first are left out."""
    lines: list[str] = []
    room = NAME_TOKENS
    for path, source in reversed(code.items()):
        tree = parse_module(source, path)
        names = [n.name for n in tree.body if isinstance(n, Definition) and not n.name.startswith("_")]
        line = f"{path}: {', '.join(names)}"[:200]
        room -= estimated_tokens(line)
        if room < 0:
            return [f"… {len(code) - len(lines)} more files", *lines]
        lines.insert(0, line)
    return lines
