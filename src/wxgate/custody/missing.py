"""Who must authorise again after a permission set was added to a platform.

WeChat adds it to no authorization by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wxgate.custody.links import reauthorization_link
from wxgate.custody.ports import AccountStore, AuthorizationStore
from wxgate.custody.records import AccountInfo, Authorization, AuthorizationFilter, AuthorizationState
from wxgate.custody.registry import Registry
from wxgate.custody.states import LIVE
from wxgate.errors import NotFound
from wxgate.protocol import permissions
from wxgate.protocol.permissions import PermissionSet


@dataclass(frozen=True, slots=True)
class Lacking:
    """One account that lacks the set; `kind` and `name` are empty while WeChat has not told of it.

    `was_granted` is true where the merchant gave the set with the last code and it is gone since.
    """

    appid: str
    name: str
    kind: str
    state: AuthorizationState
    reference: str
    was_granted: bool
    link: str


@dataclass(frozen=True, slots=True)
class MissingReport:
    """Who lacks one permission set; `live` counts the accounts it is for, `unsuited` those of other kinds."""

    platform: str
    set_id: int
    set_name: str
    set_name_zh: str
    live: int
    unsuited: int
    lacking: tuple[Lacking, ...]


class MissingPermissions:
    """Reports who must authorise again."""

    def __init__(
        self,
        authorizations: AuthorizationStore,
        accounts: AccountStore,
        registry: Registry,
        *,
        public_base_url: str,
    ) -> None:
        self._authorizations = authorizations
        self._accounts = accounts
        self._registry = registry
        self._base = public_base_url

    async def report(self, platform: str, set_id: int) -> MissingReport:
        """Report which live accounts of a platform lack a permission set.

        Raises NotFound for a platform that is not here and for an id that cannot be one. A set this version
        does not know is taken to be for every kind of account.
        """
        await self._registry.require_platform(platform)
        if set_id <= 0:
            raise NotFound(f"there is no permission set {set_id}; WeChat's ids (func_info) begin at 1")
        wanted = permissions.get(set_id)
        live = await self._authorizations.find(AuthorizationFilter(platform=platform, states=LIVE))
        infos = {info.appid: info for info in await self._accounts.list()}
        suited = [one for one in live if _is_for(wanted, infos.get(one.appid))]
        return MissingReport(
            platform=platform,
            set_id=set_id,
            set_name=permissions.name(set_id),
            set_name_zh=permissions.name(set_id, "zh"),
            live=len(suited),
            unsuited=len(live) - len(suited),
            lacking=tuple(self._lacking(suited, infos, set_id)),
        )

    def _lacking(
        self, suited: Sequence[Authorization], infos: dict[str, AccountInfo], set_id: int
    ) -> Sequence[Lacking]:
        lacking = []
        for one in suited:
            if set_id in one.func_ids:
                continue
            info = infos.get(one.appid)
            lacking.append(
                Lacking(
                    appid=one.appid,
                    name=info.nick_name if info else "",
                    kind=info.kind if info else "",
                    state=one.state,
                    reference=one.reference,
                    was_granted=set_id in one.granted_ids,
                    link=reauthorization_link(self._base, one.platform, one.appid),
                )
            )
        return lacking


def _is_for(wanted: PermissionSet | None, info: AccountInfo | None) -> bool:
    """Tell whether an account can have a set; where the kind of either is not known, it may."""
    # Sets for other kinds than these two (channels, debug) are granted to accounts of any kind.
    kinds = {permissions.AccountKind.OFFICIAL_ACCOUNT, permissions.AccountKind.MINI_PROGRAM}
    return wanted is None or info is None or wanted.kind not in kinds or wanted.kind == info.kind
