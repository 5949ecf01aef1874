"""What WeChat's checker asks is recognised, nobody else's message is, and lines become runs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.moments import NOW
from tests.store.test_release_tests import TESTED
from wxgate.events.release_remarks import Remark, read_remarks, write_remarks
from wxgate.events.release_test import ReleaseStep, recognise, runs, without_code
from wxgate.protocol.messages import Message, parse_message
from wxgate.protocol.official_tests import RELEASE_TEST_ACCOUNTS, TEST_ACCOUNTS
from wxgate.secret import AuthorizationCode

OFFICIAL, MINI = RELEASE_TEST_ACCOUNTS[0], RELEASE_TEST_ACCOUNTS[5]


def message(to: str = OFFICIAL.user_name, **fields: str) -> Message:
    return parse_message(
        {"ToUserName": to, "FromUserName": "oUser", "CreateTime": "1", "MsgType": "text", "MsgId": "7"}
        | fields
    )


def test_there_are_five_of_each_kind() -> None:
    assert len(TEST_ACCOUNTS) == 10
    assert sum(account.is_mini_program for account in RELEASE_TEST_ACCOUNTS) == 5
    assert len({account.user_name for account in RELEASE_TEST_ACCOUNTS}) == 10


@pytest.mark.parametrize("account", RELEASE_TEST_ACCOUNTS, ids=lambda account: account.appid)
def test_text_and_code_are_asked_of_every_account(account: object) -> None:
    assert account in RELEASE_TEST_ACCOUNTS
    appid, to = account.appid, account.user_name  # type: ignore[attr-defined]
    text = recognise(appid, message(to, Content="TESTCOMPONENT_MSG_TYPE_TEXT"))
    assert text is not None
    assert (text.step, text.text) == (ReleaseStep.TEXT, "TESTCOMPONENT_MSG_TYPE_TEXT_callback")
    code = recognise(appid, message(to, Content="QUERY_AUTH_CODE:queryauthcode@@@a-b_c"))
    assert code is not None
    assert code.code == AuthorizationCode("queryauthcode@@@a-b_c")


def test_an_event_wants_its_own_name_and_only_of_official_accounts() -> None:
    event = {"MsgType": "event", "Event": "LOCATION"}
    asked = recognise(OFFICIAL.appid, message(**event))
    assert asked is not None
    assert (asked.step, asked.text) == (ReleaseStep.EVENT, "LOCATIONfrom_callback")
    assert recognise(MINI.appid, message(MINI.user_name, **event)) is None


@pytest.mark.parametrize(
    ("appid", "to", "content"),
    [
        ("wx0123456789abcdef", OFFICIAL.user_name, "TESTCOMPONENT_MSG_TYPE_TEXT"),
        (OFFICIAL.appid, "gh_merchant00", "TESTCOMPONENT_MSG_TYPE_TEXT"),
        (OFFICIAL.appid, "gh_merchant00", "QUERY_AUTH_CODE:queryauthcode@@@x"),
        (OFFICIAL.appid, OFFICIAL.user_name, "TESTCOMPONENT_MSG_TYPE_TEXT?"),
        (OFFICIAL.appid, OFFICIAL.user_name, "QUERY_AUTH_CODE:"),
        (OFFICIAL.appid, OFFICIAL.user_name, "你好"),
    ],
)
def test_nobody_elses_message_is_taken_for_the_test(appid: str, to: str, content: str) -> None:
    assert recognise(appid, message(to, Content=content)) is None


def test_a_code_is_hidden_with_what_stands_beside_it() -> None:
    code = AuthorizationCode("queryauthcode@@@abc")
    assert without_code("QUERY_AUTH_CODE:queryauthcode@@@abc", code) == "QUERY_AUTH_CODE:****"
    assert without_code("queryauthcode@@@abc_from_api", code) == "****_from_api"


def test_lines_become_runs_by_account_the_newest_first() -> None:
    steps = (ReleaseStep.TICKET, ReleaseStep.AUTHORIZED, ReleaseStep.TEXT, ReleaseStep.UNAUTHORIZED)
    first = [replace(TESTED, step=step, id=number) for number, step in enumerate(steps, 1)]
    second = [replace(line, id=line.id + 10, at=NOW + timedelta(minutes=5)) for line in first]
    second[2] = replace(second[2], ok=False)
    beside = replace(TESTED, step=ReleaseStep.TEXT, appid=MINI.appid, ok=None, id=3)
    found = runs([*second, beside, *first])
    assert [(run.appid, len(run.lines), run.ok) for run in found] == [
        (OFFICIAL.appid, 4, False),
        (MINI.appid, 1, None),
        (OFFICIAL.appid, 4, True),
    ]


def test_what_is_said_of_a_step_is_kept_by_code_and_read_in_both_languages() -> None:
    remarks = (Remark("code_refused", {"origin": "message", "errcode": "61009"}), Remark("sent"))
    line = replace(TESTED, remarks=read_remarks(write_remarks(remarks)))
    assert line.reason == (
        "WeChat refused the code of the message (61009); the customer-service message was sent"
    )
    assert line.reason_zh == "微信拒绝了消息里的授权码（61009）；客服消息已发出"
    assert replace(TESTED, remarks=(Remark("of_a_later_version"),)).reason == "of_a_later_version"


def test_lines_far_apart_are_different_runs() -> None:
    late = replace(TESTED, step=ReleaseStep.TEXT, id=2, at=NOW + timedelta(hours=1))
    assert len(runs([replace(TESTED, id=1), late])) == 2
