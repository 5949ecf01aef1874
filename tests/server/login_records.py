"""People and sessions as they are after logins, for tests of what operators see of them."""

from datetime import datetime, timedelta

from tests.harness import World
from tests.store.login_rows import know
from wxgate.login.records import (
    Acr,
    Conflict,
    IdentityKind,
    Mode,
    Name,
    Profile,
    Session,
)

APPID = "wxlogin0000000001"


def openid(value: str) -> Name:
    """Name somebody by an openid."""
    return Name(IdentityKind.OPENID, APPID, value)


def unionid(value: str) -> Name:
    """Name somebody by a unionid of the realm."""
    return Name(IdentityKind.UNIONID, "main", value)


async def put_person(world: World, sub: str, *names: Name, nickname: str | None = None) -> list[Conflict]:
    """Let WeChat have named somebody; return the conflicts it showed."""
    _, conflicts = await world.node.store.login.identities.resolve(
        "main", names, new_sub=sub, profile=Profile(nickname), now=world.node.clock.now()
    )
    return list(conflicts)


def make_session(sub: str, sid: str, now: datetime, *, app: str = "shop") -> Session:
    """Describe somebody as logged in."""
    return Session(
        id_hash=f"id of {sid}", presence_hash="presence", realm="main", sub=sub, app=app, appid=APPID,
        openid=f"openid of {sub}", acr=Acr.SILENT, mode=Mode.SILENT, started_at=now, proved_at=now,
        seen_at=now, expires_at=now + timedelta(days=30), sid=sid, agent="WeChat", address="203.0.113.7",
    )  # fmt: skip


async def put_session(world: World, sub: str, sid: str, *, app: str = "shop") -> None:
    """Let somebody be logged in."""
    session = make_session(sub, sid, world.node.clock.now(), app=app)
    await know(world.node.store, sub, realm="main")
    assert await world.node.store.login.sessions.create(session)
