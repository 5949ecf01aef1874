"""One HTTP request to a subscriber, what it answered, and the seam to the network between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Posting:
    """A POST that is ready to be sent."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a subscriber answered; `whole` is False where there was more than we read."""

    status: int
    body: bytes = field(default=b"", repr=False)
    whole: bool = True
    retry_after: str = ""
    location: str = ""

    @property
    def accepted(self) -> bool:
        """Tell whether the subscriber took what it was sent."""
        return 200 <= self.status < 300


def unforeseen(error: Exception) -> str:
    """Say that something failed that nobody foresaw, by its type alone: its text may hold anything."""
    return f"an unforeseen {type(error).__name__} while it was made or sent; the server's log says where"


class Poster(Protocol):
    """Sends to subscribers, and to nobody who must not be reached."""

    async def post(self, posting: Posting, *, seconds: float) -> Answered:
        """Send one request and read the answer; raise Undeliverable when there is none in time."""
        ...
