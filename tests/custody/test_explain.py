"""A refusal of WeChat is explained by what this gateway knows: one sentence of cause, one of what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from tests.cast import add_direct, add_platform, authorized_account
from tests.harness import World
from wxgate.custody.explain import RULES, explain
from wxgate.custody.records import AuthorizationState
from wxgate.custody.situations import Situation
from wxgate.custody.sources import component_key
from wxgate.custody.tickets import TicketHealth
from wxgate.errors import Explanation, IpNotRegistered, TicketRejected, WeChatError
from wxgate.protocol import errcodes
from wxgate.protocol.answers import error_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

PLATFORM = "wxplatform"
ACCOUNT = "wxaccount"

KNOWN = Situation(
    NOW,
    issuer=PLATFORM,
    account=ACCOUNT,
    link="https://gw.example/authorize/wxplatform",
    ticket=TicketHealth.GOOD,
    ticket_age=timedelta(minutes=5),
    last_accepted=NOW - timedelta(hours=3),
    token_fetched_at=NOW - timedelta(minutes=3),
    state=AuthorizationState.ACTIVE,
    authorized_at=NOW - timedelta(days=9),
    changed_at=NOW - timedelta(days=9),
    func_ids=(2, 3),
    account_kind="official_account",
    platforms=(PLATFORM, "wxsecond"),
)
DIRECT = replace(KNOWN, issuer="direct", link="", ticket=None, ticket_age=None, state=None, func_ids=())
PATH = "/cgi-bin/message/custom/send"


def told(code: int, at: Situation = KNOWN, *, errmsg: str = "", path: str = PATH) -> Explanation:
    """Explain one errcode in a situation."""
    return explain(error_of(code, errmsg or errcodes.errmsg(code), path), at)


SITUATIONS = {
    "known": KNOWN,
    "direct": DIRECT,
    "revoked": replace(KNOWN, state=AuthorizationState.REVOKED),
    "never": replace(
        KNOWN, state=None, authorized_at=None, changed_at=None, func_ids=(), others=("wxsecond",)
    ),
    "no ticket": replace(KNOWN, ticket=TicketHealth.MISSING, ticket_age=None, last_accepted=None),
    "old": replace(KNOWN, ticket=TicketHealth.EXPIRED, ticket_age=timedelta(hours=13)),
    "granted": replace(KNOWN, func_ids=(1, 2)),
    "platform": replace(KNOWN, account=PLATFORM, state=None, is_direct_here=True),
    "nothing": Situation(NOW),
}


@pytest.mark.parametrize("named", SITUATIONS)
@pytest.mark.parametrize("code", RULES)
@pytest.mark.parametrize(
    "path", ["", PATH, "/wxa/commit", "/cgi-bin/component/api_component_token", "/no/api"]
)
def test_every_explanation_is_one_sentence_of_cause_and_one_of_what_to_do(
    code: int, named: str, path: str
) -> None:
    explained = told(code, SITUATIONS[named], path=path, errmsg="refused requestIP: 203.0.113.7")
    for english in (explained.cause, explained.action):
        assert english.endswith(".")
        assert english[0].isupper() or english.startswith(("wx", "/"))
        assert ". " not in english
    for chinese in (explained.cause_zh, explained.action_zh):
        assert chinese.endswith("。")
        assert chinese.count("。") == 1
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    for text in (explained.cause, explained.action, explained.cause_zh, explained.action_zh):
        assert "None" not in text
        assert "  " not in text
        assert "{" not in text


@pytest.mark.parametrize(
    ("code", "named", "path", "words"),
    [
        (61003, "never", PATH, "never authorised platform wxplatform"),
        (61003, "never", PATH, "wxsecond instead"),
        (61003, "revoked", PATH, "took back its authorization of wxplatform on 2026-02-20"),
        (61003, "known", PATH, "still holds as active since 2026-02-20"),
        (61005, "old", PATH, "13 hours old"),
        (61005, "known", PATH, "pushed only 5 minutes ago"),
        (61005, "no ticket", PATH, "has not received a component_verify_ticket"),
        (61006, "no ticket", PATH, "has not received a component_verify_ticket"),
        (61006, "known", PATH, "pushed only 5 minutes ago"),
        (61007, "known", PATH, "permission set 1 (messages)"),
        (61007, "granted", PATH, "has granted as far as the gateway knows"),
        (61007, "known", "/no/api", "it has granted 2 (users), 3 (account services)"),
        (61009, "known", PATH, "such as wxsecond"),
        (61010, "known", PATH, "is authorised since 2026-02-20"),
        (61011, "platform", PATH, "an account configured here"),
        (61023, "revoked", PATH, "took back its authorization"),
        (61023, "known", PATH, "is not the current one"),
        (40001, "known", PATH, "fetched only 3 minutes ago"),
        (40001, "direct", PATH, "another program has fetched one with the same AppSecret"),
        (40001, "known", "/cgi-bin/component/api_component_token", "was good 3 hours ago"),
        (40125, "known", PATH, "was good 3 hours ago"),
        (40125, "no ticket", PATH, "never accepted the AppSecret"),
        (45009, "known", PATH, "wxaccount has used up today's calls of /cgi-bin/message/custom/send"),
        (45009, "known", PATH, "renews in 4 hours"),
        (45009, "known", "/cgi-bin/component/api_authorizer_token", "wxplatform has used up"),
        (48001, "known", "/wxa/commit", "no API of an official account"),
        (48001, "known", PATH, "itself has no right"),
    ],
)
def test_the_cause_is_the_one_in_this_configuration(code: int, named: str, path: str, words: str) -> None:
    assert words in told(code, SITUATIONS[named], path=path).cause


def test_an_old_token_is_not_blamed_on_another_program() -> None:
    old = replace(KNOWN, token_fetched_at=NOW - timedelta(hours=5))
    assert "longer than WeChat honours one" in told(42001, old).cause


@pytest.mark.parametrize("code", [61004, 40164])
def test_the_egress_address_is_the_one_wechat_saw(code: int) -> None:
    explained = told(code, errmsg="access clientip is not registered requestIP: 203.0.113.7")
    assert "203.0.113.7" in explained.cause
    assert "203.0.113.7" in explained.action_zh


def test_the_link_for_the_merchant_is_whole() -> None:
    for code in (61003, 61007, 61009, 61023):
        assert "https://gw.example/authorize/wxplatform" in told(code).action


async def test_a_missing_permission_set_is_named_in_the_error_itself(world: World) -> None:
    account = await authorized_account(world)
    granted = [2, 3]
    await world.authorize(account["appid"], func_ids=granted)
    await world.node.exchanges.close()
    with pytest.raises(WeChatError) as refused:
        await world.node.calls.account(account["appid"]).post(PATH.lstrip("/"), json={"touser": "o"})
    error = refused.value
    assert error.errcode == 61007
    assert error.explanation is not None
    assert "permission set 1 (messages)" in error.explanation.cause
    assert str(error) == f"{error.answer}. {error.explanation.cause} {error.explanation.action}"


async def test_the_log_of_a_failed_renewal_says_why_and_what_to_do(world: World) -> None:
    key = component_key(world.platform.appid)
    ip = "203.0.113.9"
    errmsg = f"access clientip is not registered requestIP: {ip} rid: 5f92a0c3-4b491949-0aa4f69d"
    await world.add_fault(
        "/cgi-bin/component/api_component_token", "errcode", errcode=61004, errmsg=errmsg, times=1
    )
    with capture_logs() as logs, pytest.raises(IpNotRegistered) as refused:
        await world.node.keeper.get(key)
    line = next(line for line in logs if line["event"] == "token.renewal_failed")
    assert refused.value.explanation is not None
    assert (line["cause"], line["action"]) == (
        refused.value.explanation.cause,
        refused.value.explanation.action,
    )
    assert ip in line["cause"]
    assert line["error"] == refused.value.answer


async def test_a_refused_ticket_is_explained_by_its_age(world: World) -> None:
    await world.add_fault("/cgi-bin/component/api_component_token", "errcode", errcode=61005, times=None)
    with pytest.raises(TicketRejected) as refused:
        await world.node.keeper.get(component_key(world.platform.appid))
    assert refused.value.explanation is not None
    assert "seconds ago" in refused.value.explanation.cause


async def test_a_direct_account_is_explained_without_a_platform(world: World) -> None:
    direct = await add_direct(world)
    await world.add_fault("/cgi-bin/user/info", "errcode", errcode=40001, times=None)
    with pytest.raises(WeChatError) as refused:
        await world.node.calls.account(direct.appid).get("cgi-bin/user/info", {"openid": "o"})
    assert refused.value.explanation is not None
    assert f"direct account {direct.appid}" in refused.value.explanation.cause


async def test_an_account_of_two_platforms_is_told_who_else_may_act(world: World) -> None:
    second = await add_platform(world)
    account = await authorized_account(world, second)
    at = await world.node.situations.gather(world.platform.appid, account["appid"])
    assert at.others == (second.appid,)
    assert second.appid in told(61003, at).cause


async def test_no_explanation_holds_a_secret(world: World) -> None:
    account = await authorized_account(world)
    appid, issuer = account["appid"], world.platform.appid
    kept = await world.node.store.authorizations.load(issuer, appid)
    assert kept is not None
    assert kept.refresh_token is not None
    at = await world.node.situations.gather(issuer, appid)
    tokens = [world.platform.secret.reveal(), kept.refresh_token.reveal()]
    for code in RULES:
        text = str(told(code, at)) + repr(at)
        assert not [secret for secret in tokens if secret in text]
