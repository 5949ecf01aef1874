"""Authorizations taken over from another system: a list of (appid, refresh token), checked against WeChat's.

WeChat's own list decides: who is not in it is refused, and where it has another refresh token than the file,
its own is taken.
"""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wxgate.client.component import ComponentApi, Granted, Listed
from wxgate.clock import Clock
from wxgate.custody.credentials import check_appid
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import TransferStore
from wxgate.custody.reconcile import moment
from wxgate.custody.records import Authorization, AuthorizationState, Brought
from wxgate.custody.sources import component_key
from wxgate.custody.transfer import ADVICE
from wxgate.errors import BadFile, ConfigError, Mistake, UpstreamError, WeChatError
from wxgate.secret import AccessToken, ComponentToken, RefreshToken

NAMES = {
    "appid": ("appid", "authorizer_appid"),
    "refresh_token": ("refresh_token", "authorizer_refresh_token"),
    "reference": ("reference",),
}
"""What a field may be called: ours, or as in WeChat's answers."""

AT_ONCE = 4
"""How many accounts WeChat is asked about at the same time."""

BATCH = 100


@dataclass(frozen=True, slots=True)
class Handed:
    """One line of a list."""

    line: int
    appid: str
    refresh_token: RefreshToken
    reference: str = ""


class Finding(StrEnum):
    """How a line stands against WeChat's list."""

    CONFIRMED = "confirmed"
    OTHER_TOKEN = "other_token"  # noqa: S105 - the name of a finding
    UNCONFIRMED = "unconfirmed"
    NOT_LISTED = "not_listed"


FINDINGS = {
    Finding.CONFIRMED: "",
    Finding.OTHER_TOKEN: "WeChat lists another refresh token, which was taken: the file's is an old one",
    Finding.UNCONFIRMED: "WeChat lists no refresh token for it; the file's was taken and may be an old one",
    Finding.NOT_LISTED: "WeChat does not list it: it never authorised this platform, or took it back",
}


@dataclass(frozen=True, slots=True)
class Takeover:
    """What became of one line; `outcome` is None for one that was refused."""

    line: int
    appid: str
    finding: Finding
    outcome: Brought | None
    reason: str


class Handover:
    """Takes authorizations over from another system."""

    def __init__(
        self, component: ComponentApi, keeper: TokenKeeper, store: TransferStore, clock: Clock
    ) -> None:
        self._component = component
        self._keeper = keeper
        self._store = store
        self._clock = clock

    async def take(
        self, platform: str, handed: Sequence[Handed], *, replace: bool, dry_run: bool
    ) -> AsyncIterator[Takeover]:
        """Check every line against WeChat's list and keep what it confirms, a batch at a time."""
        listed = await self._list(platform)
        for start in range(0, len(handed), BATCH):
            lines = handed[start : start + BATCH]
            known = [line for line in lines if line.appid in listed]
            granted = await self._ask(platform, [line.appid for line in known])
            authorizations = [
                self._authorization(platform, line, listed[line.appid], granted.get(line.appid))
                for line in known
            ]
            outcomes = await self._store.bring(
                authorizations, replace=replace, reason="import", now=self._clock.now(), dry_run=dry_run
            )
            became = {one.appid: outcome for one, outcome in zip(authorizations, outcomes, strict=True)}
            for line in lines:
                finding = judge(line, listed.get(line.appid))
                outcome = became.get(line.appid)
                advice = ADVICE.get(outcome, "") if outcome else ""
                yield Takeover(line.line, line.appid, finding, outcome, advice or FINDINGS[finding])

    async def _list(self, platform: str) -> Mapping[str, Listed]:
        async def walk(token: AccessToken) -> Mapping[str, Listed]:
            pages = self._component.authorizers(platform, ComponentToken.of(token))
            return {listed.appid: listed async for listed in pages}

        return await self._keeper.using(component_key(platform), walk)

    async def _ask(self, platform: str, appids: Sequence[str]) -> Mapping[str, Granted]:
        """Ask for the permission sets of accounts; one that WeChat does not tell of now is left out."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(appid: str) -> Granted | None:
            async def call(token: AccessToken) -> Granted:
                return (await self._component.authorizer_info(platform, ComponentToken.of(token), appid))[1]

            async with limit:
                try:
                    return await self._keeper.using(component_key(platform), call)
                except (WeChatError, UpstreamError):
                    return None

        answers = await asyncio.gather(*map(ask, appids))
        return {appid: answer for appid, answer in zip(appids, answers, strict=True) if answer}

    def _authorization(
        self, platform: str, line: Handed, listed: Listed, granted: Granted | None
    ) -> Authorization:
        now = self._clock.now()
        at = moment(listed.auth_time, now)
        func_ids = granted.func_ids if granted else ()
        return Authorization(
            platform=platform,
            appid=line.appid,
            state=AuthorizationState.ACTIVE,
            refresh_token=listed.refresh_token or line.refresh_token,
            func_ids=func_ids,
            granted_ids=func_ids,
            reason="import",
            reference=line.reference,
            authorized_at=at,
            event_at=at,
            updated_at=now,
        )


def judge(line: Handed, listed: Listed | None) -> Finding:
    """Judge a line by WeChat's."""
    if listed is None:
        return Finding.NOT_LISTED
    if listed.refresh_token is None:
        return Finding.UNCONFIRMED
    return Finding.CONFIRMED if listed.refresh_token == line.refresh_token else Finding.OTHER_TOKEN


def read_list(text: str, *, name: str) -> Sequence[Handed]:
    """Read a list as CSV with a head, or as JSON; raises BadFile with every mistake, duplicates included."""
    rows = _json_rows(text, name) if text.lstrip()[:1] in ("[", "{") else _csv_rows(text, name)
    mistakes: list[Mistake] = []
    handed: list[Handed] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            one = _handed(line, row)
        except ConfigError as error:
            mistakes.append(Mistake(line, 0, str(error)))
            continue
        if one.appid in seen:
            mistakes.append(Mistake(line, 0, f"{one.appid} is in line {seen[one.appid]} already"))
        seen.setdefault(one.appid, line)
        handed.append(one)
    if not handed and not mistakes:
        mistakes.append(Mistake(1, 0, "the list is empty"))
    if mistakes:
        raise BadFile(name, mistakes)
    return handed


def _handed(line: int, row: Mapping[str, Any]) -> Handed:
    found = {
        field: next((row[each] for each in names if row.get(each) not in (None, "")), "")
        for field, names in NAMES.items()
    }
    if not all(isinstance(value, str) for value in found.values()):
        raise ConfigError("appid, refresh_token and reference are texts")
    if not found["refresh_token"].strip():
        raise ConfigError("the refresh_token is missing")
    return Handed(
        line,
        check_appid(found["appid"].strip()),
        RefreshToken(found["refresh_token"].strip()),
        found["reference"],
    )


def _csv_rows(text: str, name: str) -> Sequence[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="")
    head = [each.strip() for each in reader.fieldnames or ()]
    for field in ("appid", "refresh_token"):
        if not set(NAMES[field]) & set(head):
            raise BadFile(
                name, [Mistake(1, 0, "the first line names the columns: appid, refresh_token, reference")]
            )
    reader.fieldnames = head
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error:
        raise BadFile(name, [Mistake(reader.line_num, 0, "this is no CSV")]) from None


def _json_rows(text: str, name: str) -> Sequence[tuple[int, Mapping[str, Any]]]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadFile(name, [Mistake(error.lineno, error.colno, f"this is no JSON: {error.msg}")]) from None
    except RecursionError:
        raise BadFile(name, [Mistake(1, 1, "this is nested too deeply")]) from None
    rows = document.get("list") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadFile(name, [Mistake(1, 1, "a list of objects with appid and refresh_token is expected")])
    return list(enumerate(rows, 1))
