"""What a test reads: what WeChat made of an answer, and what the user saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from wxgate.emulator.outcomes import Outcome, xml_of
from wxgate.protocol.replies import Reply, Text, TransferCustomerService, parse_reply


@dataclass(frozen=True, slots=True)
class Answer:
    """What WeChat made of the answer to a push.

    `outcome` is `success`, `empty`, `reply`, `invalid_reply`, `bad_status`, `timeout` or `connect_error`;
    `problem` says in words what WeChat would not take. `attempts` counts how often it was sent.
    """

    outcome: str
    reply: Reply | None = None
    problem: str | None = None
    status: int | None = None
    body: str = field(default="", repr=False)
    attempts: int = 1

    @property
    def text(self) -> str | None:
        """The text of the reply; None when there is no reply, or one of another kind."""
        return self.reply.content if isinstance(self.reply, Text) else None

    @property
    def silent(self) -> bool:
        """Whether the push was received and nothing was replied: the user sees nothing."""
        return self.outcome in (Outcome.SUCCESS, Outcome.EMPTY)

    @property
    def transferred(self) -> bool:
        """Whether the conversation was handed to customer service."""
        return isinstance(self.reply, TransferCustomerService)

    @property
    def fault(self) -> bool:
        """Whether the user sees 「该公众号提供的服务出现故障」, or WeChat a push that failed."""
        return not Outcome(self.outcome).well

    @classmethod
    def of_push(cls, push: Mapping[str, Any]) -> Self:
        """Read what the emulator's log says of a push."""
        last = push["attempts"][-1] if push["attempts"] else {}
        replied = next((one["reply_plain"] for one in push["attempts"] if one["outcome"] == "reply"), None)
        return cls(
            outcome=push["outcome"],
            reply=parse_reply(xml_of(replied)).reply if replied else None,
            problem=last.get("problem"),
            status=last.get("status"),
            body=last.get("body", ""),
            attempts=len(push["attempts"]),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that appeared on a user's phone.

    `source` is `passive` for a reply, `custom` for a customer-service message, `fault_notice` for WeChat's
    apology; `sender` is the platform that sent it, or `direct`.
    """

    source: str
    type: str
    text: str | None
    sender: str | None
    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> Self:
        """Read an entry of the emulator's inbox."""
        return cls(entry["from"], entry["type"], entry["content"], entry["sender"], entry["fields"])
