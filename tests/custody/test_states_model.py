"""Any history of news, codes and evidence, in any order, against a model that is written another way.

The model knows no table and no columns. It remembers what happened and answers from that: the state is what
the last thing that counted made of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.servers.templates import migrated_file
from wxgate.custody.records import (
    Authorization,
    Evidence,
    Exchange,
    ExchangeSource,
    FetchedToken,
    Grant,
    NewExchange,
    StateChange,
)
from wxgate.custody.states import Trigger
from wxgate.custody.vault import KeyRing, Vault
from wxgate.events.records import EventKind
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken
from wxgate.store import Store

PLATFORM, APPID = "wxplatform", "wxaccount"
KEY = TokenKey(PLATFORM, APPID, TokenKind.AUTHORIZER)
START = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = st.integers(min_value=0, max_value=12)
WORKED_ON, ENDED = timedelta(minutes=1), timedelta(hours=1)


def moment(seconds: int) -> datetime:
    """Give WeChat's time of a piece of news."""
    return START + timedelta(seconds=seconds)


@dataclass
class Model:
    """What must be held of one account, kept as plainly as possible."""

    known: bool = False
    state: str = "pending"
    newest: int = -1
    token: str | None = None
    token_from: int = -1
    told: list[str] = field(default_factory=list)

    def hear_of_code(self, at: int) -> bool:
        """Hear that a code is on its way; return whether it counts."""
        if self.known and at < self.newest:
            return False
        if self.state == "revoked" or not self.known:
            self.state = "pending"
        if not self.known:
            self.token_from = at
        self.known, self.newest = True, at
        return True

    def hear_farewell(self, at: int) -> bool:
        """Hear that the merchant took it back; return whether it counts."""
        if self.known and at < self.newest:
            return False
        if not self.known:
            self.token_from = at
        self.known, self.newest, self.state, self.token = True, at, "revoked", None
        return True

    def exchange(self, at: int, token: str) -> None:
        """Exchange a code of that time, unless what it brought is out of date."""
        if self.known and self.state == "revoked" and self.newest > at:
            return
        if self.token is not None and self.token_from > at:
            return
        self.known, self.state, self.token, self.token_from = True, "active", token, at
        self.newest = max(self.newest, at)

    def find_out(self, what: Trigger, found: str | None) -> None:
        """Believe evidence that is known to be up to date."""
        before = self.state
        if what is Trigger.WORKS and before in ("pending", "needs_reauthorization"):
            self.state = "active"
        if what is Trigger.REFUSED and before != "revoked":
            self.state = "needs_reauthorization"
        if what is Trigger.GONE:
            self.state, self.token = "revoked", None
        if what is Trigger.FOUND:
            self.token = found
            if before != "degraded":
                self.state = "active"
        if what is Trigger.IMPAIRED and before == "active":
            self.state = "degraded"
        if what is Trigger.WHOLE and before == "degraded":
            self.state = "active"
        if self.state != before:
            self.told.append(f"wxgate.{self.state}")


class AuthorizationMachine(RuleBasedStateMachine):
    """Drives the real store and the model through the same history."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.model = Model()
        self.numbers = iter(range(1_000_000))
        self.claimed: list[tuple[Exchange, int]] = []
        self.looks: list[Authorization] = []

    @initialize()
    def open(self) -> None:
        """Open an empty store."""
        path = Path(self.folder.name) / "model.db"
        self.store = self.run(Store.open(f"sqlite:///{migrated_file(path)}", Vault(KeyRing.generate())))

    def teardown(self) -> None:
        """Close everything."""
        self.run(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def now(self) -> datetime:
        """Give a moment of our own clock, each later than the one before."""
        return START + ENDED + timedelta(milliseconds=next(self.numbers))

    def load(self) -> Authorization | None:
        """Load what is held."""
        held: Authorization | None = self.run(self.store.authorizations.load(PLATFORM, APPID))
        return held

    def news(self, trigger: Trigger, at: int) -> StateChange | None:
        """Apply a piece of news."""
        change: StateChange | None = self.run(
            self.store.authorizations.apply(
                PLATFORM, APPID, trigger=trigger, event_at=moment(at), reason="news", now=self.now()
            )
        )
        return change

    @rule(at=TIMES)
    def a_code_is_pushed(self, at: int) -> None:
        """WeChat pushes `authorized`, perhaps late, perhaps again."""
        assert (self.news(Trigger.CODE_GIVEN, at) is not None) is self.model.hear_of_code(at)

    @rule(at=TIMES)
    def a_farewell_is_pushed(self, at: int) -> None:
        """WeChat pushes `unauthorized`."""
        assert (self.news(Trigger.TAKEN_BACK, at) is not None) is self.model.hear_farewell(at)

    @rule(at=TIMES)
    def an_exchange_begins(self, at: int) -> None:
        """A node takes a code to WeChat; its answer comes later."""
        code = AuthorizationCode(f"code-{next(self.numbers)}")
        new = NewExchange(PLATFORM, code, ExchangeSource.AUTHORIZED, moment(at), APPID)
        job = self.run(self.store.exchanges.open(new, now=self.now()))
        claimed = self.run(self.store.exchanges.claim(job.id, now=self.now(), ttl=WORKED_ON))
        self.claimed.append((claimed, at))

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def an_exchange_ends(self, data: st.DataObject) -> None:
        """The answer of some exchange arrives, not always that of the oldest."""
        job, at = self.claimed.pop(data.draw(st.integers(0, len(self.claimed) - 1)))
        value = f"refresh-{next(self.numbers)}"
        access = FetchedToken(AuthorizerToken("access"), START, START + timedelta(days=9))
        grant = Grant(APPID, RefreshToken(value), (1, 2), access)
        assert self.run(self.store.exchanges.finish(job, grant, now=self.now())) is not None
        self.model.exchange(at, value)

    @precondition(lambda self: self.model.known)
    @rule()
    def a_node_looks(self) -> None:
        """A node loads the authorization, and begins to ask WeChat about it."""
        held = self.load()
        assert held is not None
        self.looks.append(held)

    @precondition(lambda self: self.looks)
    @rule(
        data=st.data(),
        what=st.sampled_from(
            sorted(set(Trigger) - {Trigger.CODE_GIVEN, Trigger.CODE_EXCHANGED, Trigger.TAKEN_BACK})
        ),
    )
    def evidence_comes_in(self, data: st.DataObject, what: Trigger) -> None:
        """WeChat's answer about what a node saw then, which need not be so any more."""
        about = self.looks[data.draw(st.integers(0, len(self.looks) - 1))]
        found = f"refresh-{next(self.numbers)}" if what is Trigger.FOUND else None
        evidence = Evidence(
            PLATFORM,
            APPID,
            about.event_at,
            about.refresh_token,
            "evidence",
            found=RefreshToken(found) if found else None,
        )
        told = about.refresh_token.reveal() if about.refresh_token else None
        counts = (moment(self.model.newest), self.model.token) == (about.event_at, told)
        change = self.run(self.store.authorizations.observe(evidence, what, now=self.now()))
        assert (change is not None) is counts, "evidence about something else must not count"
        if counts:
            self.model.find_out(what, found)

    @invariant()
    def what_is_held_is_what_the_model_says(self) -> None:
        """Compare the whole of it."""
        held = self.load() if hasattr(self, "store") else None
        if held is None:
            assert not self.model.known
            return
        assert self.model.known
        assert held.state == self.model.state
        assert (held.refresh_token.reveal() if held.refresh_token else None) == self.model.token
        assert held.event_at == moment(self.model.newest)

    @invariant()
    def what_was_revoked_has_no_token_of_any_kind(self) -> None:
        """Nobody may act for an account that left."""
        if self.model.known and self.model.state == "revoked":
            held = self.load()
            assert held is not None
            assert held.refresh_token is None
            assert self.run(self.store.tokens.load(KEY)) is None

    @invariant()
    def every_change_by_evidence_was_told_once(self) -> None:
        """Compare the events that handlers get."""
        if hasattr(self, "store"):
            events = self.run(self.store.inbox.find(limit=1000))
            names = [event.name for event in reversed(events) if event.kind is EventKind.GATEWAY]
            assert names == self.model.told


TestAuthorizations = pytest.mark.slow(AuthorizationMachine.TestCase)
TestAuthorizations.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
