"""Answers are read strictly: however the bytes arrive, and whatever is wrong with them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from markets.venues.polymarket.http1 import Answer, BadAnswer, Fill, read_answer

PLAIN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"a": true}'
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\n{"a":\r\n6\r\n true}\r\n0\r\nTrailer: x\r\n\r\n'
)


def pieces(data: bytes, size: int) -> Fill:
    parts: Iterator[bytes] = iter([data[start : start + size] for start in range(0, len(data), size)])
    return lambda: next(parts, b"")


def read(data: bytes, *, size: int = 65_536, most_bytes: int = 1_000) -> Answer:
    return read_answer(pieces(data, size), most_bytes=most_bytes)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1_000])
@pytest.mark.parametrize("data", [PLAIN, CHUNKED])
def test_the_same_answer_however_it_is_cut(data: bytes, size: int) -> None:
    found = read(data, size=size)
    assert (found.status, found.body) == (200, b'{"a": true}')
    # A last chunk's end may come with what follows; a stream that is certainly empty may be used again.
    assert found.reusable


@pytest.mark.parametrize(
    ("data", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", 302, b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end", False),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", 200, b"ok", False),
    ],
)
def test_ends_and_reuse(data: bytes, status: int, body: bytes, reusable: bool) -> None:
    found = read(data)
    assert (found.status, found.body, found.reusable) == (status, body, reusable)


def test_names_are_lower_case_and_repeats_are_joined() -> None:
    found = read(b"HTTP/1.1 200 OK\r\nX-One: a \r\nx-one:b\r\nContent-Length: 0\r\n\r\n")
    assert found.headers["x-one"] == "a, b"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 O", "truncated"),
        (PLAIN[:-1], "truncated"),
        (CHUNKED[:-2], "truncated"),
        (b"<html>", "truncated"),
        (b"<html>\r\n\r\n", "malformed_http"),
        (b"HTTP/2 200 OK\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 999 OK\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n", "malformed_http"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "body_too_large"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001, "body_too_large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1_001, "body_too_large"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "head_too_large"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, "head_too_large"),
    ],
)
@pytest.mark.parametrize("size", [3, 65_536])
def test_anything_else_is_no_answer(data: bytes, code: str, size: int) -> None:
    with pytest.raises(BadAnswer) as caught:
        read(data, size=size)
    assert caught.value.code == code


def test_no_damage_is_taken_for_another_body_than_was_sent() -> None:
    """One byte changed, lost or added anywhere in the head or the ends: an error, or an answer of whole pieces."""
    rng = random.Random(4)
    for _ in range(4_000):
        data = bytearray(rng.choice((PLAIN, CHUNKED)))
        place = rng.randrange(len(data))
        change = rng.randrange(3)
        if change == 0:
            data[place] = rng.randrange(256)
        elif change == 1:
            del data[place]
        else:
            data.insert(place, rng.randrange(256))
        try:
            found = read(bytes(data), size=rng.choice((1, 5, 1_000)))
        except BadAnswer:
            continue
        assert 200 <= found.status < 600 and len(found.body) <= 1_000
