"""Who hears of what happens at the door."""

from typing import Protocol

from wxgate.login.records import App, Conflict, Mode, Proof, Realm


class Listener(Protocol):
    """Counts, logs and tells subscribers."""

    async def conflict(self, conflict: Conflict) -> None:
        """Hear that one answer of WeChat's named two subjects."""
        ...

    async def app_unavailable(self, app: App, reason: str) -> None:
        """Hear that nobody can log in by an app until somebody mends it (P21)."""
        ...

    def attempt(self, app: str, mode: Mode, outcome: str) -> None:
        """Count the end of an attempt, or of what came back to one."""
        ...

    def logged_in(self, realm: Realm, proof: Proof, sub: str) -> None:
        """Hear that WeChat has proved who somebody is; what follows from it must not hold the login up."""
        ...

    def session(self, realm: str, event: str) -> None:
        """Count what became of a session: started, proved, replaced, ended."""
        ...
