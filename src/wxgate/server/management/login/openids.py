"""Openids of an account that moved, over HTTP: a thousand at a time, so that no request runs for hours."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.login.openid_import import BATCH, Progress, Result
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node

MOST = 10 * BATCH

APPID = r"^[A-Za-z0-9_-]{1,64}$"


class PairIn(Given):
    """An openid of the old account and what it is at the new one."""

    old: str = Field(min_length=1, max_length=128)
    new: str = Field(min_length=1, max_length=128)


class ImportIn(Given):
    """Which account moved to which; without `pairs` WeChat converts the openids that are known here."""

    from_appid: str = Field(pattern=APPID)
    to_appid: str = Field(pattern=APPID)
    pairs: list[PairIn] | None = Field(default=None, max_length=MOST)
    after: str = Field(default="", max_length=128, description="Where the import before this one ended.")
    dry_run: bool = False


class ImportOut(BaseModel):
    """What came of them. `after` is what to send next time; it is null when there are no more."""

    total: int
    done: int
    results: dict[Result, int]
    after: str | None
    dry_run: bool


def add_routes(router: APIRouter, node: Node) -> None:
    """Add the routes."""

    @router.post("/realms/{realm}/openids/import")
    async def import_openids(caller: Caller, realm: str, given: ImportIn) -> ImportOut:
        """Link the new openids of an account that moved to the old ones' people; repeating is harmless."""
        need_everything(caller)
        await node.login.configuration.require_realm(realm)
        openids, names = node.login.openids, (given.from_appid, given.to_appid)
        if given.pairs is not None:
            pairs = [(pair.old, pair.new) for pair in given.pairs]
            steps = openids.by_list(realm, *names, pairs, dry_run=given.dry_run)
        else:
            steps = openids.by_wechat(realm, *names, after=given.after, dry_run=given.dry_run)
        last: Progress | None = None
        async for step in steps:
            last = step
            if given.pairs is None and step.done >= MOST:
                return _out(step, step.after, dry_run=given.dry_run)
        assert last is not None
        return _out(last, None, dry_run=given.dry_run)


def _out(step: Progress, after: str | None, *, dry_run: bool) -> ImportOut:
    return ImportOut(
        total=step.total, done=step.done, results=dict(step.results), after=after, dry_run=dry_run
    )
