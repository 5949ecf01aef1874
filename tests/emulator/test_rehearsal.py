"""The rehearsed release test passes a server that does its part, and names what another one does wrong."""

import asyncio
import json
from typing import Any, TypeVar

import pytest

from tests.emulator.third_party import SUCCESS, ThirdParty
from wxgate.emulator.release_words import TITLES, Verdict
from wxgate.emulator.running import RunningEmulator
from wxgate.protocol.envelope import OpenedPush, PushKeys, seal_reply
from wxgate.protocol.official_tests import RELEASE_TEST_ACCOUNTS

OFFICIAL, MINI = "wx570bc396a51b8ff8", "wxd101a85aa106f53e"

S = TypeVar("S", bound=ThirdParty)

PATIENT = {"push_timeout": 15.0}
"""A loaded machine is no fault of the server under test."""


async def rehearse(server: ThirdParty, appid: str = OFFICIAL, **given: Any) -> dict[str, Any]:
    """Play a run through the control plane."""
    async with server:
        report: dict[str, Any] = await server.emulator.control(
            "POST", "act/release-test", {"platform": server.platform.appid, "appid": appid, **given}
        )
    return report


async def run(kind: type[S], appid: str = OFFICIAL, **given: Any) -> dict[str, Any]:
    """Play a run against a server of some kind."""
    async with RunningEmulator() as emulator:
        emulator.world.switches.change(PATIENT)
        return await rehearse(kind(emulator), appid, **given)


def step(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Find a step of a report."""
    found: dict[str, Any] = next(one for one in report["steps"] if one["step"] == name)
    return found


def failed(report: dict[str, Any]) -> dict[str, str]:
    """Name the steps that failed, with what was wrong."""
    assert report["ok"] is not any(not one["ok"] for one in report["steps"])
    return {one["step"]: one["code"] for one in report["steps"] if not one["ok"]}


async def test_a_server_that_does_its_part_passes_every_step() -> None:
    report = await run(ThirdParty)
    assert report["ok"] is True
    assert [one["step"] for one in report["steps"]] == list(TITLES)
    assert {one["verdict"] for one in report["steps"]} == {Verdict.RIGHT}
    assert all(one["reason"] and one["reason_zh"] for one in report["steps"])


async def test_with_a_mini_program_only_the_code_is_asked() -> None:
    report = await run(ThirdParty, MINI)
    assert report["ok"] is True
    assert report["kind"] == "mini_program"
    assert [one["step"] for one in report["steps"]] == ["ticket", "authorized", "api_text", "unauthorized"]


@pytest.mark.parametrize(
    ("sets", "kind", "asked"),
    [
        ([1, 19], "official_account", True),
        ([19], "mini_program", True),
        ([3], "official_account", False),
    ],
)
async def test_what_is_asked_follows_from_the_permission_sets(
    sets: list[int], kind: str, asked: bool
) -> None:
    async with RunningEmulator() as emulator:
        emulator.world.switches.change(PATIENT)
        server = ThirdParty(emulator)
        server.platform.permission_sets = sets
        async with server:
            report = await emulator.control("POST", "act/release-test", {"platform": server.platform.appid})
    assert (report["ok"], report["kind"]) == (True, kind)
    assert ("api_text" in {one["step"] for one in report["steps"]}) is asked


async def test_the_exact_exchange_is_shown_raw_and_decrypted() -> None:
    report = await run(ThirdParty)
    text = step(report, "text")["exchange"]
    assert "msg_signature=" in text["request"]["url"]
    assert "<Encrypt>" in text["request"]["body"]
    assert "TESTCOMPONENT_MSG_TYPE_TEXT" in text["request"]["plain"]
    assert text["answer"]["status"] == 200
    assert "MsgSignature" in text["answer"]["body"]
    assert "TESTCOMPONENT_MSG_TYPE_TEXT_callback" in text["answer"]["plain"]
    calls = step(report, "api_text")["calls"]
    assert [call["path"].rpartition("/")[2] for call in calls] == ["api_query_auth", "send"]
    assert calls[1]["body"]["text"]["content"].endswith("_from_api")
    assert "QUERY_AUTH_CODE:queryauthcode@@@" in step(report, "api_text")["exchange"]["request"]["plain"]


# Broken servers


class Unencrypted(ThirdParty):
    def seal(self, message: OpenedPush, reply: str) -> bytes:
        return reply.encode()


class WrongText(ThirdParty):
    def reply(self, message: OpenedPush, content: str) -> bytes:
        return super().reply(message, content.replace("_callback", "_call_back"))


class Json(ThirdParty):
    def seal(self, message: OpenedPush, reply: str) -> bytes:
        return json.dumps({"reply": reply}).encode()


class AccountsAppid(ThirdParty):
    """Seals with the account's appid, as for an account of its own."""

    def seal(self, message: OpenedPush, reply: str) -> bytes:
        keys = PushKeys.make(OFFICIAL, [self.platform.token], [self.platform.aes_key])
        return seal_reply(keys, message, reply, timestamp=self.now(), random=b"0123456789abcdef")


class WrongToken(ThirdParty):
    def seal(self, message: OpenedPush, reply: str) -> bytes:
        keys = PushKeys(self.keys.appid, PushKeys.make("", ["other"], []).tokens, self.keys.ciphers)
        return seal_reply(keys, message, reply, timestamp=self.now(), random=b"0123456789abcdef")


class NotSwapped(ThirdParty):
    def render(self, message: OpenedPush, content: str) -> str:
        to, sender = str(message.fields["FromUserName"]), str(message.fields["ToUserName"])
        return super().render(message, content).replace(to, "?").replace(sender, to).replace("?", sender)


class Silent(ThirdParty):
    """Knows no test: it forwards everything to business code that has nothing to say."""

    async def answer(self, message: OpenedPush) -> bytes:
        return SUCCESS


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Unencrypted, "unencrypted"),
        (WrongText, "wrong_text"),
        (Json, "json"),
        (AccountsAppid, "wrong_appid"),
        (WrongToken, "signature_wrong"),
        (NotSwapped, "not_swapped"),
    ],
)
async def test_a_reply_that_is_wrong_is_named(kind: type[ThirdParty], code: str) -> None:
    report = await run(kind)
    found = failed(report)
    assert found["text"] == code
    assert set(found) <= {"text", "event"}
    assert step(report, "api_text")["ok"]


async def test_a_wrong_appid_in_the_envelope_is_shown_with_the_right_one() -> None:
    async with RunningEmulator() as emulator:
        emulator.world.switches.change(PATIENT)
        server = AccountsAppid(emulator)
        reason = step(await rehearse(server), "text")["reason"]
    assert OFFICIAL in reason
    assert server.platform.appid in reason


async def test_a_silent_server_fails_the_text_and_the_code_and_is_forgiven_the_event() -> None:
    report = await run(Silent, patience=0.1)
    assert failed(report) == {"text": "silent", "api_text": "code_not_exchanged"}
    assert step(report, "event")["verdict"] == Verdict.NOTE


class Slow(ThirdParty):
    """Takes its time over a text."""

    async def answer(self, message: OpenedPush) -> bytes:
        if message.fields.get("Content") == "TESTCOMPONENT_MSG_TYPE_TEXT":
            await asyncio.sleep(60)
        return await super().answer(message)


async def test_a_slow_server_is_told_to_answer_first() -> None:
    async with RunningEmulator() as emulator:
        emulator.world.switches.change({"push_timeout": 0.5})
        report = await rehearse(Slow(emulator))
    assert failed(report)["text"] == "too_slow"
    assert "0.5 s" in step(report, "text")["reason"]


class Hurried(ThirdParty):
    """Does the work first, so that all that will ever be called has been called when it answers."""

    async def answer_code(self, code: str, openid: str) -> bytes:
        await self.work(code, openid)
        return b""


class NoCustomMessage(Hurried):
    """Exchanges the code, and thinks that is all."""

    async def send(self, token: str, openid: str, content: str) -> None:
        pass


class PassiveCode(ThirdParty):
    """Answers the code like a text."""

    async def answer(self, message: OpenedPush) -> bytes:
        content = str(message.fields.get("Content", ""))
        if content.startswith("QUERY_AUTH_CODE:"):
            return self.reply(message, content.removeprefix("QUERY_AUTH_CODE:") + "_from_api")
        return await super().answer(message)


class WrongApiText(Hurried):
    async def send(self, token: str, openid: str, content: str) -> None:
        await super().send(token, openid, content.removesuffix("_from_api"))


class NoToken(Hurried):
    """Sends with a token that is none."""

    async def send(self, token: str, openid: str, content: str) -> None:
        await super().send("nonsense", openid, content)


class MangledCode(Hurried):
    """Loses the @@@ of the code."""

    async def exchange(self, code: str) -> str:
        return await super().exchange(code.replace("@@@", ""))


class OtherCode(ThirdParty):
    """Exchanges the code of the `authorized` push, as some do when WeChat refuses the other one."""

    async def exchange(self, code: str) -> str:
        return await super().exchange(self.code)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NoCustomMessage, "no_custom_message"),
        (PassiveCode, "answered_at_once"),
        (WrongApiText, "wrong_text"),
        (NoToken, "send_wrong_token"),
        (MangledCode, "exchange_refused"),
    ],
)
async def test_what_goes_wrong_with_the_code_is_named(kind: type[ThirdParty], code: str) -> None:
    assert failed(await run(kind, patience=0.1)) == {"api_text": code}


async def test_the_code_of_the_authorized_push_passes_with_a_note() -> None:
    report = await run(OtherCode)
    assert report["ok"] is True
    assert step(report, "api_text")["code"] == "api_text_other_code"


class Rude(ThirdParty):
    """Answers its own events with a page."""

    async def accept(self, event: OpenedPush) -> bytes:
        await super().accept(event)
        return b'"success"'


async def test_component_events_want_exactly_success() -> None:
    found = failed(await run(Rude))
    assert found == dict.fromkeys(("ticket", "authorized", "unauthorized"), "success_wanted")


async def test_a_server_that_is_not_there_fails_once_and_the_rest_is_skipped() -> None:
    async with RunningEmulator() as emulator:
        server = ThirdParty(emulator)
        async with server:
            pass
        report = await emulator.control("POST", "act/release-test", {"platform": server.platform.appid})
    assert [one["code"] for one in report["steps"]] == ["unreachable", *["skipped"] * 5]
    assert report["ok"] is False


async def test_only_wechats_own_accounts_are_tested_with() -> None:
    async with RunningEmulator() as emulator:
        server = ThirdParty(emulator)
        with pytest.raises(ValueError, match="none of WeChat's test accounts"):
            await rehearse(server, "wx0123456789abcdef")


async def test_a_run_can_be_repeated_and_leaves_no_authorization() -> None:
    async with RunningEmulator() as emulator:
        emulator.world.switches.change(PATIENT)
        server = ThirdParty(emulator)
        async with server:
            for account in RELEASE_TEST_ACCOUNTS[3:7]:
                given = {"platform": server.platform.appid, "appid": account.appid}
                assert (await emulator.control("POST", "act/release-test", given))["ok"]
        assert emulator.world.authorizations.all() == []
