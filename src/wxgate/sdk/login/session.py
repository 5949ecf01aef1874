"""Who somebody is, and the session that says so, as they are written into a cookie."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from wxgate.secret import equal

LONGEST_NAME = 64
LONGEST_PICTURE = 512
LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has logged in; `sub` is the key for everything you keep about them.

    Name and picture are for display only and empty when WeChat was not asked for them. The openid and unionid
    are there only for clients that may have the scope `wechat`.
    """

    sub: str
    auth_time: datetime
    name: str = ""
    picture: str = ""
    acr: str = ""
    openid: str = ""
    appid: str = ""
    unionid: str = ""

    @classmethod
    def read(cls, claims: Mapping[str, Any], now: datetime) -> Self:
        """Read the claims of a verified ID token or of its userinfo."""
        return cls(
            sub=_text(claims, "sub", LONGEST_ID),
            name=_text(claims, "name", LONGEST_NAME, cut=True),
            picture=_text(claims, "picture", LONGEST_PICTURE),
            acr=_text(claims, "acr", LONGEST_ID),
            auth_time=_moment(claims.get("auth_time"), now),
            openid=_text(claims, "wechat_openid", LONGEST_ID),
            appid=_text(claims, "wechat_appid", LONGEST_ID),
            unionid=_text(claims, "wechat_unionid", LONGEST_ID),
        )

    def remembering(self, earlier: "Person") -> "Person":
        """Keep the name and picture from earlier where a silent check has not asked for them."""
        return replace(self, name=self.name or earlier.name, picture=self.picture or earlier.picture)


@dataclass(frozen=True, slots=True)
class Session:
    """That somebody is logged in at this browser.

    `sid` is the gateway's name of its session, by which it says that it has ended. `presence` is what the
    presence cookie must say. `proved_at` is when the gateway last said who it is.
    """

    person: Person
    sid: str
    presence: str = field(repr=False)
    began_at: datetime
    proved_at: datetime
    seen_at: datetime
    id_token: str = field(default="", repr=False)

    def is_present(self, cookie: str) -> bool:
        """Tell whether a presence cookie is the one of this session."""
        return bool(self.presence) and equal(cookie, self.presence)

    def written(self) -> dict[str, Any]:
        """Write the session as JSON has it; what is empty takes no room."""
        person = self.person
        fields: dict[str, Any] = {
            "s": person.sub,
            "n": person.name,
            "p": person.picture,
            "a": person.acr,
            "t": int(person.auth_time.timestamp()),
            "o": person.openid,
            "i": person.appid,
            "u": person.unionid,
            "sid": self.sid,
            "w": self.presence,
            "b": milliseconds(self.began_at),
            "c": milliseconds(self.proved_at),
            "e": milliseconds(self.seen_at),
            "h": self.id_token,
        }
        return {name: value for name, value in fields.items() if value != ""}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Read what was written; a field that must be there raises KeyError."""
        person = Person(
            sub=fields["s"],
            name=fields.get("n", ""),
            picture=fields.get("p", ""),
            acr=fields.get("a", ""),
            auth_time=datetime.fromtimestamp(fields["t"], UTC),
            openid=fields.get("o", ""),
            appid=fields.get("i", ""),
            unionid=fields.get("u", ""),
        )
        return cls(
            person,
            sid=fields.get("sid", ""),
            presence=fields.get("w", ""),
            began_at=moment(fields["b"]),
            proved_at=moment(fields["c"]),
            seen_at=moment(fields["e"]),
            id_token=fields.get("h", ""),
        )


def _moment(value: object, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else otherwise
    except (OverflowError, ValueError, OSError):
        return otherwise


def milliseconds(at: datetime) -> int:
    """Write a moment; whole seconds would not tell a logout from the login after it."""
    return int(at.timestamp() * 1000)


def moment(written: int) -> datetime:
    """Read a moment."""
    return datetime.fromtimestamp(written / 1000, UTC)


def _text(claims: Mapping[str, Any], name: str, longest: int, *, cut: bool = False) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        return ""
    return value[:longest] if cut or len(value) <= longest else ""
