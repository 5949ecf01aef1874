"""One message and everybody who is told of it: each party may reply, the user sees what a rule picks.

An account may have authorised several platforms and have a server of its own besides. WeChat tells them all
and coordinates none of them (公众号同时授权给多个平台). Whose reply the user sees is documented nowhere, so
it is the switch `reply_policy`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from wxgate.emulator import plain
from wxgate.emulator.outcomes import Outcome, xml_of
from wxgate.emulator.pushes import Push, Pusher, Receiver
from wxgate.emulator.world import Account, Kind, World
from wxgate.protocol import xml
from wxgate.protocol.envelope import Format
from wxgate.protocol.replies import TransferCustomerService

# What every reply begins with, and what is none of the user's business.
_HEAD = {"ToUserName", "FromUserName", "CreateTime", "MsgType"}
_NOT_TRIED = (Outcome.LOST, Outcome.MARKED_FAILED)


@dataclass(slots=True)
class Told:
    """One message or event of a user, with the push to each party that is told of it."""

    id: str
    at: float
    kind: str
    account: Account
    openid: str
    fields: Mapping[str, Any]
    pushes: list[Push] = field(default_factory=list)

    @property
    def appid(self) -> str:
        """Return the account's appid."""
        return self.account.appid

    @property
    def msg_id(self) -> str | None:
        """Return WeChat's id of a message; events have none."""
        given = self.fields.get("MsgId")
        return None if given is None else str(given)


class Parties:
    """Tells every party of a message, and shows the user what comes of it."""

    def __init__(self, world: World, pusher: Pusher) -> None:
        self._world, self._pusher = world, pusher
        self.clear()

    def clear(self) -> None:
        """Forget everything that was told."""
        self.log: list[Told] = []
        self._numbers = count(1)

    def make(
        self,
        kind: str,
        account: Account,
        openid: str,
        fields: Mapping[str, Any],
        receivers: Sequence[Receiver],
    ) -> Told:
        """Make the pushes of one message: the same fields for everybody, sealed for each."""
        told = Told(f"message-{next(self._numbers)}", self._world.clock.now(), kind, account, openid, fields)
        told.pushes += [
            self._pusher.make(kind, receiver, _written(fields, receiver.format), appid=account.appid)
            for receiver in receivers
        ]
        for push in told.pushes:
            push.message = told.id
        self.log.append(told)
        return told

    async def tell(self, told: Told) -> None:
        """Deliver to every party at once and show the user whose reply the switch picks."""
        answered: list[Push] = []
        for done in asyncio.as_completed([self._pusher.deliver(push) for push in told.pushes]):
            push = await done
            if push.reply is None:
                continue
            answered.append(push)
            policy = self._world.switches.reply_policy
            if policy == "all" or (policy == "first" and len(answered) == 1):
                self._show(told, push)
        if answered:
            match self._world.switches.reply_policy:
                case "direct":
                    self._show(told, min(answered, key=lambda push: push.receiver.sender != "direct"))
                case "last":
                    self._show(told, answered[-1])
        self._apologise(told)

    def _show(self, told: Told, push: Push) -> None:
        assert push.reply is not None
        if told.account.kind is Kind.MINI_PROGRAM and not isinstance(
            push.reply.reply, TransferCustomerService
        ):
            push.attempts[
                -1
            ].problem = (
                "a mini program's passive reply is not shown; only transfer_customer_service means anything"
            )
            return
        fields = xml.parse(xml_of(push.reply_plain))
        content = fields.get("Content")
        push.shown = True
        self._world.conversations.show_reply(
            told.account.appid,
            told.openid,
            str(fields["MsgType"]),
            content if isinstance(content, str) else None,
            {name: value for name, value in fields.items() if name not in _HEAD},
            push.receiver.sender,
            message=told.id,
        )

    def _apologise(self, told: Told) -> None:
        """Tell the user of a fault where the switch says so; mini programs have no such notice."""
        tried = [push for push in told.pushes if push.outcome not in _NOT_TRIED]
        if not tried or told.account.kind is not Kind.OFFICIAL_ACCOUNT:
            return
        well = [push.outcome.well for push in tried]
        if not any(well) or (self._world.switches.fault_notice == "anybody" and not all(well)):
            self._world.conversations.show_fault(told.account.appid, told.openid, message=told.id)

    def find(self, wanted: Mapping[str, str]) -> list[Told]:
        """Return what was told, oldest first, whose attributes are these."""
        return [each for each in self.log if all(getattr(each, name) == wanted[name] for name in wanted)]

    def as_json(self, told: Told) -> dict[str, Any]:
        """Return what one message came to: what each party did, and what the user saw of it."""
        return {
            "id": told.id,
            "at": told.at,
            "kind": told.kind,
            "appid": told.account.appid,
            "openid": told.openid,
            "msg_id": told.msg_id,
            "type": told.fields.get("Event") or told.fields.get("MsgType"),
            "content": told.fields.get("Content"),
            "parties": [self._party(push) for push in told.pushes],
            "seen": [entry.as_json() for entry in self._world.conversations.seen_of(told.id)],
        }

    def _party(self, push: Push) -> dict[str, Any]:
        sender = push.receiver.sender
        platform = self._world.platforms.get(sender)
        shown = push.as_json()
        return {
            "party": sender,
            "name": platform.name if platform else None,
            "push": push.id,
            "url": push.receiver.url,
            "outcome": push.outcome,
            "reply": push.reply_plain or None,
            "shown": push.shown,
            "attempts": shown["attempts"],
        }


def _written(fields: Mapping[str, Any], format: Format) -> str:
    return plain.as_xml(fields) if format is Format.XML else plain.as_json(fields)
