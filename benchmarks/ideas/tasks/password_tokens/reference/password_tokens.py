"""Hashed passwords and signed tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os

ROUNDS = 20_000
"""Few, so that tests are quick; a real site takes more."""


def _slow(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)


def hash_password(password: str) -> str:
    """Return rounds, salt and hash as one text."""
    if not password:
        raise ValueError("a password must not be empty")
    salt = os.urandom(16)
    return f"{ROUNDS}${salt.hex()}${_slow(password, salt, ROUNDS).hex()}"


def verify_password(password: str, stored: str) -> bool:
    """Return whether ``password`` is what was hashed."""
    try:
        rounds, salt, digest = stored.split("$")
        return hmac.compare_digest(_slow(password, bytes.fromhex(salt), int(rounds)), bytes.fromhex(digest))
    except (ValueError, OverflowError):
        return False


def _signature(body: str, secret: str) -> str:
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def make_token(user: str, secret: str, now: float, lifetime: float = 3600) -> str:
    """Return a signed token."""
    body = base64.urlsafe_b64encode(json.dumps([user, now + lifetime]).encode()).decode()
    return f"{body}.{_signature(body, secret)}"


def read_token(token: str, secret: str, now: float) -> str:
    """Return the user of a token that is valid at ``now``."""
    body, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(body, secret).encode()):
        raise ValueError("the signature does not fit")
    user, end = json.loads(base64.urlsafe_b64decode(body))
    if now >= end:
        raise ValueError("the token has run out")
    return str(user)
