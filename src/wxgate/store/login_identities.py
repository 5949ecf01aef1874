"""Subjects, and the names by which WeChat knows them.

A name stands for one subject. Whoever links names holds their locks, whoever moves them the realm's
(`login_locks`), so that what was read stays true until it is written.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from wxgate.login.people import PLACEHOLDER
from wxgate.login.records import Conflict, Identity, IdentityKind, Name, Profile, Subject
from wxgate.store.database import Database
from wxgate.store.login_locks import lock_names, lock_realm
from wxgate.store.login_tables import (
    codes,
    conflicts,
    grants,
    identities,
    session_clients,
    sessions,
    subjects,
)
from wxgate.store.tables import Moment
from wxgate.store.upsert import insert_for

T = TypeVar("T")

NAMES_AT_ONCE = 200
"""How many names one query asks for."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What WeChat said of one person, in one verified answer."""

    realm: str
    names: tuple[Name, ...]
    new_sub: str
    profile: Profile
    now: datetime


class SqlIdentities:
    """Implements login's Identities."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, realm: str, names: Sequence[Name]) -> Mapping[Name, str]:
        """Look names up."""
        if not names:
            return {}
        async with self._database.read() as connection:
            return await connection.run_sync(partial(_find, realm=realm, names=names))

    async def resolve(
        self,
        realm: str,
        names: Sequence[Name],
        *,
        new_sub: str,
        profile: Profile,
        now: datetime,
    ) -> tuple[Subject, Sequence[Conflict]]:
        """Find or make a subject, and link names to it; conflicts that are known already are not returned."""
        if not names:
            raise ValueError("nobody can be known without a name")
        answer = _Answer(realm, tuple(dict.fromkeys(names)), new_sub, profile, now)
        return await self._database.batch(partial(_resolve, answer=answer))

    async def subject(self, realm: str, sub: str) -> Subject | None:
        """Load a subject."""
        query = select(subjects).where(subjects.c.realm == realm, subjects.c.sub == sub)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _read_subject(row) if row is not None else None

    async def subjects(
        self, realm: str, *, search: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Subject]:
        """List subjects."""
        query = (
            select(subjects)
            .where(subjects.c.realm == realm, subjects.c.sub > after)
            .order_by(subjects.c.sub)
            .limit(limit)
        )
        if search:
            named = select(identities.c.sub).where(identities.c.realm == realm, identities.c.value == search)
            query = query.where(or_(subjects.c.sub == search, subjects.c.sub.in_(named)))
        async with self._database.read() as connection:
            return [_read_subject(row) for row in (await connection.execute(query)).all()]

    async def names(self, realm: str, sub: str) -> Sequence[Identity]:
        """List the names of a subject, oldest first."""
        query = (
            select(identities)
            .where(identities.c.realm == realm, identities.c.sub == sub)
            .order_by(identities.c.linked_at, identities.c.kind, identities.c.space, identities.c.value)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Identity(row.realm, _read_name(row), row.sub, row.linked_at) for row in rows]

    async def merge(self, realm: str, *, kept: str, other: str, now: datetime) -> bool:
        """Make `other` and its aliases aliases of `kept`, which gets their names."""
        return await self._database.batch(partial(_merge, realm=realm, kept=kept, other=other, now=now))

    async def conflicts(self, realm: str | None = None, *, open_only: bool = True) -> Sequence[Conflict]:
        """List conflicts."""
        query = select(conflicts).order_by(conflicts.c.id)
        if realm is not None:
            query = query.where(conflicts.c.realm == realm)
        if open_only:
            query = query.where(conflicts.c.settled_at.is_(None))
        async with self._database.read() as connection:
            return [_read_conflict(row) for row in (await connection.execute(query)).all()]

    async def move_openids(
        self, realm: str, *, from_appid: str, to_appid: str, openids: Mapping[str, str], now: datetime
    ) -> Mapping[str, str]:
        """Link new openids, some at a time; what stands for another subject stays and becomes a conflict."""
        outcomes: dict[str, str] = {}
        for some in _parts(list(openids.items())):
            pairs = [
                (
                    Name(IdentityKind.OPENID, from_appid, old),
                    Name(IdentityKind.OPENID, to_appid, new),
                )
                for old, new in some
            ]
            outcomes |= await self._database.batch(partial(_move, realm=realm, pairs=pairs, now=now))
        return outcomes

    async def openids(self, realm: str, appid: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """List the openids of an account."""
        query = (
            select(identities.c.value)
            .where(_of_account(realm, appid), identities.c.value > after)
            .order_by(identities.c.value)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.scalars(query)).all())

    async def count_openids(self, realm: str, appid: str) -> int:
        """Count the openids of an account."""
        query = select(func.count()).select_from(identities).where(_of_account(realm, appid))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def forget(self, realm: str, sub: str) -> bool:
        """Delete a subject and its aliases with all that is theirs."""
        return await self._database.batch(partial(_forget, realm=realm, sub=sub))


def aliases_of(realm: str, sub: str) -> Select[tuple[str]]:
    """Select the aliases of a subject: under each of them may be sessions."""
    return select(subjects.c.sub).where(subjects.c.realm == realm, subjects.c.alias_of == sub)


def _of_account(realm: str, appid: str) -> ColumnElement[bool]:
    return and_(
        identities.c.realm == realm,
        identities.c.kind == IdentityKind.OPENID.value,
        identities.c.space == appid,
    )


def _find(connection: Connection, realm: str, names: Iterable[Name]) -> dict[Name, str]:
    found: dict[Name, str] = {}
    same = and_(subjects.c.realm == identities.c.realm, subjects.c.sub == identities.c.sub)
    query = select(
        identities.c.kind,
        identities.c.space,
        identities.c.value,
        func.coalesce(subjects.c.alias_of, identities.c.sub).label("sub"),
    ).select_from(identities.outerjoin(subjects, same))
    key = tuple_(identities.c.kind, identities.c.space, identities.c.value)
    for some in _parts(list(names)):
        wanted = key.in_([(name.kind.value, name.space, name.value) for name in some])
        for row in connection.execute(query.where(identities.c.realm == realm, wanted)).all():
            found[_read_name(row)] = row.sub
    return found


def _resolve(connection: Connection, answer: _Answer) -> tuple[Subject, Sequence[Conflict]]:
    lock_names(connection, answer.realm, answer.names)
    known = _find(connection, answer.realm, answer.names)
    sub = next((known[name] for name in answer.names if name in known), None)
    subject = _make(connection, answer) if sub is None else _note_login(connection, answer, sub)
    _link(connection, answer.realm, subject.sub, [n for n in answer.names if n not in known], answer.now)
    found = [
        _note_conflict(connection, answer.realm, subject.sub, known[name], name, answer.now)
        for name in answer.names
        if known.get(name, subject.sub) != subject.sub
    ]
    return subject, [conflict for conflict in found if conflict is not None]


def _make(connection: Connection, answer: _Answer) -> Subject:
    row = {
        "realm": answer.realm,
        "sub": answer.new_sub,
        "created_at": answer.now,
        "updated_at": answer.now,
        "nickname": answer.profile.nickname,
        "avatar": answer.profile.avatar,
        "last_login_at": answer.now,
    }
    statement = subjects.insert().values(**row).returning(*subjects.c)
    return _read_subject(connection.execute(statement).one())


def _note_login(connection: Connection, answer: _Answer, sub: str) -> Subject:
    """Write down a login and what is new of the profile; `updated_at` is when that last changed."""
    told: dict[Column[Any], Any] = {
        subjects.c[name]: value
        for name, value in (("nickname", answer.profile.nickname), ("avatar", answer.profile.avatar))
        if value is not None
    }
    if answer.profile.nickname == PLACEHOLDER:
        # Everybody's name and picture, which are better than none, and worse than those of somebody.
        told = {column: func.coalesce(column, value) for column, value in told.items()}
    at = literal(answer.now, Moment())
    new = or_(false(), *(column.is_distinct_from(value) for column, value in told.items()))
    statement = (
        update(subjects)
        .where(subjects.c.realm == answer.realm, subjects.c.sub == sub)
        .values(
            {
                **told,
                subjects.c.updated_at: case((new, at), else_=subjects.c.updated_at),
                subjects.c.last_login_at: answer.now,
            }
        )
        .returning(*subjects.c)
    )
    return _read_subject(connection.execute(statement).one())


def _link(connection: Connection, realm: str, sub: str, names: Sequence[Name], now: datetime) -> None:
    if names:
        rows = [{"realm": realm, **_name_row(name), "sub": sub, "linked_at": now} for name in names]
        connection.execute(identities.insert().values(rows))


def _note_conflict(
    connection: Connection, realm: str, kept: str, other: str, name: Name, now: datetime
) -> Conflict | None:
    """Write a conflict down; None when it is known."""
    row = {"realm": realm, "kept": kept, "other": other, **_name_row(name), "found_at": now}
    statement = insert_for(connection, conflicts).values(**row).on_conflict_do_nothing()
    added = connection.execute(statement.returning(*conflicts.c)).first()
    return _read_conflict(added) if added is not None else None


def _merge(connection: Connection, realm: str, kept: str, other: str, now: datetime) -> bool:
    lock_realm(connection, realm)
    both = select(subjects.c.sub).where(
        subjects.c.realm == realm, subjects.c.sub.in_([kept, other]), subjects.c.alias_of.is_(None)
    )
    if len(connection.execute(both).all()) < 2:
        return False
    theirs = (identities.c.realm == realm) & (identities.c.sub == other)
    connection.execute(update(identities).where(theirs).values(sub=kept))
    connection.execute(
        update(subjects)
        .where(subjects.c.realm == realm, or_(subjects.c.sub == other, subjects.c.alias_of == other))
        .values(alias_of=kept)
    )
    _settle(connection, realm, kept, other, now)
    return True


def _settle(connection: Connection, realm: str, kept: str, other: str, now: datetime) -> None:
    """Settle the conflicts of two subjects; what the one had with third ones is now the other's."""
    table = conflicts.c
    query = select(conflicts).where(
        table.realm == realm, table.settled_at.is_(None), or_(table.kept == other, table.other == other)
    )
    for row in connection.execute(query).all():
        ends = {kept if end == other else end for end in (row.kept, row.other)}
        moved = {
            "kept": kept if row.kept == other else row.kept,
            "other": kept if row.other == other else row.other,
        }
        same = [table[name] == row._mapping[name] for name in ("realm", "kind", "space", "value")]
        there = select(table.id).where(*same, table.kept == moved["kept"], table.other == moved["other"])
        settled = len(ends) == 1 or connection.execute(there).first() is not None
        changes = {"settled_at": now} if settled else moved
        connection.execute(update(conflicts).where(table.id == row.id).values(**changes))


def _move(
    connection: Connection, realm: str, pairs: Sequence[tuple[Name, Name]], now: datetime
) -> dict[str, str]:
    lock_realm(connection, realm)
    known = _find(connection, realm, [name for pair in pairs for name in pair])
    outcomes: dict[str, str] = {}
    for old, new in pairs:
        sub = known.get(old)
        if sub is None:
            outcomes[old.value] = "unknown"
        elif new not in known:
            _link(connection, realm, sub, [new], now)
            known[new] = sub
            outcomes[old.value] = "linked"
        elif known[new] == sub:
            outcomes[old.value] = "known"
        else:
            _note_conflict(connection, realm, sub, known[new], new, now)
            outcomes[old.value] = "conflict"
    return outcomes


def _forget(connection: Connection, realm: str, sub: str) -> bool:
    lock_realm(connection, realm)
    subs = [sub, *connection.scalars(aliases_of(realm, sub))]
    theirs = select(sessions.c.sid).where(sessions.c.realm == realm, sessions.c.sub.in_(subs))
    connection.execute(delete(session_clients).where(session_clients.c.sid.in_(theirs)))
    ends = or_(conflicts.c.kept.in_(subs), conflicts.c.other.in_(subs))
    connection.execute(delete(conflicts).where(conflicts.c.realm == realm, ends))
    # Grants before codes, as whoever replaces a grant locks them.
    for table in (identities, grants, codes, sessions):
        connection.execute(delete(table).where(table.c.realm == realm, table.c.sub.in_(subs)))
    gone = delete(subjects).where(subjects.c.realm == realm, subjects.c.sub.in_(subs))
    return connection.execute(gone).rowcount > 0


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + NAMES_AT_ONCE] for start in range(0, len(items), NAMES_AT_ONCE))


def _name_row(name: Name) -> dict[str, str]:
    return {"kind": name.kind.value, "space": name.space, "value": name.value}


def _read_name(row: Any) -> Name:
    return Name(IdentityKind(row.kind), row.space, row.value)


def _read_subject(row: Row[Any]) -> Subject:
    return Subject(
        sub=row.sub,
        realm=row.realm,
        created_at=row.created_at,
        updated_at=row.updated_at,
        profile=Profile(row.nickname, row.avatar),
        alias_of=row.alias_of,
        last_login_at=row.last_login_at,
    )


def _read_conflict(row: Row[Any]) -> Conflict:
    return Conflict(row.id, row.realm, row.kept, row.other, _read_name(row), row.found_at, row.settled_at)
