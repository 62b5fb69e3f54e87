"""The command line. Nothing heavy is imported before a command needs it: ``--help`` answers at once."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

__all__ = ["OUTCOMES", "main"]

_EXIT = (
    "exit codes: 0 all accepted · 1 not all accepted · 2 bad input · 3 stopped by a limit · "
    "4 model or sandbox missing, or git failing · 130 interrupted"
)

_HOMES = {"resume": "run", "report": "runs", "fetch": "doctor"}
"""The module of ``orchestrator.commands`` that a command is in, where it is not named like it."""

OUTCOMES = ("ok", "invalid_output", "refused", "truncated", "transport_error", "budget", "interrupted")
"""Those of `schemas.call.Outcome`, which would be slow to import here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a narrow terminal must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    from asyncio import CancelledError

    from schemas.errors import ExitCode, MilepostError

    try:
        home = import_module(f"orchestrator.commands.{_HOMES.get(options.command, options.command)}")
        return int(getattr(home, f"{options.command}_command")(options))
    except MilepostError as error:
        if options.debug:
            traceback.print_exc()
        for line in str(error).splitlines():
            print(f"milepost: {line}", file=sys.stderr)
        return int(error.exit_code)
    except (KeyboardInterrupt, CancelledError):
        print("milepost: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if options.debug:
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        print(f"milepost: {where}{error.strerror or error}. What was written before is intact.", file=sys.stderr)
        return int(ExitCode.BAD_INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="milepost",
        description="Turn a product idea (one YAML file) into a working, tested prototype.",
        epilog=_EXIT,
    )
    parser.add_argument("--version", action="version", version=_version() if "--version" in sys.argv else "")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks and, during a run, every agent call")
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (default: milepost.toml in the current folder, if there is one)",
    )
    quiet = argparse.ArgumentParser(add_help=False)
    quiet.add_argument("--quiet", action="store_true", help="no progress: print the result only")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--workspace",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of milestones/, generated_projects/ and logs/ (default: the current folder)",
    )
    running = argparse.ArgumentParser(add_help=False, parents=[settings])
    running.add_argument(
        "--backend",
        choices=("auto", "anthropic", "embedded", "openai", "scripted"),
        help="which model to use (default auto: Claude if ANTHROPIC_API_KEY is set, else the local model)",
    )
    running.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run generated code without a sandbox, with all your permissions; the record and the report say so",
    )
    routed = argparse.ArgumentParser(add_help=False)
    routed.add_argument("--attempts", type=int, metavar="N", help="attempts per milestone (default 3)")
    routed.add_argument(
        "--routing",
        choices=("fixed", "planner"),
        help="how the next agent is chosen: in a fixed order (default), or by a router agent ('planner')",
    )
    for name, kind, how, what in (
        ("usd", float, "stop before spending more than", "US dollars"),
        ("tokens", int, "stop before using more than", "tokens"),
        ("minutes", float, "start no call after", "minutes"),
        ("calls", int, "stop before making more than", "agent calls"),
    ):
        running.add_argument(f"--max-{name}", type=kind, metavar="N", help=f"{how} N {what}")

    def add(name: str, what: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=what, description=what[0].upper() + what[1:] + ".", parents=[common, *parents], epilog=_EXIT
        )

    command = add("run", "turn an idea into a prototype", quiet, place, running, routed)
    command.add_argument("idea", type=Path, metavar="IDEA", help="idea file (YAML)")
    command.add_argument("--run-name", metavar="NAME", help="default: <idea>-<date>-<n>")
    command.add_argument(
        "--reuse", metavar="RUN", help="use the replies of an earlier run again where nothing has changed"
    )
    what = "continue a run where it stopped; calls already paid for are not repeated"
    command = add("resume", what, quiet, place, running, routed)
    command.add_argument("run", metavar="RUN", help="a run's name, or 'last'")
    command = add("refine", "write one program, score it and refine it until it is good enough", quiet, place, running)
    command.add_argument("prompt", metavar="PROMPT_OR_FILE", help="what the program should do, or a file that says so")
    command.add_argument("--min-score", type=float, metavar="N", help="the bar, 0 to 10 (default 9.6)")
    command.add_argument(
        "--max-refinements",
        type=int,
        metavar="N",
        help="attempts after the first version (default 3; for a local model 8 while examples fail)",
    )
    command.add_argument(
        "--run",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether to run the program, in the sandbox (default: yes)",
    )
    command.add_argument("--run-name", metavar="NAME", help="default: program-<date>-<n>")
    command = add("report", "print a run's final report", place)
    command.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's name (default: last)")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("logs", "list the agent calls of a run, show one in full, or verify the log", place)
    command.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's name (default: last)")
    command.add_argument("--agent", help="only calls of this agent")
    command.add_argument("--milestone", help="only calls of this milestone")
    command.add_argument("--attempt", type=int, help="only calls of this attempt")
    command.add_argument("--outcome", choices=OUTCOMES, help="only calls with this outcome")
    command.add_argument(
        "--call", metavar="DIGEST", help="show this call in full; the beginning of its digest is enough"
    )
    command.add_argument(
        "--verify", action="store_true", help="check that no line and no call's record is missing or changed"
    )
    command.add_argument("--json", action="store_true", help="as JSON lines")
    add("runs", "list the runs of the workspace", place)
    command = add("init", "write a commented idea file")
    command.add_argument("file", type=Path, metavar="FILE", nargs="?", default=Path("idea.yaml"))
    command = add("doctor", "show the settings in force and check whether a run could start", running, routed)
    command.add_argument(
        "--judge",
        action="store_true",
        help="try the judge on known-good and known-bad projects (makes model calls)",
    )
    command = add("fetch", "download the embedded model, if it is not there yet", quiet, settings)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"milepost {version('milepost')}"


if __name__ == "__main__":
    raise SystemExit(main())
