"""Server-sent events, written and read: https://html.spec.whatwg.org/multipage/server-sent-events.html

Pure: bytes in, bytes out.
"""

from dataclasses import dataclass

LINE_LIMIT = 8 * 1024 * 1024
"""The longest line that is read: an event is at most as large as a push, as JSON."""


def write(data: str, *, event: str, id: int) -> bytes:
    """Write one event; its data has to be a single line.

    The name may hold what a stranger wrote, and cannot end its line either.
    """
    event = event.replace("\r", "").replace("\n", "")
    return f"event: {event}\nid: {id}\ndata: {data}\n\n".encode("utf-8", "replace")


def write_place(id: int) -> bytes:
    """Write where the stream is, without an event.

    A reader's last id moves on although nothing passed its filter, and proxies see that the stream lives.
    """
    return f": here\nid: {id}\n\n".encode()


def write_retry(milliseconds: int) -> bytes:
    """Write after how long a reader shall come back when the stream is cut."""
    return f"retry: {milliseconds}\n\n".encode()


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One event as it was read; `id` is the last id at that point of the stream."""

    event: str
    data: str
    id: str


class Reader:
    """Reads a stream as its bytes come in; `last_id` is where to go on from after a cut."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._id = last_id
        self._event = ""
        self._data: list[str] = []
        self._rest = b""
        self._size = 0

    def read(self, chunk: bytes) -> list[ServerSent]:
        """Take the next bytes and return the events that are whole now; ValueError for what has no end."""
        found = []
        buffer = self._rest + chunk
        *lines, self._rest = buffer.split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            raise ValueError(f"the stream has a line longer than {LINE_LIMIT} bytes")
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                found.append(event)
        return found

    def _take(self, line: str) -> ServerSent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and "\0" not in value:
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._size += len(value)
            if self._size > LINE_LIMIT:
                raise ValueError(f"the stream has an event larger than {LINE_LIMIT} bytes")
            self._data.append(value)
        return None

    def _dispatch(self) -> ServerSent | None:
        """End an event; an id without data only says where the stream is."""
        data, name = self._data, self._event
        self.last_id, self._data, self._event, self._size = self._id, [], "", 0
        return ServerSent(name or "message", "\n".join(data), self._id) if data else None
