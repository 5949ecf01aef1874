"""Acting as people and as WeChat: a merchant authorises, a user writes, a ticket is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from wxgate.emulator import plain
from wxgate.emulator.parties import Parties, Told
from wxgate.emulator.pushes import Push, Pusher, Receiver
from wxgate.emulator.world import Account, Granted, Platform, User, World
from wxgate.emulator.world.audits import AuditStatus
from wxgate.errors import ConfigError, NotFound
from wxgate.protocol.envelope import Format, Mode, PushKeys, PushQuery
from wxgate.protocol.signature import sign

# What a user does of their own accord lets the account write back.
_OPENS_WINDOW = {"subscribe", "SCAN", "CLICK", "user_enter_tempsession"}


_AUDIT_RESULTS = {
    "passed": (AuditStatus.PASSED, "weapp_audit_success"),
    "rejected": (AuditStatus.REJECTED, "weapp_audit_fail"),
    "delayed": (AuditStatus.DELAYED, "weapp_audit_delay"),
}


@dataclass(frozen=True, slots=True)
class Authorized:
    """What one authorization set off: the codes, and the push that tells of it, if there is one."""

    granted: Granted
    push: Push | None


class Actor:
    """Does in the world what people do, and sends what WeChat would send."""

    def __init__(self, world: World, pusher: Pusher) -> None:
        self._world, self._pusher = world, pusher
        self.parties = Parties(world, pusher)

    # Component events

    def make_ticket_push(self, platform: Platform, *, new: bool = True) -> Push:
        """Make the push of a ticket; the next one is due an interval later."""
        platform.next_ticket_at = self._world.clock.now() + self._world.switches.ticket_interval
        ticket = self._world.tickets.issue(platform.appid, new=new)
        return self.make_component_push(
            platform, "component_verify_ticket", {"ComponentVerifyTicket": ticket}
        )

    def make_component_push(
        self, platform: Platform, info_type: str, fields: Mapping[str, Any], **options: Any
    ) -> Push:
        """Make the push of a component event."""
        now = self._world.clock.seconds()
        text = plain.component_event(platform.appid, now, info_type, fields)
        kind = "ticket" if info_type == "component_verify_ticket" else info_type
        return self._pusher.make(kind, self.component_receiver(platform), text, **options)

    def component_receiver(self, platform: Platform) -> Receiver:
        """Return where a platform's own events go; raises ConfigError when that is not set."""
        if not platform.events_url:
            raise ConfigError(f"platform {platform.appid} has no events_url; post it to /_emulator/platforms")
        return Receiver(
            platform.events_url, _platform_keys(platform), platform.appid, ("AppId", platform.appid)
        )

    def authorize(
        self,
        platform: Platform,
        account: Account,
        func_ids: Sequence[int] | None,
        pre_auth_code: str | None = None,
    ) -> Authorized:
        """Let a merchant confirm; the push is made, and it is the caller's to deliver it."""
        granted = self._world.authorize(platform, account, func_ids, pre_auth_code)
        if granted.info_type is None or not platform.events_url:
            return Authorized(granted, None)
        fields = {
            "AuthorizerAppid": account.appid,
            "AuthorizationCode": granted.push_code,
            "AuthorizationCodeExpiredTime": str(granted.expires_at),
            "PreAuthCode": granted.pre_auth_code,
        }
        return Authorized(
            granted, self.make_component_push(platform, granted.info_type, fields, appid=account.appid)
        )

    def unauthorize(self, platform: Platform, account: Account) -> Push:
        """Let a merchant take the authorization back."""
        if self._world.authorizations.cancel(platform.appid, account.appid) is None:
            raise NotFound(f"{account.appid} has not authorised {platform.appid}")
        return self.make_component_push(
            platform, "unauthorized", {"AuthorizerAppid": account.appid}, appid=account.appid
        )

    def register(self, platform: Platform, given: Mapping[str, Any]) -> tuple[Account | None, Push]:
        """Let a fast registration end, well or with another `status`; the push of it carries the code."""
        status, account, found = int(given.get("status", 0)), None, dict[str, Any]()
        if status == 0:
            name = given.get("nick_name", "快速注册的小程序")
            account = self._world.put_account({"kind": "mini_program", "nick_name": name})
            found = {"appid": account.appid, "auth_code": self._world.register(platform, account).value}
        fields = plain.registration(status, found, personal=bool(given.get("personal")))
        appid = account.appid if account else None
        return account, self.make_component_push(platform, "notify_third_fasteregister", fields, appid=appid)

    # Messages

    def make_message(self, account: Account, user: User, kind: str, given: Mapping[str, Any]) -> Told:
        """Let a user write; one push for each receiver, all with the same MsgId."""
        openid = self._world.openid(user, account)
        fields = plain.message(
            kind,
            given,
            to=account.user_name,
            sender=openid,
            now=self._world.clock.seconds(),
            msg_id=self._world.values.msg_id(),
        )
        told = self.parties.make("message", account, openid, fields, self._receivers(account, openid))
        self._world.conversations.user_wrote(account.appid, openid, message=told.id)
        return told

    def make_event(self, account: Account, user: User, name: str, given: Mapping[str, Any]) -> Told:
        """Let something happen between a user and an account."""
        openid = self._world.openid(user, account)
        if name == "subscribe":
            self._world.follow(user, account)
        now = self._world.clock.seconds()
        fields = plain.event(name, given, to=account.user_name, sender=openid, now=now)
        told = self.parties.make("event", account, openid, fields, self._receivers(account, openid))
        if name in _OPENS_WINDOW:
            self._world.conversations.user_wrote(account.appid, openid, message=told.id)
        if name == "unsubscribe":
            self._world.unfollow(user, account)
        return told

    def make_notice(self, account: Account, name: str, given: Mapping[str, Any]) -> Told:
        """Let WeChat itself tell an account something, such as the end of an audit."""
        sender, now = self._world.system_openid(account), self._world.clock.seconds()
        fields = plain.notice(name, given, to=account.user_name, sender=sender, now=now)
        return self.parties.make("event", account, sender, fields, self._receivers(account, sender))

    def decide_audit(
        self,
        account: Account,
        result: str,
        *,
        id: int | None = None,
        reason: str = "",
        screenshot: str = "",
    ) -> Told:
        """Let the audit of a mini program's code pass, fail or be delayed, and tell of it."""
        status, event = _AUDIT_RESULTS[result]
        self._world.audits.decide(account.appid, status, id=id, reason=reason, screenshot=screenshot)
        told = {"Reason": reason, "ScreenShot": screenshot}
        wanted = {"weapp_audit_success": (), "weapp_audit_fail": ("Reason", "ScreenShot")}
        return self.make_notice(account, event, {name: told[name] for name in wanted.get(event, ("Reason",))})

    def _receivers(self, account: Account, openid: str) -> list[Receiver]:
        """List who is told of an account's messages: its platforms, then its own server."""
        receivers = [
            self.message_receiver(platform, account, openid)
            for platform in self._world.receivers(account)
            if platform.messages_url
        ]
        return [*receivers, self.direct_receiver(account, openid)] if account.server else receivers

    def message_receiver(self, platform: Platform, account: Account, openid: str | None) -> Receiver:
        """Return where a platform gets an account's messages."""
        if not platform.messages_url:
            raise ConfigError(
                f"platform {platform.appid} has no messages_url; post it to /_emulator/platforms"
            )
        url = platform.messages_url.replace("$APPID$", account.appid)
        element = ("ToUserName", account.user_name)
        return Receiver(url, _platform_keys(platform), platform.appid, element, openid=openid)

    def direct_receiver(self, account: Account, openid: str | None) -> Receiver:
        """Return the account's own server; raises ConfigError when it has none."""
        server = account.server
        if server is None:
            raise ConfigError(f"account {account.appid} has no server of its own")
        format = Format(server.format)
        keys = PushKeys.make(account.appid, [server.token], [server.aes_key], Mode(server.mode), format)
        return Receiver(server.url, keys, "direct", ("ToUserName", account.user_name), format, openid)

    # URL verification

    async def echo(self, account: Account) -> dict[str, Any]:
        """Verify an account's own URL by GET, as its console does when it is saved."""
        receiver, world = self.direct_receiver(account, None), self._world
        timestamp, nonce = str(world.clock.seconds()), world.wire_values.nonce()
        echostr = str(world.wire_values.msg_id())
        signature = sign(receiver.keys.tokens[0].reveal(), timestamp, nonce)
        query = PushQuery(signature=signature, timestamp=timestamp, nonce=nonce, echostr=echostr).encode()
        url = f"{receiver.url}{'&' if '?' in receiver.url else '?'}{query}"
        try:
            status, body = await self._pusher.get(url)
        except (aiohttp.ClientError, OSError) as problem:  # a time-out is an OSError too
            return {
                "ok": False,
                "status": None,
                "body": "",
                "problem": f"{type(problem).__name__}: {problem}",
            }
        return {"ok": status == 200 and body == echostr, "status": status, "body": body, "echostr": echostr}


def _platform_keys(platform: Platform) -> PushKeys:
    return PushKeys.make(platform.appid, [platform.token], [platform.aes_key])
