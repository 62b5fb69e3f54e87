"""Polls by web service."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import AfterValidator, BaseModel, Field

app = FastAPI()


def _different(options: list[str]) -> list[str]:
    if len(set(options)) < len(options):
        raise ValueError("an option occurs twice")
    return options


class NewPoll(BaseModel):
    """What is asked for."""

    question: Annotated[str, Field(min_length=1)]
    options: Annotated[list[str], Field(min_length=2), AfterValidator(_different)]


class Poll(NewPoll):
    """A poll with its number."""

    id: int


class Vote(BaseModel):
    """A vote of one voter."""

    voter: str
    option: str


_POLLS: dict[int, Poll] = {}
_VOTES: dict[int, dict[str, str]] = {}
_CLOSED: set[int] = set()


def _known(number: int) -> Poll:
    if number not in _POLLS:
        raise HTTPException(404, "there is no such poll")
    return _POLLS[number]


@app.post("/polls", status_code=201)
def make(wanted: NewPoll) -> Poll:
    """Make a poll."""
    poll = Poll(id=len(_POLLS) + 1, **wanted.model_dump())
    _POLLS[poll.id], _VOTES[poll.id] = poll, {}
    return poll


@app.get("/polls/{number}")
def show(number: int) -> Poll:
    """Return a poll."""
    return _known(number)


@app.post("/polls/{number}/votes", status_code=201)
def vote(number: int, given: Vote) -> Vote:
    """Count a vote."""
    poll = _known(number)
    if number in _CLOSED or given.voter in _VOTES[number]:
        raise HTTPException(409, "the poll is closed, or the voter has voted")
    if given.option not in poll.options:
        raise HTTPException(422, "there is no such option")
    _VOTES[number][given.voter] = given.option
    return given


@app.get("/polls/{number}/results")
def results(number: int) -> dict[str, object]:
    """Return counts, total and winner."""
    votes = list(_VOTES[_known(number).id].values())
    counts = {option: votes.count(option) for option in _POLLS[number].options}
    best = [option for option, count in counts.items() if count == max(counts.values())]
    return {"counts": counts, "total": len(votes), "winner": best[0] if votes and len(best) == 1 else None}


@app.post("/polls/{number}/close")
def close(number: int) -> Poll:
    """End a poll."""
    _CLOSED.add(_known(number).id)
    return _POLLS[number]
