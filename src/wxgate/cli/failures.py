"""Failures in words: what happened, and what to do next."""

import errno
from dataclasses import asdict, dataclass

from wxgate.errors import (
    AlreadyRunning,
    BadFile,
    BadKey,
    CircuitOpen,
    ClearsUsedUp,
    ConfigError,
    GatewayError,
    InvalidPush,
    LinkRefused,
    NeedsReauthorization,
    NotAuthorized,
    NotFound,
    RenewalsExhausted,
    RequestRefused,
    StorageError,
    TicketMissing,
    UpstreamError,
    WeChatError,
)

DEBUG = "WXGATE_DEBUG"
"""Set in the environment, it lets a trace through."""

HINTS: tuple[tuple[type[GatewayError], str], ...] = (
    (BadKey, "copy the key again from where it was made; `wxgate platform add --generate` makes a new one"),
    (BadFile, "nothing was changed; mend the file and run the command again"),
    (ConfigError, "`wxgate settings` shows every setting and where its value comes from"),
    (NotFound, "`wxgate platform list` and `wxgate account list` show what this database has"),
    (
        RenewalsExhausted,
        "see whether another program renews this token or the AppSecret is wrong, then try again",
    ),
    (AlreadyRunning, "wait until it is done; `wxgate reconcile` shows its own result only"),
    (TicketMissing, "`wxgate platform show` tells the ticket's age and the URL it must be pushed to"),
    (NeedsReauthorization, "`wxgate invite` makes a link for the merchant"),
    (NotAuthorized, "`wxgate account list` shows who has authorised whom; `wxgate invite` makes a link"),
    (StorageError, "check WXGATE_DATABASE_URL, the disk and the rights to it, then try again"),
    (CircuitOpen, "valid tokens are served meanwhile; see what failed in the log, or `wxgate quota show`"),
    (UpstreamError, "check the network, WXGATE_OUTBOUND_PROXY and WXGATE_API_BASE_URL, then try again"),
    (LinkRefused, "see `wxgate invite --help` for the choices"),
    (RequestRefused, "`wxgate client --help` shows how keys are made, narrowed and ended"),
    (ClearsUsedUp, "daily counts begin anew at midnight, China time; `wxgate quota show` tells what is left"),
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
    cause: str = ""
    action: str = ""
    cause_zh: str = ""
    action_zh: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the fields that say something."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


def describe(error: Exception) -> Failure:
    """Describe any failure of a command."""
    kind = type(error).__name__
    match error:
        case WeChatError():
            return _refusal(kind, error)
        case GatewayError():
            hint = next((hint for branch, hint in HINTS if isinstance(error, branch)), "")
            if type(error) is ConfigError and "WXGATE_" not in str(error):
                hint = ""  # It is no setting that is wrong, and the message says what is.
            if type(error) is NotFound and "`wxgate " in str(error):
                hint = ""  # The message names the command that shows what there is.
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


def _refusal(kind: str, error: WeChatError) -> Failure:
    from wxgate.protocol import errcodes

    known = error.explanation or errcodes.explain(error)
    return Failure(
        kind,
        error.answer,
        f"{known.cause} {known.action}",
        error.errcode,
        error.rid,
        **asdict(known),
    )
