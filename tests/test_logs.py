"""The log's last filter: whatever looks like a secret is hidden, by its field's name or by its form."""

import io
import logging
from contextlib import redirect_stderr
from typing import Literal

import pytest
import structlog

from wxgate.logs import configure_logs, redact
from wxgate.secret import hide

FORMS = [
    "ticket@@@hXh2446N-P9OOZqW4EeuPO9zFXEnAz5Vzc0JaWczBkIqcw2javRF0C_VVdwVYrEwyw1xHOiui7gB0WqKaYPMUQ",
    "preauthcode@@@sHSgAQxcW9ZmU72jbg1ZFhxXdKARfjpjAxvrPn_DL5H0iPpEgWkIEJf71zaTDPKX",
    "queryauthcode%40%40%409wBLu78rSZcp",
    "refreshtoken@@@RU0Sgi7bD6apS7frS9gj8Sbws7OoDejK9Z-cm0EnCzg",
    "51_" + "n6nDZDHggtO7" * 12,
    "7_" + "n6nDZDHggtO7" * 12,
    "104_" + "n6nDZDHggtO7" * 12,
    "wxg_0123456789ab_n6nDZDHggtO7-P9OOZqW4EeuPO9zFXEnAz5Vzc0JaWc",
]


@pytest.mark.parametrize("secret", FORMS)
def test_values_in_wechats_forms_are_hidden_inside_any_text(secret: str) -> None:
    hidden = hide(f"before {secret} after")

    assert secret not in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@pytest.mark.parametrize("name", ["access_token", "component_access_token", "secret"])
def test_query_parameters_that_carry_secrets_are_hidden(name: str) -> None:
    hidden = hide(f"GET https://api.weixin.qq.com/x?{name}=abc123&appid=wx1")

    assert "abc123" not in hidden
    assert "appid=wx1" in hidden


@pytest.mark.parametrize("field", ["secret", "app_secret", "token", "ticket", "auth_code", "code", "aes_key"])
def test_fields_named_like_secrets_are_hidden_whatever_they_hold(field: str) -> None:
    assert redact(None, "info", {field: "plain"})[field] == "****"


@pytest.mark.parametrize("field", ["errcode", "event", "appid", "token_kind", "exit_status"])
def test_other_fields_are_kept(field: str) -> None:
    assert redact(None, "info", {field: "plain"})[field] == "plain"


@pytest.mark.parametrize(
    ("form", "shown"), [("text", "\nfirst\nsecond"), ("json", '"hint": "first\\nsecond"')]
)
def test_a_hint_of_several_lines_can_be_pasted_from_a_log_for_people(
    form: Literal["text", "json"], shown: str
) -> None:
    written = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        with redirect_stderr(written):
            configure_logs("info", form)
            structlog.get_logger().info("event.unhandled", hint="first\nsecond")
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()

    assert shown in written.getvalue()


def test_a_library_s_log_line_passes_the_same_filter() -> None:
    written = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        with redirect_stderr(written):
            configure_logs("info", "json")
            logging.getLogger("some.library").warning("calling /x?access_token=abc123")
            structlog.get_logger().info("our.line", url="/x?access_token=abc123", ticket="t")
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()

    assert "calling" in written.getvalue()
    assert "our.line" in written.getvalue()
    assert "abc123" not in written.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_half_a_surrogate_pair_is_escaped_and_stops_no_line(form: Literal["text", "json"]) -> None:
    raw = io.BytesIO()
    strict = io.TextIOWrapper(raw, encoding="utf-8", errors="strict", write_through=True)
    before = logging.getLogger().handlers[:]
    try:
        with redirect_stderr(strict):
            configure_logs("info", form)
            structlog.get_logger().error("handler.failed", exception="bad \ud83d", given=["worse \ud83d"])
            logging.getLogger("some.library").warning("worst \ud83d")
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()

    assert raw.getvalue().decode().count("ud83d") == 3
