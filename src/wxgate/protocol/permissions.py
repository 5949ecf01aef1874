"""Permission sets (权限集): their names, their kinds and which APIs need which.

Ids and Chinese names as WeChat's permission-set page and public SDKs list them; see data/README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class AccountKind(StrEnum):
    """Name the kinds of account a permission set is for."""

    OFFICIAL_ACCOUNT = "official_account"
    MINI_PROGRAM = "mini_program"
    CHANNELS = "channels"
    DEBUG = "debug"


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """One permission set; an exclusive one can be granted to a single platform at a time."""

    id: int
    name_zh: str
    name_en: str
    kind: AccountKind
    exclusive: bool = False


# Code management: a mini program lets one platform at a time develop for it. Others may be exclusive,
# but only this one is documented.
_EXCLUSIVE = frozenset({18})

# Path, or folder with a slash at its end: the set for official accounts and the set for mini programs.
_REQUIRED: Mapping[str, tuple[int | None, int | None]] = {
    "/cgi-bin/message/custom/": (1, 19),
    "/customservice/": (6, 19),
    "/cgi-bin/user/": (2, None),
    "/cgi-bin/tags/": (2, None),
    "/cgi-bin/groups/": (2, None),
    "/cgi-bin/qrcode/create": (3, None),
    "/cgi-bin/shorturl": (3, None),
    "/cgi-bin/ticket/getticket": (4, None),
    "/sns/oauth2/component/": (4, None),
    "/cgi-bin/message/mass/": (7, None),
    "/cgi-bin/message/template/": (7, None),
    "/card/": (8, None),
    "/cgi-bin/material/": (11, None),
    "/cgi-bin/draft/": (11, None),
    "/cgi-bin/freepublish/": (11, None),
    "/cgi-bin/menu/": (15, None),
    "/cgi-bin/poi/": (13, None),
    "/sns/component/jscode2session": (None, 20),
    "/wxa/commit": (None, 18),
    "/wxa/get_qrcode": (None, 18),
    "/wxa/get_category": (None, 18),
    "/wxa/get_page": (None, 18),
    "/wxa/uploadmedia": (None, 18),
    "/wxa/security/get_code_privacy_info": (None, 18),
    "/wxa/submit_audit": (None, 18),
    "/wxa/get_auditstatus": (None, 18),
    "/wxa/get_latest_auditstatus": (None, 18),
    "/wxa/undocodeaudit": (None, 18),
    "/wxa/speedupaudit": (None, 18),
    "/wxa/release": (None, 18),
    "/wxa/revertcoderelease": (None, 18),
    "/wxa/grayrelease": (None, 18),
    "/wxa/getgrayreleaseplan": (None, 18),
    "/wxa/revertgrayrelease": (None, 18),
    "/wxa/change_visitstatus": (None, 18),
    "/wxa/getvisitstatus": (None, 18),
    "/wxa/getversioninfo": (None, 18),
    "/wxa/queryquota": (None, 18),
    "/cgi-bin/wxopen/getweappsupportversion": (None, 18),
    "/cgi-bin/wxopen/setweappsupportversion": (None, 18),
}


def get(id: int) -> PermissionSet | None:
    """Look a permission set up by its id."""
    return _table().get(id)


def name(id: int, lang: str = "en") -> str:
    """Name a permission set in `zh` or `en`; ids we do not know are named by their number."""
    known = get(id)
    if lang == "zh":
        return known.name_zh if known else f"权限集 {id}"
    return known.name_en if known else f"permission set {id}"


def sets_for(kind: AccountKind) -> tuple[PermissionSet, ...]:
    """List the permission sets for a kind of account."""
    return tuple(known for known in _table().values() if known.kind is kind)


def required_for(path: str, kind: AccountKind | None = None) -> int | None:
    """Tell which permission set an API needs, for one kind of account or whichever kind has the API.

    None means not known, which is not the same as none needed.
    """
    full = "/" + path.partition("?")[0].strip("/")
    folder = next((known for known in _REQUIRED if known.endswith("/") and full.startswith(known)), full)
    official, mini = _REQUIRED.get(folder, (None, None))
    if kind is None:
        return official or mini
    return {AccountKind.OFFICIAL_ACCOUNT: official, AccountKind.MINI_PROGRAM: mini}.get(kind)


@cache
def _table() -> Mapping[int, PermissionSet]:
    lines = files("wxgate.protocol").joinpath("data/permissions.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {
        int(id): PermissionSet(int(id), zh, en, AccountKind(kind), int(id) in _EXCLUSIVE)
        for id, kind, zh, en in rows
    }
