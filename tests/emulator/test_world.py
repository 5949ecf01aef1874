"""The world's rules by themselves: no server, no waiting."""

import json
import re

import pytest

from wxgate.emulator.api import desk
from wxgate.emulator.api.call import CallLog
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.scenarios import DEMO_OFFICIAL_ACCOUNT, DEMO_PLATFORM, play
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world import PageRefusal, World
from wxgate.emulator.world.quotas import BEIJING_OFFSET
from wxgate.emulator.world.refusals import refusal, with_suffix
from wxgate.emulator.world.tokens import Origin
from wxgate.errors import ConfigError, WeChatError
from wxgate.protocol import endpoints
from wxgate.protocol.aes import decode_key
from wxgate.protocol.endpoints import TokenUse

START = 1_780_000_000.0


@pytest.fixture
def world() -> World:
    world = World(seed=3, clock=EmulatorClock.standing(START))
    play(world, "demo")
    return world


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("ticket", r"ticket@@@[\w-]{86}"),
        ("pre_auth_code", r"preauthcode@@@[\w-]{64}"),
        ("authorization_code", r"queryauthcode@@@[\w-]{86}"),
        ("refresh_token", r"refreshtoken@@@[\w-]{43}"),
        ("access_token", r"\d\d_[\w-]{154}"),
        ("user_name", r"gh_[0-9a-f]{12}"),
        ("openid", r"o[\w-]{27}"),
        ("appid", r"wx[0-9a-f]{16}"),
    ],
)
def test_values_have_wechats_forms(name: str, form: str) -> None:
    assert re.fullmatch(form, getattr(Values(1), name)())
    assert getattr(Values(1), name)() == getattr(Values(1), name)()
    assert getattr(Values(1), name)() != getattr(Values(2), name)()


def test_message_ids_grow() -> None:
    values = Values(1)

    ids = [values.msg_id() for _ in range(100)]

    assert ids == sorted(set(ids))


def test_the_demo_platform_has_a_readable_key_that_is_a_key(world: World) -> None:
    platform = world.platform(DEMO_PLATFORM)

    assert len(decode_key(platform.aes_key)) == 32
    assert "emulated" in platform.secret + platform.token


def test_the_demo_account_has_followers(world: World) -> None:
    assert [user.id for user in world.users.values() if DEMO_OFFICIAL_ACCOUNT in user.followed_at] == [
        "xiaoming",
        "xiaohong",
        "ming",
    ]


def test_one_person_has_one_unionid_and_an_openid_for_each_account(world: World) -> None:
    user = world.user("ming")
    ids = {world.openid(user, account) for account in world.accounts.values()}

    assert len(ids) == len(world.accounts)
    assert len({each.unionid for each in world.users.values()}) == 3


def test_tokens_of_different_issuers_never_supersede_each_other(world: World) -> None:
    other = world.put_platform({})
    account = world.account(DEMO_OFFICIAL_ACCOUNT)
    issued = [
        world.tokens.issue(Origin.AUTHORIZER, account.appid, platform=DEMO_PLATFORM),
        world.tokens.issue(Origin.AUTHORIZER, account.appid, platform=other.appid),
        world.tokens.issue(Origin.DIRECT, account.appid),
        world.tokens.issue_stable(account.appid, force=False),
    ]
    world.clock.advance(301)

    assert [world.tokens.check(token.value) for token in issued] == issued


def test_a_stable_token_is_forced_twenty_times_a_day(world: World) -> None:
    world.tokens.issue_stable(DEMO_OFFICIAL_ACCOUNT, force=False)
    for _ in range(20):
        world.clock.advance(31)
        world.tokens.issue_stable(DEMO_OFFICIAL_ACCOUNT, force=True)
    world.clock.advance(31)

    with pytest.raises(WeChatError, match="45009"):
        world.tokens.issue_stable(DEMO_OFFICIAL_ACCOUNT, force=True)


def test_a_quota_begins_again_at_midnight_in_beijing(world: World) -> None:
    world.quotas.set_limit(DEMO_OFFICIAL_ACCOUNT, "/x", 1)
    world.quotas.count(DEMO_OFFICIAL_ACCOUNT, "/x")
    midnight = 86_400 - (int(START) + BEIJING_OFFSET) % 86_400
    world.clock.advance(midnight - 1)
    with pytest.raises(WeChatError, match="45009"):
        world.quotas.count(DEMO_OFFICIAL_ACCOUNT, "/x")

    world.clock.advance(1)

    world.quotas.count(DEMO_OFFICIAL_ACCOUNT, "/x")
    assert world.quotas.get(DEMO_OFFICIAL_ACCOUNT, "/x").remain == 0


def test_a_ticket_value_can_be_kept_for_several_pushes(world: World) -> None:
    world.switches.change({"ticket_value_kept": 2})

    values = [world.tickets.issue(DEMO_PLATFORM) for _ in range(4)]

    assert values[0] == values[1] != values[2] == values[3]


def test_a_pre_auth_code_serves_its_own_platform_once(world: World) -> None:
    platform, account = world.platform(DEMO_PLATFORM), world.account(DEMO_OFFICIAL_ACCOUNT)
    code = world.codes.make_pre_auth_code(platform.appid).value
    with pytest.raises(PageRefusal, match="-100"):
        world.authorize(world.put_platform({}), account, [1], code)

    world.authorize(platform, account, [1], code)

    with pytest.raises(PageRefusal, match="-110"):
        world.authorize(platform, account, [1], code)


def test_what_a_platform_asks_for_is_all_that_is_offered(world: World) -> None:
    platform, account = world.platform(DEMO_PLATFORM), world.account(DEMO_OFFICIAL_ACCOUNT)
    platform.permission_sets = [1, 15, 18]

    granted = world.authorize(platform, account, None)

    assert granted.authorization.func_ids == [1, 15]
    assert granted.info_type == "authorized"


@pytest.mark.parametrize(
    ("code", "style", "text"),
    [
        (61009, "rid", "code is invalid rid: R"),
        (40029, "rid", "invalid code, rid: R"),
        (61009, "hint", "code is invalid hint: [H]"),
        (61009, "none", "code is invalid"),
        (44002, "rid", "empty post data"),
    ],
)
def test_error_texts_carry_the_suffix_of_their_time(code: int, style: str, text: str) -> None:
    errmsg = refusal(code).errmsg

    assert with_suffix(code, errmsg, style=style, rid="R", hint="H") == text


def test_switches_refuse_what_they_cannot_be() -> None:
    switches = Switches()
    switches.change({"push_timeout": 1, "minute_limit": 5})

    assert (switches.push_timeout, switches.minute_limit) == (1.0, 5)
    for wrong in ({"minute_limit": "5"}, {"codes_identical": 1}, {"push_timeout": "fast"}, {"nonsense": 1}):
        with pytest.raises(ConfigError):
            switches.change(wrong)


def test_every_path_in_the_catalogue_has_an_answer(world: World) -> None:
    account = world.account(DEMO_OFFICIAL_ACCOUNT)
    world.switches.change({"quotas": False})
    business = world.tokens.issue(Origin.DIRECT, account.appid).value
    component = world.tokens.issue(Origin.COMPONENT, DEMO_PLATFORM, platform=DEMO_PLATFORM).value
    log = CallLog()
    answered = 0
    for endpoint in endpoints.all_endpoints():
        token = component if endpoint.token is TokenUse.COMPONENT else business
        method = endpoint.method.split("/")[0] or "POST"
        call = log.open(
            at=START, method=method, path=endpoint.path, query={"access_token": token}, body=b'{"a": 1}'
        )
        answer = desk.answer(world, call)
        assert answer.status == 200
        if answer.content_type != "image/gif":
            answered += json.loads(answer.body).get("errcode", 0) == 0

    assert answered > 1_000
