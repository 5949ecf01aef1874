"""The rules that WeChat leaves open, each as a switch with a documented default.

Where the documentation is silent, contradicts itself or contradicts what is observed, the emulator does
the more plausible thing and lets a test turn it round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from wxgate.errors import ConfigError


def _switch(default: Any, help: str, *, choices: tuple[str, ...] = (), optional: bool = False) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices, "optional": optional})


@dataclass(slots=True)
class Switches:
    """Every open rule and its present setting; times are seconds."""

    # Lifetimes
    ticket_interval: float = _switch(600.0, "Seconds between two ticket pushes.")
    ticket_lifetime: float = _switch(43_200.0, "How long a ticket is accepted.")
    ticket_value_kept: int = _switch(1, "How many pushes in a row carry the same ticket value.")
    pre_auth_code_lifetime: float = _switch(
        600.0, "600 in samples and the 2019 text, 1800 in the current text."
    )
    authorization_code_lifetime: float = _switch(
        3600.0, "3600 observed; 600 in the text and for trial mini programs."
    )
    access_token_lifetime: float = _switch(7200.0, "The expires_in of every access token.")
    token_overlap: float = _switch(300.0, "How long a superseded access token still works.")
    component_token_overlap: float = _switch(
        300.0, "The same for component tokens, where it is only assumed."
    )
    refresh_token_overlap: float = _switch(300.0, "How long a superseded refresh token still works.")
    js_ticket_lifetime: float = _switch(7200.0, "The expires_in of jsapi and wx_card tickets.")

    # Authorization
    codes_identical: bool = _switch(True, "Redirect and push carry the same authorization_code.")
    both_codes_work: bool = _switch(True, "When they differ, each may be exchanged once.")
    update_rotates_refresh_token: bool = _switch(True, "A re-authorization makes a new refresh token.")
    renewal_rotates_refresh_token: bool = _switch(False, "A renewal returns a new refresh token.")
    push_unchanged_update: bool = _switch(
        False, "A re-authorization with the same sets pushes updateauthorized."
    )
    authorized_push: str = _switch(
        "at_once",
        "When the authorized push goes out, seen from the browser's redirect.",
        choices=("push_first", "at_once", "redirect_first"),
    )
    redirect_head_start: float = _switch(0.5, "How long the redirect is ahead under redirect_first.")
    check_referer: bool = _switch(True, "The authorization page wants to be opened from authorize_domain.")
    exclusive_sets: bool = _switch(True, "Exclusive permission sets go to one platform only (-107).")
    option_api: str = _switch(
        "both",
        "Which generation of get/set_authorizer_option exists: api_* with component_appid, or the new paths.",
        choices=("both", "old", "new"),
    )

    # Answers
    errmsg_suffix: str = _switch("rid", "The generation of errmsg suffixes.", choices=("rid", "hint", "none"))
    escape_slash: bool = _switch(False, "JSON answers write / as \\/, as some of WeChat's do.")
    content_type: str = _switch("application/json; encoding=utf-8", "The Content-Type of API answers.")
    sns_content_type: str = _switch("text/plain", "The Content-Type of sns answers.")
    expired_component_token: int = _switch(
        42001, "The errcode of an expired component token: 42001 or 42006."
    )
    check_ip_on_behalf: bool = _switch(True, "The platform's IP whitelist holds for authorizer tokens too.")

    # Quotas
    quotas: bool = _switch(True, "Daily limits are enforced.")
    quota_per_party: bool = _switch(
        True,
        "Each third party counts its own calls on behalf of an account; off, all share the account's count.",
    )
    component_token_daily_limit: int | None = _switch(
        None, "Daily calls of api_component_token and api_authorizer_token; not published.", optional=True
    )
    minute_limit: int | None = _switch(None, "Calls a minute of one account before 45011.", optional=True)
    clears_per_month: int = _switch(10, "How often a month an account's quota may be cleared (48006).")
    custom_message_window: float = _switch(
        172_800.0, "How long after a user's message one may write (45015)."
    )
    custom_message_limit: int = _switch(20, "How many messages within that window (45047).")

    # Pushes
    push_timeout: float = _switch(5.0, "How long an answer to a push may take.")
    message_attempts: int = _switch(3, "How often a message or event is tried.")
    component_attempts: int = _switch(1, "How often a component event is tried; no text promises a retry.")
    retry_pause: float = _switch(0.0, "The wait before another attempt.")
    retry_bad_status: bool = _switch(True, "An HTTP status other than 200 is retried like a time-out.")
    mark_fail_after: int | None = _switch(
        None,
        "Failed pushes in a row after which a receiver gets none for a minute (MarkFail).",
        optional=True,
    )
    start_push_ticket_at_once: bool = _switch(
        True, "api_start_push_ticket pushes at once, not ten minutes later."
    )
    reply_policy: str = _switch(
        "first",
        "Whose reply the user sees when several parties answer one message: the first valid one, that of the "
        "account's own server before others, all of them, or the last.",
        choices=("first", "direct", "all", "last"),
    )
    fault_notice: str = _switch(
        "nobody",
        "When the user is told of a fault: nobody did their part, or anybody did not.",
        choices=("nobody", "anybody"),
    )
    push_content_type: str = _switch("text/xml", "The Content-Type of pushes.")

    # Login
    code_lifetime: float = _switch(300.0, "How long a code of a login is good for.")
    website_code_lifetime: float = _switch(600.0, "The same for website applications.")
    user_token_lifetime: float = _switch(7200.0, "The expires_in of a user's access token.")
    user_refresh_lifetime: float = _switch(2_592_000.0, "How long a user's refresh token is good for.")
    wechat_browser_only: bool = _switch(
        True, "connect/oauth2/authorize opens only where MicroMessenger is in the User-Agent."
    )
    require_fragment: bool = _switch(False, "connect/oauth2/authorize wants #wechat_redirect on the link.")
    follower_silence: bool = _switch(True, "A follower is not asked for snsapi_userinfo, but by forcePopup.")
    refusal: str = _switch(
        "state_only",
        "What refusing in WeChat does: lead back without a code, with code=authdeny, show a blank page, "
        "or close the page.",
        choices=("state_only", "authdeny", "blank", "close"),
    )
    qr_refusal: str = _switch(
        "state_only",
        "What refusing a scanned login does to the page with the QR code: lead back without a code, or stay.",
        choices=("state_only", "stay"),
    )
    qr_poll_seconds: float = _switch(25.0, "How long the QR page's poll waits before it answers 408.")
    qr_lifetime: float = _switch(300.0, "How long a QR code of a website login can be scanned.")
    double_callback: bool = _switch(
        False, "The callback is called twice, with two codes and the same state; control codes shows both."
    )
    snapshot: bool = _switch(False, "Whoever logs in is in a snapshot page (快照页), and virtual.")
    snapshot_with_real_openid: bool = _switch(
        False, "In a snapshot page is_snapshotuser comes with the real openid, as has been seen."
    )
    unionid_in_base: bool = _switch(False, "snsapi_base has the unionid too.")
    code_survives_token_error: bool = _switch(
        True, "A code is still good after an exchange that failed on its component token."
    )
    nickname_control_character: bool = _switch(
        False, "A nickname ends in a raw \\x14, which JSON does not allow."
    )
    sns_charset: str = _switch("", "A charset that sns answers claim to be in; they are UTF-8.")

    def change(self, given: Mapping[str, Any]) -> None:
        """Turn the named switches; raises ConfigError for a name or value that does not exist."""
        known = {switch.name: switch for switch in fields(self)}
        for name, value in given.items():
            if name not in known:
                raise ConfigError(f"there is no switch {name!r}; GET /_emulator/switches lists them")
            switch = known[name]
            setattr(self, name, _fitting(name, value, switch.default, switch.metadata))

    def values(self) -> dict[str, Any]:
        """Return every switch and its setting."""
        return {switch.name: getattr(self, switch.name) for switch in fields(self)}

    @classmethod
    def help(cls) -> dict[str, str]:
        """Return what every switch means."""
        return {switch.name: switch.metadata["help"] for switch in fields(cls)}


def _fitting(name: str, value: Any, default: Any, metadata: Mapping[str, Any]) -> Any:
    if metadata["choices"]:
        if value not in metadata["choices"]:
            raise ConfigError(f"{name} is one of {', '.join(metadata['choices'])}, not {value!r}")
        return value
    if metadata["optional"]:
        if value is not None and type(value) is not int:
            raise ConfigError(f"{name} is a whole number or null, not {value!r}")
        return value
    if isinstance(default, float) and type(value) in (int, float):
        return float(value)
    if type(value) is not type(default):
        raise ConfigError(f"{name} is a {type(default).__name__}, not {value!r}")
    return value
