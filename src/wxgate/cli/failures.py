"""Failures in words: what happened, and what to do next."""

import errno
from dataclasses import asdict, dataclass

from wxgate.errors import (
    BadKey,
    ConfigError,
    GatewayError,
    InvalidPush,
    LinkRefused,
    NeedsReauthorization,
    NotAuthorized,
    NotFound,
    StorageError,
    TicketMissing,
    UpstreamError,
    WeChatError,
)

DEBUG = "WXGATE_DEBUG"
"""Set in the environment, it lets a trace through."""

HINTS: tuple[tuple[type[GatewayError], str], ...] = (
    (BadKey, "copy the key again from where it was made; `wxgate platform add --generate` makes a new one"),
    (ConfigError, "`wxgate settings` shows every setting and where its value comes from"),
    (NotFound, "`wxgate platform list` and `wxgate account list` show what this database has"),
    (TicketMissing, "`wxgate platform show` tells the ticket's age and the URL it must be pushed to"),
    (NeedsReauthorization, "`wxgate invite` makes a link for the merchant"),
    (NotAuthorized, "`wxgate account list` shows who has authorised whom; `wxgate invite` makes a link"),
    (StorageError, "check WXGATE_DATABASE_URL, the disk and the rights to it, then try again"),
    (UpstreamError, "check the network, WXGATE_OUTBOUND_PROXY and WXGATE_API_BASE_URL, then try again"),
    (LinkRefused, "see `wxgate invite --help` for the choices"),
    (InvalidPush, "`wxgate decrypt` tells step by step what is wrong with a push"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure as shown to people and machines."""

    kind: str
    message: str
    hint: str = ""
    errcode: int | None = None
    rid: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the fields that say something."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


def describe(error: Exception) -> Failure:
    """Describe any failure of a command."""
    kind = type(error).__name__
    match error:
        case WeChatError():
            return Failure(kind, str(error), _advice(error), error.errcode, error.rid)
        case GatewayError():
            hint = next((hint for branch, hint in HINTS if isinstance(error, branch)), "")
            return Failure(kind, str(error), hint)
        case OSError(errno=errno.EADDRINUSE):
            return Failure(
                kind, str(error), "another program listens there; choose another --port, 0 takes a free one"
            )
        case OSError():
            return Failure(kind, str(error), "check the path, the address and your rights to it")
        case _ if type(error).__module__.startswith("sqlalchemy"):
            first = str(getattr(error, "orig", None) or error).splitlines()[0]
            return Failure(
                kind, f"the database refuses: {first}", "check WXGATE_DATABASE_URL, then `wxgate migrate`"
            )
        case _:
            return Failure(
                kind, f"{kind}: {error}", "this is a fault of wxgate; WXGATE_DEBUG=1 shows the trace"
            )


def _advice(error: WeChatError) -> str:
    from wxgate.protocol import errcodes

    explanation = errcodes.explain(error)
    return " ".join(part for part in (explanation.cause, explanation.action) if part)
