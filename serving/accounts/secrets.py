"""Secrets that are handed out once; only their digests are kept."""

import hashlib
import secrets

TOKEN_PREFIX = "rnd_"  # noqa: S105 - tells a leaked token apart in a search for secrets


def new_secret(prefix: str = "") -> str:
    """Return a secret of 32 random bytes (256 bits), safe in URLs and cookies."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 in hex.

    A fast hash is enough: with 256 random bits there is nothing to guess. Looking a digest up
    also gives no timing hint about the secret.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
