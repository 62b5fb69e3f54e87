"""Short codes for web addresses."""

from __future__ import annotations

import secrets
import string
from typing import Annotated

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints

app = FastAPI()

_ALPHABET = string.ascii_letters + string.digits


class NewLink(BaseModel):
    """What is asked for."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://")]


class Link(BaseModel):
    """A code and what became of it."""

    code: str
    url: str
    visits: int = 0


_LINKS: dict[str, Link] = {}


def _known(code: str) -> Link:
    if code not in _LINKS:
        raise HTTPException(404, "there is no such code")
    return _LINKS[code]


@app.post("/links", status_code=201)
def make(wanted: NewLink, response: Response) -> dict[str, str]:
    """Give an address its code."""
    link = next((link for link in _LINKS.values() if link.url == wanted.url), None)
    if link is None:
        code = "".join(secrets.choice(_ALPHABET) for _ in range(6))
        link = _LINKS[code] = Link(code=code, url=wanted.url)
    else:
        response.status_code = 200
    return {"code": link.code, "url": link.url}


@app.get("/links/{code}")
def show(code: str) -> Link:
    """Return a link with its visits."""
    return _known(code)


@app.get("/go/{code}")
def follow(code: str) -> RedirectResponse:
    """Redirect to the address."""
    link = _known(code)
    link.visits += 1
    return RedirectResponse(link.url, 307)


@app.delete("/links/{code}", status_code=204)
def remove(code: str) -> None:
    """Remove a code."""
    del _LINKS[_known(code).code]
