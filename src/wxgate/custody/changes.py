"""Changes of what an operator configured, made while everything runs.

A change is computed from the records as they were read and written only if they are still so; running nodes
take it up within two seconds. After a new AppSecret a token fetched with the old one is renewed at once: it
shows whether WeChat takes the new secret, and what was fetched with the old one is kept if it does not.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from wxgate.clock import Clock
from wxgate.custody.clients import Labels
from wxgate.custody.credentials import drop_previous, put_first
from wxgate.custody.declared import Declaration, Declared
from wxgate.custody.edits import Change, Difference, Effect, Kind, difference
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.key_advice import NAMES
from wxgate.custody.key_uses import KeyUses, PushKey
from wxgate.custody.ports import AuthorizationStore, ConfigurationStore, LabelStore, PlatformStore
from wxgate.custody.records import AuthorizationFilter, DirectAccount, Platform, PushCredentials
from wxgate.custody.registry import Registry
from wxgate.custody.sources import component_key, direct_key
from wxgate.custody.states import LIVE
from wxgate.custody.wording import span
from wxgate.errors import BadFile, ConfigError, GatewayError, Mistake, NotFound
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret

log = structlog.get_logger("wxgate.changes")

R = TypeVar("R", Platform, DirectAccount)

ATTEMPTS = 5
"""How often a change starts over when somebody else changed the same records meanwhile."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What came of renewing a token with a new AppSecret; `trouble` is empty when it worked."""

    appid: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did, or in a dry run would do."""

    differences: tuple[Difference, ...]
    renewals: tuple[Renewal, ...] = ()
    dry_run: bool = False


class Configuration:
    """Changes platforms, direct accounts and labels."""

    def __init__(
        self,
        *,
        platforms: PlatformStore,
        labels: LabelStore,
        authorizations: AuthorizationStore,
        store: ConfigurationStore,
        registry: Registry,
        keeper: TokenKeeper,
        key_uses: KeyUses,
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._key_uses = key_uses
        self._labels = labels
        self._authorizations = authorizations
        self._store = store
        self._registry = registry
        self._keeper = keeper
        self._clock = clock

    async def set_secret(self, kind: Kind, appid: str, secret: AppSecret) -> Outcome:
        """Replace the AppSecret and renew the token that was fetched with the old one."""
        return await self._edit(kind, appid, lambda record: replace(record, secret=secret))

    async def rename(self, kind: Kind, appid: str, name: str) -> Outcome:
        """Give a platform or direct account another name."""
        return await self._edit(kind, appid, lambda record: replace(record, name=name))

    async def rotate(
        self,
        kind: Kind,
        appid: str,
        *,
        token: PushToken | None = None,
        aes_key: EncodingAESKey | None = None,
    ) -> Outcome:
        """Put a new push token or AES key in front; the ones before stay good as the second."""
        return await self._edit(
            kind, appid, lambda record: replace(record, push=put_first(record.push, token, aes_key))
        )

    async def retire(
        self, kind: Kind, appid: str, *, token: bool, aes_key: bool, even_if_used: bool = False
    ) -> Outcome:
        """Drop the previous push token or AES key: what was sealed with it is refused from now on.

        Raises ConfigError for one that was seen in use in the last day, unless told otherwise.
        """
        if not even_if_used:
            await self._check_unused(kind, appid, {PushKey.TOKEN: token, PushKey.AES_KEY: aes_key})
        return await self._edit(
            kind,
            appid,
            lambda record: replace(record, push=drop_previous(record.push, token=token, aes_key=aes_key)),
        )

    async def _check_unused(self, kind: Kind, appid: str, wanted: Mapping[PushKey, bool]) -> None:
        record, now = await self._load(kind, appid), self._clock.now()
        for seen in await self._key_uses.of(record) if record is not None else ():
            if wanted[seen.kind] and seen.place and seen.last_seen_at and seen.lately(now):
                name, ago = NAMES[seen.kind][0], span(now - seen.last_seen_at)
                raise ConfigError(
                    f"WeChat used the previous {name} of {appid} {ago} ago, and what comes with it would be "
                    "refused: save the current one in WeChat's console and wait a day. If it shall go all "
                    "the same, say --yes, over HTTP even_if_used"
                )

    async def remove(self, kind: Kind, appid: str, *, even_if_live: bool = False) -> Outcome:
        """Remove a platform or direct account with its tickets and tokens; authorizations and events stay.

        Raises ConfigError for a platform that still has live authorizations, unless told otherwise.
        """
        if kind is Kind.PLATFORM and not even_if_live:
            found = await self._authorizations.find(AuthorizationFilter(platform=appid, states=LIVE))
            if found:
                raise ConfigError(
                    f"{len(found)} accounts have authorised platform {appid}; without it nobody can act for "
                    "them and their messages are refused. If that is meant, say --yes, over HTTP "
                    "?even_if_live=true"
                )
        return await self._edit(kind, appid, lambda record: None)

    async def apply(self, declaration: Declaration, *, dry_run: bool = False) -> Outcome:
        """Make everything as a file declares it, in one transaction; what the file does not name stays.

        Raises BadFile where a new record lacks something; then nothing is changed.
        """
        return await self._change(lambda: self._planned(declaration), dry_run=dry_run)

    async def _edit(
        self, kind: Kind, appid: str, edit: Callable[[Any], Platform | DirectAccount | None]
    ) -> Outcome:
        async def plan() -> list[Change]:
            before = await self._load(kind, appid)
            if before is None:
                what = "platform" if kind is Kind.PLATFORM else "direct account"
                raise NotFound(f"no {what} {appid} here; `wxgate {kind} list` shows them")
            return [Change(appid, before, edit(before))]

        return await self._change(plan)

    async def _change(self, plan: Callable[[], Any], *, dry_run: bool = False) -> Outcome:
        for _ in range(ATTEMPTS):
            changes: Sequence[Change] = await plan()
            differences = tuple(map(difference, changes))
            effective = [change for change in changes if change.before != change.after]
            if dry_run:
                return Outcome(differences, dry_run=True)
            if not effective or await self._store.change(effective):
                for each in differences:
                    self._registry.forget(each.appid)
                    if each.effect is not Effect.UNCHANGED:
                        log.info("config.changed", kind=each.kind, appid=each.appid, effect=each.effect)
                return Outcome(differences, tuple([each async for each in self._renewals(effective)]))
        raise ConfigError("somebody else keeps changing the same records; nothing was changed, try again")

    async def _renewals(self, changes: Sequence[Change]) -> Any:
        for change in changes:
            before, after = change.before, change.after
            if isinstance(before, Labels) or isinstance(after, Labels) or before is None or after is None:
                continue
            key = component_key(change.appid) if isinstance(after, Platform) else direct_key(change.appid)
            if before.secret == after.secret or await self._keeper.peek(key) is None:
                continue
            try:
                await self._keeper.renew(key)
            except GatewayError as error:
                yield Renewal(change.appid, str(error))
            else:
                yield Renewal(change.appid, "")

    async def _load(self, kind: Kind, appid: str) -> Platform | DirectAccount | None:
        if kind is Kind.PLATFORM:
            return await self._platforms.load_platform(appid)
        return await self._platforms.load_direct(appid)

    async def _planned(self, declaration: Declaration) -> list[Change]:
        mistakes: list[Mistake] = []
        changes: list[Change] = []
        for declared in declaration.platforms:
            platform = await self._platforms.load_platform(declared.appid)
            mistakes += _lacking(declared, new=platform is None, needs_key=True)
            if not mistakes:
                changes.append(Change(declared.appid, platform, self._platform(declared, platform)))
        for declared in declaration.accounts:
            account = await self._platforms.load_direct(declared.appid)
            mode = declared.mode or (account.mode if account else Mode.SAFE)
            has_key = bool(account and account.push.aes_keys)
            needs_key = mode is not Mode.PLAINTEXT and not has_key
            mistakes += _lacking(declared, new=account is None, needs_key=needs_key)
            if not mistakes:
                changes.append(Change(declared.appid, account, self._account(declared, account)))
        labelled = await self._labels.load_many([each.appid for each in declaration.labels])
        for each in declaration.labels:
            labels = labelled.get(each.appid, Labels())
            changes.append(Change(each.appid, labels, each.over(labels)))
        if mistakes:
            raise BadFile(declaration.name, mistakes)
        return changes

    def _platform(self, declared: Declared, before: Platform | None) -> Platform:
        if before is None:
            assert declared.secret is not None
            push = PushCredentials(declared.tokens, declared.aes_keys)
            key, now = Secret(secrets.token_urlsafe(32)), self._clock.now()
            return Platform(declared.appid, declared.name or declared.appid, declared.secret, push, key, now)
        return _over(before, declared)

    def _account(self, declared: Declared, before: DirectAccount | None) -> DirectAccount:
        if before is None:
            assert declared.secret is not None
            push = PushCredentials(declared.tokens, declared.aes_keys)
            appid, secret, now = declared.appid, declared.secret, self._clock.now()
            before = DirectAccount(appid, appid, secret, "", push, Mode.SAFE, Format.XML, now)
        return replace(
            _over(before, declared),
            mode=declared.mode or before.mode,
            format=declared.format or before.format,
            user_name=before.user_name if declared.user_name is None else declared.user_name,
        )


def _over(before: R, declared: Declared) -> R:
    """Put what is declared over a record; one value alone leaves the one before good as the second."""
    push = before.push
    if len(declared.tokens) > 1:
        push = replace(push, tokens=declared.tokens)
    elif declared.tokens:
        push = put_first(push, token=declared.tokens[0])
    if len(declared.aes_keys) > 1:
        push = replace(push, aes_keys=declared.aes_keys)
    elif declared.aes_keys:
        push = put_first(push, aes_key=declared.aes_keys[0])
    return replace(
        before, name=declared.name or before.name, secret=declared.secret or before.secret, push=push
    )


def _lacking(declared: Declared, *, new: bool, needs_key: bool) -> list[Mistake]:
    """List what a new record needs and the file does not give."""
    lacking = []
    if new and declared.secret is None:
        lacking.append("secret")
    if new and not declared.tokens:
        lacking.append("tokens")
    if ((new and needs_key) or (needs_key and declared.mode)) and not declared.aes_keys:
        lacking.append("aes_keys")
    if not lacking:
        return []
    names = ", ".join(lacking)
    said = f"is new here and needs {names}" if new else f"needs {names} in mode {declared.mode}"
    return [Mistake(declared.line, 0, f"{declared.appid} {said}")]
