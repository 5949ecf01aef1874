"""Server-sent events: what is written is read back, however the bytes are cut."""

from hypothesis import given
from hypothesis import strategies as st

from wxgate.events.sse import Reader, ServerSent, write, write_place, write_retry

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)))


@given(st.lists(st.tuples(LINES, st.integers(0, 2**62)), max_size=5), st.data())
def test_events_are_read_however_their_bytes_are_cut(
    events: list[tuple[str, int]], data: st.DataObject
) -> None:
    stream = write_retry(2000) + b"".join(write(text, event="message.text", id=id) for text, id in events)
    reader, found = Reader(), list[ServerSent]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.read(stream[:size])
        stream = stream[size:]
    assert found == [ServerSent("message.text", text, str(id)) for text, id in events]


def test_a_place_moves_the_last_id_on_without_an_event() -> None:
    reader = Reader()
    assert reader.read(write_place(41)) == []
    assert reader.last_id == "41"


def test_an_event_that_is_cut_does_not_count() -> None:
    reader = Reader("7")
    assert reader.read(write("{}", event="x", id=8)[:-1]) == []
    assert reader.last_id == "7"


def test_other_servers_line_ends_comments_and_several_lines_are_understood() -> None:
    stream = b": hello\r\nid: 3\r\ndata: one\r\ndata: two\r\n\r\ndata\n\nfoo: bar\n\n"
    assert Reader().read(stream) == [ServerSent("message", "one\ntwo", "3"), ServerSent("message", "", "3")]


def test_a_name_cannot_end_its_line() -> None:
    [event] = Reader().read(write("{}", event="message.x\r\ndata: forged\n\n", id=1))
    assert event == ServerSent("message.xdata: forged", "{}", "1")


def test_what_cannot_be_written_in_utf_8_does_not_end_the_stream() -> None:
    [event] = Reader().read(write("\ud800", event="x", id=1))
    assert event.data == "?"
