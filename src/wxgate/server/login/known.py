"""What the gateway knows of an appid that somebody wants to log in with."""

from wxgate.custody.accounts import MINI_PROGRAM, Accounts
from wxgate.custody.ports import PlatformStore
from wxgate.custody.targets import Targets
from wxgate.login.configuration import Known
from wxgate.login.records import AppKind
from wxgate.login.registration import KnownAccount


def make_known(targets: Targets, accounts: Accounts, platforms: PlatformStore) -> Known:
    """Make what looks an appid up, as it is at this moment."""

    async def known(appid: str) -> KnownAccount:
        targets.forget(appid)
        target = await targets.find(appid)
        info, direct = await accounts.load(appid), await platforms.load_direct(appid)
        kind = None
        if info is not None and target.issuers:
            kind = AppKind.MINI_PROGRAM if info.kind == MINI_PROGRAM else AppKind.OFFICIAL
        title = (info.nick_name if info else "") or (direct.name if direct else "")
        return KnownAccount(target.live, kind, title)

    return known
