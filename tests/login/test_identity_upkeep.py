"""Behind the login: unionids that are filled in, and what shows that two subjects are one person."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.server.login_records import make_session
from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import Unreachable
from wxgate.login.backfill import ASK_AGAIN, Backfill
from wxgate.login.news import CONFLICT, MERGED, conflict_news, merge_news
from wxgate.login.records import App, AppKind, Conflict, IdentityKind, Mode, Name, Profile, Proof, Realm
from wxgate.store import Store

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SHOP = App("shop", "main", AppKind.OFFICIAL, "wx-shop", "wx-platform", "晨光咖啡馆", START)
REALM = Realm("main", "晨光", START, unionid_backfill=True)
PROOF = Proof("shop", "wx-shop", "o-ann", Mode.SILENT)


@dataclass
class Stage:
    """A store, and a WeChat that knows unionids."""

    store: Store
    clock: ManualClock
    unionids: dict[str, str | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answer.set()
        self.backfill = Backfill(
            self.store.login.identities,
            self.store.login.sessions,
            self.clock,
            apps=self.store.login.realms.app,
            ask=self.ask,
            link=self.link,
        )

    async def ask(self, app: App, openid: str) -> str | None:
        """Answer as user/info does."""
        self.asked.append(openid)
        await self.answer.wait()
        known = self.unionids.get(openid)
        if isinstance(known, Exception):
            raise known
        return known

    async def link(self, realm: Realm, proof: Proof, now: datetime) -> None:
        """Link what came in one answer."""
        names = [Name(IdentityKind.OPENID, proof.appid, proof.openid)]
        if proof.unionid:
            names.append(Name(IdentityKind.UNIONID, realm.name, proof.unionid))
        _, found = await self.store.login.identities.resolve(
            realm.name, names, new_sub=f"u_{proof.openid}", profile=Profile(), now=now
        )
        self.conflicts += found

    async def logs_in(self, proof: Proof = PROOF, realm: Realm = REALM) -> str:
        """Log somebody in, and wait for what happens behind it."""
        await self.link(realm, proof, self.clock.now())
        sub = f"u_{proof.openid}"
        self.backfill.logged_in(realm, proof, sub)
        await self.backfill.settle()
        return sub

    async def sub_of(self, unionid: str) -> str | None:
        """Tell whom a unionid stands for."""
        name = Name(IdentityKind.UNIONID, "main", unionid)
        return (await self.store.login.identities.find("main", [name])).get(name)


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    """An empty stage."""
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    await store.login.realms.put_realm(REALM)
    await store.login.realms.put_app(SHOP)
    stage = Stage(store, ManualClock(START))
    yield stage
    await stage.backfill.close()
    await store.close()


async def test_a_followers_unionid_is_filled_in_behind_a_silent_login(stage: Stage) -> None:
    stage.unionids["o-ann"] = "union-ann"
    sub = await stage.logs_in()
    assert await stage.sub_of("union-ann") == sub
    stage.clock.advance(ASK_AGAIN)
    await stage.logs_in()
    assert stage.asked == ["o-ann"]


async def test_a_unionid_that_is_filled_in_reaches_the_sessions_there_are(stage: Stage) -> None:
    stage.unionids["o-ann"] = "union-ann"
    await stage.link(REALM, PROOF, START)
    sessions = stage.store.login.sessions
    mine = replace(make_session("u_o-ann", "s_1", START), appid="wx-shop", openid="o-ann")
    others = {"s_2": {"openid": "o-two"}, "s_3": {"unionid": "earlier"}, "s_4": {"ended_at": START}}
    changed = [replace(mine, sid=sid, id_hash=sid, **change) for sid, change in others.items()]  # type: ignore[arg-type]
    for session in (mine, *changed):
        assert await sessions.create(session)
    await stage.logs_in()
    kept = [await sessions.by_sid(f"s_{number}") for number in (1, 2, 3, 4)]
    assert [each and each.unionid for each in kept] == ["union-ann", None, "earlier", None]


async def test_who_does_not_follow_is_asked_about_once_a_day(stage: Stage) -> None:
    await stage.logs_in()
    await stage.logs_in()
    assert stage.asked == ["o-ann"]
    stage.clock.advance(ASK_AGAIN + timedelta(seconds=1))
    await stage.logs_in()
    assert stage.asked == ["o-ann", "o-ann"]


@pytest.mark.parametrize(
    ("proof", "realm"),
    [
        (PROOF, replace(REALM, unionid_backfill=False)),
        (replace(PROOF, unionid="union-ann"), REALM),
        (replace(PROOF, mode=Mode.QR), REALM),
        (replace(PROOF, app="removed"), REALM),
    ],
    ids=["not_wanted", "known", "no_account_to_follow", "no_such_app"],
)
async def test_nothing_is_asked_where_there_is_nothing_to_fill_in(
    stage: Stage, proof: Proof, realm: Realm
) -> None:
    await stage.logs_in(proof, realm)
    assert stage.asked == []


@pytest.mark.parametrize("fault", [Unreachable("no answer", sent=True), RuntimeError("odd")])
async def test_a_login_never_hears_of_a_failure(stage: Stage, fault: Exception) -> None:
    stage.unionids["o-ann"] = fault
    await stage.logs_in()
    stage.unionids["o-ann"] = "union-ann"
    stage.clock.advance(ASK_AGAIN + timedelta(seconds=1))
    await stage.logs_in()
    assert await stage.sub_of("union-ann") == "u_o-ann"


async def test_a_login_does_not_wait_for_the_answer(stage: Stage) -> None:
    stage.answer.clear()
    await stage.link(REALM, PROOF, START)
    stage.backfill.logged_in(REALM, PROOF, "u_o-ann")
    assert await stage.sub_of("union-ann") is None
    stage.unionids["o-ann"] = "union-ann"
    stage.answer.set()
    await stage.backfill.settle()
    assert await stage.sub_of("union-ann") == "u_o-ann"


async def test_two_subjects_that_meet_stay_apart_and_are_told_of(stage: Stage) -> None:
    await stage.link(REALM, replace(PROOF, openid="o-old", unionid="union-ann"), START)
    stage.unionids["o-ann"] = "union-ann"
    await stage.logs_in()
    [found] = stage.conflicts
    assert (found.kept, found.other) == ("u_o-ann", "u_o-old")
    assert await stage.sub_of("union-ann") == "u_o-old"
    news = conflict_news(found)
    assert news.name == CONFLICT
    assert news.fields == {
        "realm": "main",
        "kept": "u_o-ann",
        "other": "u_o-old",
        "by": "unionid",
        "conflict": str(found.id),
    }
    assert "union-ann" not in repr(news)


def test_a_merge_is_told_once_for_the_same_pair() -> None:
    one, two = (merge_news("main", kept="u_1", other=other) for other in ("u_2", "u_3"))
    assert one.name == MERGED
    assert one.key != two.key
    assert one.key == merge_news("main", kept="u_1", other="u_2").key
