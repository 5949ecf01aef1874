"""Why WeChat said no, in this configuration, and what to do: a pure rule per errcode.

(error, situation) -> Explanation. What the situation does not tell is left to the catalogue's own words.
"""

from collections.abc import Callable, Mapping

from wxgate.custody import explain_account as account
from wxgate.custody import explain_platform as platform
from wxgate.custody.situations import Situation
from wxgate.errors import Explanation, WeChatError
from wxgate.protocol import errcodes

Rule = Callable[[WeChatError, Situation], Explanation | None]

RULES: Mapping[int, Rule] = {
    40001: account.token_rejected,
    40014: account.token_rejected,
    42001: account.token_rejected,
    42006: account.token_rejected,
    40125: platform.secret_refused,
    40164: platform.ip_of_account,
    45009: account.quota_used_up,
    48001: account.no_right,
    61003: account.not_authorized,
    61004: platform.ip_of_platform,
    61005: platform.ticket_expired,
    61006: platform.ticket_invalid,
    61007: account.permission_missing,
    61009: platform.code_foreign,
    61010: platform.code_spent,
    61011: platform.no_platform,
    61023: account.refresh_token_rejected,
}
"""The errcodes whose cause depends on the configuration."""


def explain(error: WeChatError, situation: Situation) -> Explanation:
    """Explain a refusal by what is known here, else in the catalogue's general words."""
    rule = RULES.get(error.errcode)
    return (rule(error, situation) if rule else None) or errcodes.explain(error)
