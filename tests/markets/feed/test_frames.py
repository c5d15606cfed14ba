"""However the bytes are cut, the same messages come out; what breaks the protocol is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.feed.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameError, FrameReader, Message


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = False) -> bytes:
    first = (0x80 if fin else 0) | opcode
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = bytes([first, flag | size])
    elif size < 65_536:
        head = bytes([first, flag | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, flag | 127]) + size.to_bytes(8, "big")
    return head + payload


def fragmented(payload: bytes, cuts: list[int], pings: bool) -> bytes:
    """A message in fragments, with pings between them if asked for."""
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    out = b""
    for number, part in enumerate(parts):
        out += frame(part, TEXT if number == 0 else 0, fin=number == len(parts) - 1)
        if pings and number < len(parts) - 1:
            out += frame(b"hello", PING)
    return out


def read_all(stream: bytes, cuts: list[int]) -> list[Message]:
    reader, found = FrameReader(), []
    for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.push(stream[a:b])
    return found


payloads = st.one_of(st.binary(max_size=140), st.integers(120, 130).map(lambda n: b"x" * n),
                     st.sampled_from([b"y" * 65_535, b"z" * 65_536, b"w" * 70_000]))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data(), messages=st.lists(st.tuples(payloads, st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_any_cut_of_the_stream_gives_the_same_messages(
    data: st.DataObject, messages: list[tuple[bytes, bool, bool]]
) -> None:
    stream, expected = b"", []
    for payload, in_parts, pings in messages:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3))) if in_parts else []
        stream += fragmented(payload, cuts, pings)
        expected += [Message(PING, b"hello")] * (len(cuts) if pings else 0) + [Message(TEXT, payload)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    assert read_all(stream, cuts) == expected


def test_byte_by_byte() -> None:
    stream = frame(b"a" * 300) + frame(b"", PONG) + frame(b"\x03\xe8bye", CLOSE) + frame(b"bin", BINARY)
    found = read_all(stream, list(range(1, len(stream))))
    assert found == [
        Message(TEXT, b"a" * 300),
        Message(PONG, b""),
        Message(CLOSE, b"\x03\xe8bye"),
        Message(BINARY, b"bin"),
    ]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (frame(b"x", mask=True), "masked"),
        (bytes([0xC1, 1]) + b"x", "reserved bits"),
        (frame(b"x", 0x3), "unknown opcode 3"),
        (frame(b"x" * 126, PING), "control frame"),
        (frame(b"x", PING, fin=False), "control frame"),
        (frame(b"x", 0), "continuation of nothing"),
        (frame(b"x", TEXT, fin=False) + frame(b"y", TEXT), "new message inside"),
    ],
)
def test_broken_protocol_is_refused(stream: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        FrameReader().push(stream)


def test_a_message_too_large_is_refused_before_it_is_stored() -> None:
    with pytest.raises(FrameError, match="more than 1000 bytes") as caught:
        FrameReader(max_message=1_000).push(frame(b"x" * 2_000)[:10])
    assert caught.value.status == 1009
    reader = FrameReader(max_message=1_000)
    reader.push(frame(b"x" * 600, fin=False))
    with pytest.raises(FrameError):
        reader.push(frame(b"x" * 600, 0))
