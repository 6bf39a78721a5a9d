"""Errors that a user is meant to read.

Every message says what is wrong and what to do about it, and holds no patient text:
messages reach the page, the API, the logs and the command line alike.
"""


class RoundsError(Exception):
    """Base of all errors whose message is written for the user.

    status: the HTTP status the API answers with.
    """

    status = 500


class BadInput(RoundsError):
    """What the user gave cannot be used as it is; nothing was changed."""

    status = 422


class NotFound(RoundsError):
    """There is no such thing, or it belongs to someone else (the two are not told apart)."""

    status = 404


class Conflict(RoundsError):
    """Someone else changed it first; nothing was overwritten."""

    status = 409


class NotSignedIn(RoundsError):
    """Nobody is signed in, or the sign-in has run out."""

    status = 401


class NotAllowed(RoundsError):
    """The user's role does not reach this."""

    status = 403


class TooLong(BadInput):
    """The text does not fit into what the model can read."""

    status = 413


class Busy(RoundsError):
    """The queue is full; try again in a moment."""

    status = 429


class EngineUnavailable(RoundsError):
    """The engine is starting, has crashed, or cannot be reached."""

    status = 503


class StreamBroken(EngineUnavailable):
    """The engine went away in mid-answer; the text written so far is kept by the caller."""


class StoreUnavailable(RoundsError):
    """The database is locked, cannot be reached, or cannot be read or written."""

    status = 503


class ModelProblem(RoundsError):
    """A model or adapter is missing, corrupt or does not fit the engine."""

    status = 422
