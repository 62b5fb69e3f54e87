"""``milepost logs``: list agent calls, show one whole, verify the log."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from orchestrator.journal.events import damaged, read_events, verify
from orchestrator.journal.journal import holds_mask
from orchestrator.journal.store import RecordStore
from orchestrator.terminal import Terminal
from orchestrator.text import harmless
from orchestrator.workspace.layout import RunFiles, open_run
from schemas.call import CallRecord
from schemas.errors import ExitCode, InputError

__all__ = ["logs_command"]


_FILTERS = ("agent", "milestone", "attempt", "outcome")


def logs_command(options: argparse.Namespace) -> ExitCode:
    """List agent calls and the decisions of planned routes, show a call whole, or verify the log."""
    _refuse_flags_passed_over(options)
    files = open_run(options.workspace, options.run)
    store = RecordStore(files.logs)
    if options.verify:
        return _verify(files, store)
    if options.call:
        return _show(files, store, options.call, as_json=options.json)
    return _list(files, {name: value for name in _FILTERS if (value := getattr(options, name)) is not None}, options)


def _refuse_flags_passed_over(options: argparse.Namespace) -> None:
    filters = [name for name in _FILTERS if getattr(options, name) is not None]
    if options.verify and (filters or options.json or options.call is not None):
        raise InputError("--verify goes with no other flag: it checks the whole log, and says so in words")
    if options.call is not None and filters:
        raise InputError("--call goes with --json only: it shows one call, whatever its agent or outcome")
    if options.call == "":
        raise InputError("--call: begin with at least one digit of a call's digest, as `milepost logs` lists them")


def _list(files: RunFiles, wanted: Mapping[str, object], options: argparse.Namespace) -> ExitCode:
    """Print what matches. What could not be read is said behind it, not left out in silence.

    Raises:
        InputError: the log is missing, or lines of it are none of Milepost's.
    """
    _refuse_missing(files)
    console = Terminal()
    shown, agents = 0, set[str]()
    for event in read_events(files.events):
        if event["event"] not in ("agent_call", "route"):
            continue
        agents |= {event["agent"]} if event["event"] == "agent_call" else set()
        if any(event.get(name) != value for name, value in wanted.items()):
            continue
        shown += 1
        if options.json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        else:
            console.print(_line(event), markup=False, highlight=False, soft_wrap=True)
    if not shown and not options.json:
        said = "No call matches." if wanted else "No calls yet."
        if agents and wanted.get("agent") not in (None, *agents):
            said += f" Agents in this log: {', '.join(sorted(agents))}."
        console.print(harmless(said), markup=False, highlight=False, soft_wrap=True)
    if problems := damaged(files.events):
        count = "1 line" if len(problems) == 1 else f"{len(problems)} lines"
        raise InputError(*problems[:5], f"{count} could not be read; `milepost logs {files.name} --verify` names all")
    return ExitCode.OK


def _refuse_missing(files: RunFiles) -> None:
    """Tell a log that is gone from that of a run that was killed before it wrote any."""
    if files.events.exists():
        return
    records = len(list((files.logs / "calls").glob("*.json")))
    if records or files.load().log_end is not None:
        raise InputError(
            f"{files.events}: is missing ({records} records in calls/); "
            f"`milepost logs {files.name} --verify` says what is left"
        )


def _line(event: Mapping[str, Any]) -> str:
    """Return an agent call, or a decision of a planned route, as one line."""
    place = f"{event['timestamp'][:19]}Z {event.get('milestone') or '-':<4} {event.get('attempt') or '-'} "
    if event["event"] == "route":
        said = f": {event['message']}" if event["message"] else ""
        return f"{place}router → {event['next_agent']} ({event['source']}) {harmless(event['reason'] + said)[:160]}"
    return (
        f"{place}{event['agent']:<10} {event['outcome']:<14} {event['duration_ms'] / 1000:7.1f}s "
        f"{event['gen_ai.usage.output_tokens']:>6} out  "
        f"{(event.get('call') or '')[:12]:<12} {harmless(event['output'][:60])}"
    )


def _show(files: RunFiles, store: RecordStore, digest: str, *, as_json: bool) -> ExitCode:
    names = [p.stem for p in (files.logs / "calls").glob("*.json")]
    found = [name for name in names if name.startswith(digest)]
    if len(found) != 1:
        raise InputError(
            f"--call {digest}: {len(found)} calls of {files.name} begin with that, not one; "
            f"`milepost logs {files.name}` lists them"
        )
    record = store.find(found[0])
    if record is None:
        raise InputError(f"{files.logs}/calls/{found[0]}.json: is damaged")
    sys.stdout.write(record.model_dump_json() + "\n" if as_json else harmless(_whole(record)))
    return ExitCode.OK


def _whole(record: CallRecord) -> str:
    request, reply, usage = record.request, record.reply, record.reply.usage
    lines = [
        f"call      {record.digest}",
        f"agent     {request.agent}",
        f"model     {request.model} (answered by {reply.model})",
        f"time      {record.timestamp}, {record.duration_ms} ms",
        f"tokens    {usage.input_tokens} in, {usage.output_tokens} out, "
        f"cache {usage.cache_read_tokens} read, {usage.cache_write_tokens} written",
        f"cost      {'not measured' if record.cost_usd is None else f'${record.cost_usd:.6f}'}",
        f"asked     max_tokens={request.max_tokens} temperature={request.temperature} sample={request.sample} "
        f"choices={request.choices} stop={json.dumps(request.stop)}",
        "",
        "─── system",
        request.system,
    ]
    for message in request.messages:
        lines += ["", f"─── {message.role}", message.content]
    if request.output_schema is not None:
        lines += ["", "─── schema of the reply", json.dumps(request.output_schema, ensure_ascii=False)]
    if request.prefill is not None:
        lines += ["", "─── the reply was made to begin with", request.prefill]
    lines += ["", f"─── reply ({reply.stop_reason})", reply.text]
    for number, text in enumerate(reply.alternatives, 2):
        lines += ["", f"─── reply {number}", text]
    return "\n".join([*lines, ""])


def _verify(files: RunFiles, store: RecordStore) -> ExitCode:
    """Print everything that is wrong: one damaged file keeps no other from being checked."""
    problems = []
    try:
        end = files.load().log_end
    except (InputError, OSError):
        problems.append(f"{files.info}: is damaged, so nobody knows which line of the log is the last one")
        end = None
    problems += verify(files.events, end)
    events = list(read_events(files.events)) if files.events.is_file() else []
    named = {e["call"]: e.get("record_sha256") for e in events if e["event"] == "agent_call" and e.get("call")}
    for digest, checksum in named.items():
        record = store.find(digest)
        if record is None:
            problems.append(f"{files.logs}/calls/{digest}.json: is missing or damaged")
        elif record.request.digest != digest and not holds_mask(record.request):
            problems.append(f"{files.logs}/calls/{digest}.json: its request was changed")
        elif store.checksum(digest) != checksum:
            problems.append(f"{files.logs}/calls/{digest}.json: was changed after the call was logged")
    problems += [
        f"{files.logs}/calls/{path.stem}.json: no line names it: lines were removed, or the process was killed "
        "before it wrote one (then resuming the run adds it)"
        for path in sorted((files.logs / "calls").glob("*.json"))
        if path.stem not in named
    ]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{files.events}: {len(events)} lines, the chain is whole and every call's record is there.")
    return ExitCode.NOT_ACCEPTED if problems else ExitCode.OK
