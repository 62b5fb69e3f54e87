"""What the agents' runner sees of the journal: records and audit lines, kept in step."""

from __future__ import annotations

from collections.abc import Iterator

from agents.ports import MASK, SHORTEST_KEY
from orchestrator.journal.events import TOKENS, EventLog, Lost
from orchestrator.journal.store import RecordStore
from schemas.call import CallRecord, ModelRequest, Outcome, Usage

__all__ = ["RunJournal", "holds_mask", "summary"]


def holds_mask(request: ModelRequest) -> bool:
    """Whether a key may have been taken out of ``request``, so that it no longer has the digest that it had."""
    return MASK in request.model_dump_json()


class RunJournal:
    """The journal of one run."""

    def __init__(self, store: RecordStore, events: EventLog, secrets: tuple[str, ...] = (), *, began: str = "") -> None:
        """``secrets`` are texts that must reach neither file, e.g. keys. ``began`` is when the run did, ISO 8601."""
        self.latest = began
        """When the latest of the calls was answered that this sitting has made or met again; before them, when the run
        began."""
        self._store = store
        self._events = events
        self._secrets = [s for s in secrets if len(s) >= SHORTEST_KEY]

    def find(self, request: ModelRequest) -> CallRecord | None:
        """Return the record of an earlier call that asked the same; see `RecordStore.answer`."""
        found = self._store.answer(request)
        self.latest = max(self.latest, found.timestamp if found else "")
        return found

    def paid(self, digest: str) -> bool:
        """Whether it was this run that had the call with ``digest`` answered."""
        return self._has_own(digest) and digest not in self._events.reused

    def spent(self) -> Iterator[CallRecord]:
        """Yield the record of each call that this run has logged and paid for, whatever it asks now."""
        for digest in sorted(self._events.calls - self._events.reused):
            if (record := self._store.find(digest)) is not None:
                yield record

    def lost(self) -> Iterator[Lost]:
        """Yield what each logged call took of which there is no record."""
        yield from self._events.lost

    def record(self, record: CallRecord) -> None:
        """Keep ``record`` before its reply is used."""
        if self._secrets:
            cleaned = CallRecord.model_validate_json(self.masked(record.model_dump_json()))
            record = cleaned.model_copy(update={"digest": record.digest})
        self._store.record(record)
        self.latest = max(self.latest, record.timestamp)

    def log_call(
        self,
        request: ModelRequest,
        outcome: Outcome,
        *,
        record: CallRecord | None,
        duration_ms: int,
        error: str | None = None,
        lost: Usage | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """Write the audit line of one call, once; and keep the record of one that another run has paid for: this run's
        log must be whole by itself. The line stands first, so that nobody takes the record for one of our own."""
        reused = record is not None and not self._has_own(record.digest)
        if record is None or record.digest not in self._events.calls:
            self._write(request, outcome, record, duration_ms, error, reused, lost or Usage(), cost_usd)
            if record is not None:
                self._events.calls.add(record.digest)
                self._events.reused |= {record.digest} if reused else set()
        if record is not None and reused:
            self._store.record(record)

    def _write(
        self,
        request: ModelRequest,
        outcome: Outcome,
        record: CallRecord | None,
        duration_ms: int,
        error: str | None,
        reused: bool,
        lost: Usage,
        cost_usd: float | None,
    ) -> None:
        usage = record.reply.usage if record else lost
        self._events.write(
            "agent_call",
            level="info" if outcome is Outcome.OK else "warning",
            agent=request.agent,
            outcome=outcome.value,
            model=request.model,
            input=summary(self.masked(request.messages[-1].content)),
            output=summary(self.masked(record.reply.text if record else error or "")),
            duration_ms=duration_ms,
            **{
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": request.model.partition("/")[0],
                **{name: getattr(usage, field) for field, name in TOKENS.items()},
            },
            cost_usd=record.cost_usd if record else cost_usd,
            **({"reused": True} if reused else {}),
            error=self.masked(error)[:500] if error else None,
            call=record.digest if record else None,
            record_sha256=self._checksum(record, reused) if record else None,
        )

    def _checksum(self, record: CallRecord, reused: bool) -> str | None:
        return self._store.checksum_of(record) if reused else self._store.checksum(record.digest)

    def _has_own(self, digest: str) -> bool:
        return (self._store.folder / "calls" / f"{digest}.json").exists()

    def masked(self, text: str) -> str:
        """Return ``text`` without keys: a server's message may repeat the one that it was sent."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def summary(text: str) -> str:
    """Return ``text`` in one line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
