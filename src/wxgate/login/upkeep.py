"""What login keeps no longer, deleted; any node may, at any time."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from wxgate.clock import Clock
from wxgate.login.ports import Attempts, Codes, Grants, Scans, Sessions

OUTCOMES_KEPT = timedelta(seconds=60)
"""How long the redirect of a login is given again: it holds the session's id, sealed."""

ATTEMPTS_KEPT = timedelta(days=1)
"""How long an attempt is remembered after its end, so that a late callback is known for what it is."""

CODES_KEPT = timedelta(days=1)
"""How long a code of ours is remembered: one that is shown again ends what came of it."""

GRANTS_KEPT = timedelta(days=1)
SCANS_KEPT = timedelta(days=1)

SESSIONS_KEPT = timedelta(days=90)
"""How long an ended session stays to be looked at: by whom, from where, and why it ended."""


class LoginUpkeep:
    """Deletes what is over, and sees that keys are turned over."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        sessions: Sessions,
        codes: Codes,
        grants: Grants,
        scans: Scans,
        clock: Clock,
        turn_keys: Callable[[], Awaitable[object]],
        on_removed: Callable[[str, int], object] = lambda kind, count: None,
    ) -> None:
        self._attempts = attempts
        self._sessions = sessions
        self._codes = codes
        self._grants = grants
        self._scans = scans
        self._clock = clock
        self._turn_keys = turn_keys
        self._on_removed = on_removed

    async def forget_outcomes(self) -> int:
        """Forget the redirects of logins that are a minute old, and attempts of yesterday."""
        now = self._clock.now()
        return await self._attempts.prune(
            expired_before=now - ATTEMPTS_KEPT, outcomes_before=now - OUTCOMES_KEPT
        )

    async def turn_keys(self) -> None:
        """Make the signing keys that are due, and retire those that are done."""
        await self._turn_keys()

    async def tend(self) -> int:
        """Delete what is kept no longer; return how many records went."""
        now, total = self._clock.now(), 0
        for kind, removed in (
            ("login_code", await self._codes.prune(expired_before=now - CODES_KEPT)),
            ("login_token", await self._grants.prune(expired_before=now - GRANTS_KEPT)),
            ("login_scan", await self._scans.prune(expired_before=now - SCANS_KEPT)),
            ("login_session", await self._sessions.prune(ended_before=now - SESSIONS_KEPT)),
        ):
            total += removed
            if removed:
                self._on_removed(kind, removed)
        return total
