"""全网发布检测: the accounts with which WeChat tests a platform before it is published, and what it asks.

A text `TESTCOMPONENT_MSG_TYPE_TEXT` wants a text back at once; `QUERY_AUTH_CODE:` and a code wants nothing
at once, then the code exchanged and a customer-service message with the token that came of it; before 2018
every event wanted a text as well.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReleaseTestAccount:
    """An official account or mini program of WeChat's own."""

    appid: str
    user_name: str
    is_mini_program: bool = False


RELEASE_TEST_ACCOUNTS: Final = (
    ReleaseTestAccount("wx570bc396a51b8ff8", "gh_3c884a361561"),
    ReleaseTestAccount("wx9252c5e0bb1836fc", "gh_c0f28a78b318"),
    ReleaseTestAccount("wx8e1097c5bc82cde9", "gh_3f222ed8d140"),
    ReleaseTestAccount("wx14550af28c71a144", "gh_26128078e9ab"),
    ReleaseTestAccount("wxa35b9c23cfe664eb", "gh_2b3713f184a6"),
    ReleaseTestAccount("wxd101a85aa106f53e", "gh_8dad206e9538", is_mini_program=True),
    ReleaseTestAccount("wxc39235c15087f6f3", "gh_905ae9d01059", is_mini_program=True),
    ReleaseTestAccount("wx7720d01d4b2a4500", "gh_393666f1fdf4", is_mini_program=True),
    ReleaseTestAccount("wx05d483572dcd5d8b", "gh_39abb5d4e1b7", is_mini_program=True),
    ReleaseTestAccount("wx5910277cae6fd970", "gh_7818dcb60240", is_mini_program=True),
)
"""Picked at random by WeChat, which authorises the one it picked by itself, and ends it again."""

TEST_ACCOUNTS: Final = frozenset(account.appid for account in RELEASE_TEST_ACCOUNTS)
"""Their appids."""

TEXT_QUESTION: Final = "TESTCOMPONENT_MSG_TYPE_TEXT"
TEXT_ANSWER: Final = "TESTCOMPONENT_MSG_TYPE_TEXT_callback"
CODE_QUESTION: Final = "QUERY_AUTH_CODE:"
"""What stands before the code that is to be exchanged."""

OFFICIAL_ACCOUNT_SET: Final = 1
"""消息管理: a platform that asks merchants for it is tested with an official account."""

MINI_PROGRAM_SET: Final = 19
"""客服消息管理: without the other one, the platform is tested with a mini program."""


def api_answer(code: str) -> str:
    """Write the text that goes out as a customer-service message."""
    return f"{code}_from_api"


def event_answer(event: str) -> str:
    """Write the text that answers an event."""
    return f"{event}from_callback"
