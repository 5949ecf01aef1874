"""The control plane's part of login: who logs in, what was scanned, which codes there are."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from wxgate.emulator.acts import Actor
from wxgate.emulator.parties import Told
from wxgate.emulator.world import Account, User, World
from wxgate.emulator.world.login_links import lead_back
from wxgate.emulator.world.logins import LOGIN, MINI_PROGRAM
from wxgate.emulator.world.qr_codes import QrCode
from wxgate.errors import NotFound

Given = Mapping[str, Any]


class LoginActs:
    """Acts as people who log in."""

    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def reads(self) -> Mapping[str, Callable[[Given], Any]]:
        """Return what can be looked at."""
        return {
            "/codes": self._codes,
            "/qr-logins": lambda given: self._qr_logins(),
            "/qr-codes": lambda given: [asdict(each) for each in self._world.qr_codes.all()],
        }

    def writes(self) -> Mapping[str, Callable[[Given], Awaitable[Any]]]:
        """Return what can be done; a scanned parametric code is `scan_qr`, for it has pushes."""
        return {
            "/act/js_code": self._js_code,
            "/act/scan_login": self._scan,
            "/act/confirm_login": self._confirm,
            "/act/move_account": self._move,
        }

    def _codes(self, given: Given) -> Any:
        return [
            {"code": each.value, "used": each.used, "user": each.user, "openid": each.openid}
            for each in self._world.logins.of_state(given.get("state", ""))
        ]

    def _qr_logins(self) -> Any:
        return [asdict(each) for each in self._world.qr_logins.all()]

    async def _js_code(self, given: Given) -> Any:
        account, user = self._account(given), self._user(given)
        openid = self._world.openid(user, account)
        made = self._world.logins.make_code(
            appid=account.appid, user=user.id, openid=openid, scope=MINI_PROGRAM
        )
        return {"code": made.value}

    async def _scan(self, given: Given) -> Any:
        login = self._world.qr_logins.find(uuid=given.get("uuid"), state=given.get("state"))
        self._world.qr_logins.scan(login, self._user(given).id)
        return asdict(login)

    async def _confirm(self, given: Given) -> Any:
        logins = self._world.qr_logins
        login = logins.find(uuid=given.get("uuid"), state=given.get("state"))
        if login.user is None and "user" in given:
            logins.scan(login, self._user(given).id)
        if given.get("accept", True):
            confirm_login(self._world, login.uuid)
        else:
            logins.refuse(login)
        stays = not login.code and self._world.switches.qr_refusal == "stay"
        leads_to = "" if stays else lead_back(login.redirect_uri, login.code or None, login.state)
        return {**asdict(login), "leads_to": leads_to}

    async def _move(self, given: Given) -> Any:
        source, target = self._account(given), self._world.account(given["to_appid"])
        return {"openids": self._world.move_account(source, target)}

    def scan_qr(self, given: Given) -> Told:
        """Let a user scan a parametric code: SCAN for a follower, subscribe for everybody else."""
        code, user = self._qr_code(given), self._user(given)
        account = self._world.account(code.appid)
        follows = account.appid in user.followed_at
        fields = {"EventKey": code.scene if follows else f"qrscene_{code.scene}", "Ticket": code.ticket}
        return self._actor.make_event(account, user, "SCAN" if follows else "subscribe", fields)

    def _qr_code(self, given: Given) -> QrCode:
        codes = self._world.qr_codes
        if "ticket" in given:
            found = codes.get(given["ticket"])
        elif "url" in given:
            found = codes.of_url(given["url"])
        else:
            found = codes.of_scene(given["appid"], str(given["scene"]))
        if found is None:
            raise NotFound("there is no such QR code, or it is over")
        return found

    def _account(self, given: Given) -> Account:
        return self._world.account(given["appid"])

    def _user(self, given: Given) -> User:
        return self._world.user(given["user"])


def confirm_login(world: World, uuid: str) -> None:
    """Let whoever scanned a website's QR code confirm, which makes the code."""
    login = world.qr_logins.find(uuid=uuid)
    user, account = world.user(login.user or ""), world.account(login.appid)
    made = world.logins.make_code(
        appid=account.appid,
        user=user.id,
        openid=world.openid(user, account),
        scope=LOGIN,
        state=login.state,
    )
    world.qr_logins.confirm(login, made.value)
