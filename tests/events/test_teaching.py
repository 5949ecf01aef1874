"""What nobody handles is told once, with a handler to paste that works."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from wxgate import Gateway
from wxgate.events.handlers import Handlers
from wxgate.events.notices import parse_notice
from wxgate.events.teaching import REMEMBERED, Teacher, lesson, subject_names
from wxgate.protocol.messages import parse_message
from wxgate.protocol.pushes import parse_component_event


def message(kind: str = "text", **fields: str) -> Any:
    """Read a message or event."""
    head = {"ToUserName": "gh_1", "FromUserName": "oUser", "CreateTime": "1", "MsgType": kind}
    return parse_message({**head, **fields})


def info(info_type: str, **fields: str) -> Any:
    """Read an event of a platform."""
    return parse_component_event({"AppId": "wxP", "CreateTime": "1", "InfoType": info_type, **fields})


SUBJECTS = [
    message("text", MsgId="1"),
    message("hologram", MsgId="1"),
    message("event", Event="SCAN"),
    message("event", Event="teleported-中"),
    info("unauthorized", AuthorizerAppid="wx1"),
    info("something_new"),
    parse_notice("wxgate.revoked", "wxP", "wx1", 1, {}),
]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: type(subject).__name__)
def test_the_lesson_is_a_handler_that_is_found_for_what_it_teaches(subject: Any) -> None:
    gateway = Gateway()
    program = lesson(subject).partition("\n\n")[2]

    exec(program, {"gateway": gateway})

    found = gateway._handlers.find(subject_names(subject), "wx1")
    if subject_names(subject)[0].isascii():
        assert found is not None
        assert found.wants[0] == "message"


def test_a_name_is_taught_once() -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda: None)
    teacher = Teacher(handlers)

    with capture_logs() as logs:
        for subject in [*SUBJECTS, *SUBJECTS]:
            teacher.unhandled(subject, "wx1")

    assert [line["name"] for line in logs] == [subject_names(subject)[0] for subject in SUBJECTS]
    assert {line["appid"] for line in logs} == {"wx1"}


def test_a_gateway_without_handlers_and_a_ticket_are_no_occasion_to_teach() -> None:
    ticket = info("component_verify_ticket", ComponentVerifyTicket="ticket@@@x")
    handlers = Handlers()
    with capture_logs() as logs:
        Teacher(handlers).unhandled(SUBJECTS[0], "wx1")
        handlers.add(("event.weapp_*",), lambda: None)
        Teacher(handlers).unhandled(ticket, "")

    assert logs == []


def test_a_sender_of_endless_names_is_not_remembered_for_ever() -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda: None)
    teacher = Teacher(handlers)
    with capture_logs() as logs:
        for n in range(REMEMBERED + 5):
            teacher.unhandled(message("event", Event=f"e{n}"), "wx1")

    assert len(logs) == REMEMBERED
