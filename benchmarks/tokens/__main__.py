"""Count what prompts take with and without the selection of context: python -m benchmarks.tokens [--log FOLDER]

Writes ``benchmarks/results/tokens.json``, and from that ``docs/tokens.md`` with its plots, which need matplotlib
(``pip install 'milepost[benchmarks]'``). Takes some two minutes of one processor. The embedded model's file has to be
there, for its vocabulary: ``milepost fetch`` brings it. No model is asked.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from agents.models.fetch import CODER_1_5B
from agents.ports import Traits
from benchmarks.machine import measured_with
from benchmarks.tokens.arms import ARMS, CONVERSATION, Kind, Prompt, play
from benchmarks.tokens.cache import Sent, breakpoints, prefixes, size, slots
from benchmarks.tokens.project import Call, retried
from benchmarks.tokens.report import RESULTS, write
from benchmarks.tokens.tokenizer import Tokens, counter
from orchestrator.compose import cache_folder
from orchestrator.config import Settings
from orchestrator.idea_file import parse_idea
from orchestrator.journal.events import read_events
from orchestrator.journal.store import RecordStore
from orchestrator.workspace.layout import RunInfo
from schemas.call import CallRecord, ModelRequest

MARKS = (2, 4, 8, 16, 32)
"""Milestones of the projects that are run."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, count, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--log",
        type=Path,
        help="logs/<run> of a run on the embedded model: what it really served (default: what is noted)",
    )
    parser.add_argument("--model", type=Path, default=cache_folder(Settings()) / "models" / CODER_1_5B.name)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--estimate", action="store_true", help="without that file: a token for three characters")
    options = parser.parse_args(arguments)
    if not options.model.is_file() and not options.estimate:
        parser.error(
            f"{options.model} is not there: milepost fetch brings it; or take --estimate and another --results"
        )
    by_text, named = counter(options.model)
    tokens = lru_cache(4096)(by_text)
    rows = [row(kind, number, tokens) for kind in get_args(Kind) for number in MARKS]
    kept = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    measured = {
        "measured_with": measured_with(("jinja2",)),
        "tokens": named,
        "rows": rows,
        "log": logged(options.log, tokens) if options.log else kept.get("log"),
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write(measured)


def row(kind: Kind, milestones: int, tokens: Tokens) -> dict[str, Any]:
    """Return what a run of so many milestones takes, arm by arm."""
    with tempfile.TemporaryDirectory(prefix="tokens-") as folder:
        calls, traits = play(kind, milestones, Path(folder))
    code = calls[-1].asked.files
    counted = {name: counted_arm(name, calls, arm(calls), traits, tokens) for name, arm in ARMS.items()}
    print(kind, milestones, {name: arm["tokens"] for name, arm in counted.items()}, flush=True)
    return {
        "kind": kind,
        "milestones": milestones,
        "attempts": milestones + sum(map(retried, range(1, milestones + 1))),
        "calls": len(calls),
        "models": sorted({call.request.model for call in calls}),
        "context_tokens": traits.context_tokens,
        "code_tokens": sum(tokens(source) for path, source in code.items() if not path.startswith("tests/")),
        "brief_tokens": tokens(calls[0].request.system),
        "arms": counted,
    }


def counted_arm(
    name: str, calls: Sequence[Call], prompts: Sequence[Prompt], traits: Traits, tokens: Tokens
) -> dict[str, int]:
    """Return the tokens of an arm's prompts, those of its largest, how many do not fit, and what caches serve."""
    talk = name == CONVERSATION
    strong = next(call.request.model for call in calls if call.request.agent == "impl")
    run = [
        _sent(call.request, prompt, call.reply, strong if talk else call.request.model)
        for call, prompt in zip(calls, prompts, strict=True)
    ]
    sizes = [size(sent, tokens) for sent in run]
    served = {"prefixes": prefixes(run, tokens), "slots": slots(run, tokens)}
    if traits.step == "project":
        served["breakpoints"], served["written"] = breakpoints(run, tokens, last=talk)
    over = sum(length > traits.context_tokens for length in sizes)
    return {"tokens": sum(sizes), "largest": max(sizes), "over": over, **served}


def logged(folder: Path, tokens: Tokens) -> dict[str, Any]:
    """Return what the model of a recorded run read and what its cache served it, beside what is computed for the same
    prompts."""
    store = RecordStore(folder)
    events = [
        event for event in read_events(folder / "events.jsonl") if event["event"] == "agent_call" and event["call"]
    ]
    records = [record for event in events if (record := store.find(event["call"])) is not None]
    run = [_sent(record.request, _prompt(record), record.reply.text, record.request.model) for record in records]
    usages = [record.reply.usage for record in records]
    info = RunInfo.model_validate_json((folder / "run.json").read_text(encoding="utf-8"))
    return {
        "idea": parse_idea(info.idea_text, info.idea_path).name,
        "at": events[0]["timestamp"],
        "model": records[0].request.model,
        "calls": len(run),
        "tokens": sum(usage.input_tokens + usage.cache_read_tokens for usage in usages),
        "served": sum(usage.cache_read_tokens for usage in usages),
        "counted": sum(size(sent, tokens) for sent in run),
        "slots": slots(run, tokens),
        "prefixes": prefixes(run, tokens),
    }


def _prompt(record: CallRecord) -> Prompt:
    return (("system", record.request.system), *((m.role, m.content) for m in record.request.messages))


def _sent(request: ModelRequest, prompt: Prompt, reply: str, model: str) -> Sent:
    schema: Mapping[str, Any] = request.output_schema or {}
    form = json.dumps(schema, sort_keys=True)
    return Sent(prompt, model, reply, form, request.choices, request.prefill or "")


if __name__ == "__main__":
    main()
