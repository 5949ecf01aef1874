"""The people who logged in, over HTTP: their names, their sessions, and the end of these."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from wxgate.login.describing import describe_conflict, describe_session, describe_subject
from wxgate.login.records import IdentityKind
from wxgate.login.subjects import LIST_LIMIT, Whose
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node

Limit = Annotated[int, Query(ge=1, le=LIST_LIMIT)]
Search = Annotated[str, Query(max_length=200)]
After = Annotated[str, Query(max_length=200, description="The last one of the page before.")]


class NameOut(BaseModel):
    """One of WeChat's names for a person: an openid of an appid, or a unionid of a realm."""

    kind: IdentityKind
    space: str
    value: str
    linked_at: datetime


class SubjectOut(BaseModel):
    """A person; an alias stands for another since the two were merged."""

    sub: str
    realm: str
    nickname: str | None
    avatar: str | None
    alias_of: str | None
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


class SessionOut(BaseModel):
    """Somebody logged in at a browser."""

    sid: str
    realm: str
    sub: str
    app: str
    openid: str
    mode: str = Field(description="How WeChat was asked who it is.")
    acr: str = Field(description="How strong the proof is.")
    started_at: datetime
    proved_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str
    agent: str
    address: str


class PersonOut(SubjectOut):
    """A person with WeChat's names for them and their live sessions."""

    names: list[NameOut]
    sessions: list[SessionOut]


class ConflictOut(BaseModel):
    """Two people of a realm that one answer of WeChat's showed to be the same; `value` is what they share."""

    id: int
    realm: str
    kept: str
    other: str
    kind: IdentityKind
    space: str
    value: str
    found_at: datetime
    settled_at: datetime | None


class MergeIn(Given):
    """Who becomes another name of the person the address names."""

    other: str = Field(max_length=100)


class EndIn(Given):
    """Whose sessions end: a person's (sub), those a client has had (client_id), or those by an app (name)."""

    whose: Whose
    which: str = Field(min_length=1, max_length=100)


class EndedOut(BaseModel):
    """How many sessions have ended."""

    ended: int


def add_routes(router: APIRouter, node: Node) -> None:
    """Add the routes."""
    _add_subjects(router, node)
    _add_sessions(router, node)


def _add_subjects(router: APIRouter, node: Node) -> None:
    @router.get("/realms/{realm}/subjects")
    async def list_subjects(
        caller: Caller, realm: str, search: Search = "", after: After = "", limit: Limit = 100
    ) -> list[SubjectOut]:
        """List the people of a realm by `sub`; `search` is a sub, an openid or a unionid."""
        need_everything(caller)
        found = await node.login.subjects.find(realm, search=search, after=after, limit=limit)
        return [SubjectOut(**describe_subject(one)) for one in found]

    @router.get("/realms/{realm}/subjects/{sub}")
    async def show_subject(caller: Caller, realm: str, sub: str) -> PersonOut:
        """Show a person with WeChat's names for them and where they are logged in."""
        need_everything(caller)
        return await _person(node, realm, sub)

    @router.post("/realms/{realm}/subjects/{sub}/merge")
    async def merge_subjects(caller: Caller, realm: str, sub: str, given: MergeIn) -> PersonOut:
        """Make one person of two: the other becomes another name of this one, and has to log in again."""
        need_everything(caller)
        await node.login.subjects.merge(realm, kept=sub, other=given.other)
        return await _person(node, realm, sub)

    @router.delete("/realms/{realm}/subjects/{sub}")
    async def forget_subject(caller: Caller, realm: str, sub: str) -> EndedOut:
        """Forget a person with names, sessions and tokens; their next login makes a new `sub`."""
        need_everything(caller)
        return EndedOut(ended=await node.login.subjects.forget(realm, sub))

    @router.get("/conflicts")
    async def list_conflicts(
        caller: Caller, realm: str | None = None, settled: bool = False
    ) -> list[ConflictOut]:
        """List the pairs that WeChat showed to be one person, oldest first; `settled` those merged, too."""
        need_everything(caller)
        found = await node.login.subjects.conflicts(realm, open_only=not settled)
        return [ConflictOut(**describe_conflict(one)) for one in found]


def _add_sessions(router: APIRouter, node: Node) -> None:
    @router.get("/realms/{realm}/sessions")
    async def list_sessions(
        caller: Caller, realm: str, sub: str | None = None, after: After = "", limit: Limit = 100
    ) -> list[SessionOut]:
        """List the live sessions of a realm, or of one person."""
        need_everything(caller)
        found = await node.login.subjects.live(realm, sub=sub, after=after, limit=limit)
        return [SessionOut(**describe_session(one)) for one in found]

    @router.post("/realms/{realm}/sessions/end")
    async def end_sessions(caller: Caller, realm: str, given: EndIn) -> EndedOut:
        """End many sessions at once, and tell the applications that want to know."""
        need_everything(caller)
        which = given.which
        if given.whose is Whose.CLIENT:
            which = (await node.login.configuration.require_client(which)).id
        return EndedOut(ended=len(await node.login.subjects.end_all(realm, given.whose, which)))

    @router.delete("/sessions/{sid}")
    async def end_session(caller: Caller, sid: str) -> SessionOut:
        """End one session, named as applications know it (`sid`)."""
        need_everything(caller)
        return SessionOut(**describe_session(await node.login.subjects.end(sid)))


async def _person(node: Node, realm: str, sub: str) -> PersonOut:
    person = await node.login.subjects.require(realm, sub)
    return PersonOut(
        **describe_subject(person.subject, person.names),
        sessions=[SessionOut(**describe_session(one)) for one in person.sessions],
    )
