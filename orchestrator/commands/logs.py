"""``milepost logs``: list agent calls, show one whole, verify the log."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from orchestrator.journal.events import read_events, verify
from orchestrator.journal.journal import holds_mask
from orchestrator.journal.store import RecordStore
from orchestrator.terminal import Terminal
from orchestrator.text import harmless
from orchestrator.workspace.layout import RunFiles, open_run
from schemas.call import CallRecord
from schemas.errors import ExitCode, InputError

__all__ = ["logs_command"]


def logs_command(options: argparse.Namespace) -> ExitCode:
    """List agent calls and the decisions of planned routes, show a call whole, or verify the log."""
    files = open_run(options.workspace, options.run)
    store = RecordStore(files.logs)
    if options.verify:
        return _verify(files, store)
    if options.call:
        return _show(files, store, options.call, as_json=options.json)
    wanted = {
        name: value
        for name in ("agent", "milestone", "attempt", "outcome")
        if (value := getattr(options, name)) is not None
    }
    console = Terminal()
    shown = 0
    for event in read_events(files.events):
        if event.get("event") not in ("agent_call", "route") or any(event.get(n) != v for n, v in wanted.items()):
            continue
        shown += 1
        if options.json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
            continue
        console.print(_line(event), markup=False, highlight=False, soft_wrap=True)
    if not shown and not options.json:
        console.print("No call matches." if wanted else "No calls yet.")
    return ExitCode.OK


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
    problems = verify(files.events, files.load().log_end)
    events = list(read_events(files.events))
    named = {str(e["call"]): e.get("record_sha256") for e in events if e.get("event") == "agent_call" and e.get("call")}
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
