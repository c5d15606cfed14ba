"""The HTTP client: nothing is sent twice, nothing is sent late, and "not sent" is said only when it is certain."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from markets.venues.polymarket.connection import Dialer, Host, HttpPool, NoAnswer, NotSent
from tests.markets.venues.polymarket.scripted_host import OK, Visit, obliging, scripted


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_one_connection_is_kept_and_used_again() -> None:
    with scripted(obliging) as host:
        pool = HttpPool(host.url)
        for number in range(20):
            answer = pool.request("POST", f"/order?{number}", headers={"X-Key": "1"}, body=b"{}")
            assert (answer.status, answer.body) == (200, b"ok")
            assert now_ms() - 5_000 < answer.first_byte_ms <= answer.answered_ms <= now_ms()
        pool.close()
    assert host.visits == 1 and len(host.requests) == 20
    lines = [
        "POST /order?3 HTTP/1.1", f"Host: 127.0.0.1:{host.port}", "User-Agent: polybot-desk",
        "Accept: application/json", "Accept-Encoding: identity", "X-Key: 1", "Content-Type: application/json",
        "Content-Length: 2", "", "{}",
    ]  # fmt: skip
    assert host.requests[3].decode() == "\r\n".join(lines)


def test_threads_do_not_hear_each_others_answers() -> None:
    def echo(visit: Visit, _: int) -> None:
        while data := visit.request():
            body = data.rpartition(b"\r\n\r\n")[2]
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    wrong: list[bytes] = []
    with scripted(echo) as host:
        pool = HttpPool(host.url)

        def work(name: int) -> None:
            for number in range(50):
                body = b"%d/%d" % (name, number)
                if pool.request("POST", "/", body=body).body != body:
                    wrong.append(body)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.close()
    assert not wrong and host.visits <= 8 and len(host.requests) == 400


def test_a_connection_that_ended_while_idle_is_replaced_and_the_request_is_made_once() -> None:
    def one_each(visit: Visit, _: int) -> None:
        visit.request()
        visit.say(OK)
        visit.stream.close()

    with scripted(one_each) as host:
        pool = HttpPool(host.url)
        for _ in range(5):
            assert pool.request("POST", "/order", body=b"{}").status == 200
            time.sleep(0.02)
        assert len(host.requests) == 5 and host.visits == 5


def test_a_connection_that_spoke_out_of_turn_is_not_used_again() -> None:
    def talks(visit: Visit, _: int) -> None:
        while visit.request():
            visit.say(OK)
            time.sleep(0.05)
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")

    with scripted(talks) as host:
        pool = HttpPool(host.url)
        for _ in range(3):
            assert pool.request("GET", "/").body == b"ok"
            time.sleep(0.1)
        assert host.visits == 3


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    def slow_first(visit: Visit, number: int) -> None:
        visit.request()
        if number == 1:
            time.sleep(0.4)
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        else:
            visit.say(OK)

    with scripted(slow_first) as host:
        pool = HttpPool(host.url, overall_s=0.2)
        with pytest.raises(NoAnswer, match="timeout"):
            pool.request("POST", "/order", body=b"{}")
        time.sleep(0.3)
        assert pool.request("POST", "/order", body=b"{}").body == b"ok"


def test_a_reset_after_bytes_were_written_is_not_an_unsent_request() -> None:
    def second_is_reset(visit: Visit, _: int) -> None:
        visit.request()
        visit.say(OK)
        visit.request()
        visit.reset()

    with scripted(second_is_reset) as host:
        pool = HttpPool(host.url)
        pool.request("POST", "/order", body=b"1")
        with pytest.raises(NoAnswer) as caught:
            pool.request("POST", "/order", body=b"2")
        assert caught.value.code in ("reset", "closed") and caught.value.first_byte_ms <= now_ms()
        assert len(host.requests) == 2


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "truncated"),
        (b"nonsense\r\n\r\n", "malformed_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "body_too_large"),
    ],
)
def test_an_answer_that_cannot_be_used_is_no_answer(said: bytes, code: str) -> None:
    def script(visit: Visit, _: int) -> None:
        visit.request()
        visit.say(said)
        visit.stream.close()

    with scripted(script) as host, pytest.raises(NoAnswer) as caught:
        HttpPool(host.url).request("POST", "/order", body=b"{}")
    assert caught.value.code == code


def test_a_trickle_of_bytes_does_not_stretch_the_deadline() -> None:
    def script(visit: Visit, _: int) -> None:
        visit.request()
        visit.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500, every_s=0.02)

    with scripted(script) as host:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="timeout"):
            HttpPool(host.url).request("GET", "/", deadline_ms=now_ms() + 300)
        assert 0.2 < time.monotonic() - began < 0.6


def test_a_host_that_reads_nothing_does_not_stretch_it_either() -> None:
    with scripted(lambda visit, _: time.sleep(1)) as host:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="timeout"):
            HttpPool(host.url, overall_s=0.3).request("POST", "/", body=b"x" * 30_000_000)
        assert time.monotonic() - began < 0.8


def test_after_the_deadline_no_byte_leaves() -> None:
    with scripted(obliging) as host:
        pool = HttpPool(host.url)
        pool.request("GET", "/")
        with pytest.raises(NotSent, match="too_late"):
            pool.request("POST", "/order", body=b"{}", deadline_ms=now_ms() - 1)
        time.sleep(0.05)
        assert len(host.requests) == 1
        assert pool.request("GET", "/").status == 200


def test_a_deadline_that_passes_while_connecting_stops_the_request() -> None:
    with scripted(obliging) as host:
        dialer = Dialer(Host.of(host.url))

        def slow(within_s: float) -> socket.socket:
            stream = dialer.connect(within_s)
            time.sleep(0.2)
            return stream  # type: ignore[return-value]

        with pytest.raises(NotSent, match="too_late"):
            HttpPool(host.url, dial=slow).request("POST", "/order", body=b"{}", deadline_ms=now_ms() + 100)
        time.sleep(0.05)
        assert not host.requests


def test_a_clock_that_is_set_forward_while_connecting_stops_the_request() -> None:
    with scripted(obliging) as host:
        times = iter([1_000, 1_000_000])
        pool = HttpPool(host.url, now_ms=lambda: next(times))
        with pytest.raises(NotSent, match="too_late"):
            pool.request("POST", "/order", body=b"{}", deadline_ms=11_000)
        assert not host.requests


def test_nobody_there_is_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotSent, match="connect_failed"):
        HttpPool(f"http://127.0.0.1:{port}").request("POST", "/order", body=b"{}")


def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    with pytest.raises(NotSent, match="dns_failed"):
        HttpPool("http://no-such-host.invalid").request("POST", "/order", body=b"{}")


def test_a_host_that_does_not_accept_is_given_up_after_the_connect_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(4):  # fill the queue, so that the next one hangs
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(address)
            waiting.append(other)
        began = time.monotonic()
        with pytest.raises(NotSent, match="connect_timeout"):
            HttpPool(f"http://127.0.0.1:{address[1]}", connect_s=0.3).request("GET", "/")
        assert time.monotonic() - began < 0.8
        for other in waiting:
            other.close()


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a b", {}),
        ("GET", "/a\r\nX: y", {}),
        ("GET", "/", {"X": "a\r\nY: b"}),
        ("GET", "/", {"X": "a\nb"}),
        ("GET", "/", {"X": "é"}),
    ],
)
def test_a_value_cannot_begin_another_header(method: str, target: str, headers: dict[str, str]) -> None:
    with scripted(obliging) as host:
        with pytest.raises(NotSent, match="malformed_request"):
            HttpPool(host.url).request(method, target, headers=headers)
        assert not host.requests


def test_redirects_are_not_followed() -> None:
    def script(visit: Visit, _: int) -> None:
        visit.request()
        visit.say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")

    with scripted(script) as host:
        assert HttpPool(host.url).request("POST", "/order", body=b"{}").status == 302


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted(obliging) as host:
        assert HttpPool(host.url).request("GET", "/").status == 200


def test_warm_connections_are_ready_and_old_ones_are_dropped() -> None:
    with scripted(obliging) as host:
        pool = HttpPool(host.url, idle_s=0.2)
        assert pool.warm(3) == 3
        time.sleep(0.05)
        assert host.visits == 3
        pool.request("GET", "/")
        assert host.visits == 3
        time.sleep(0.25)
        pool.request("GET", "/")
        time.sleep(0.05)
        assert host.visits == 4
    assert HttpPool("http://127.0.0.1:9").warm(2) == 0


def test_a_child_process_does_not_use_its_parents_connections() -> None:
    with scripted(obliging) as host:
        pool = HttpPool(host.url)
        pool.request("GET", "/")
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if pool.request("GET", "/child").body == b"ok" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert pool.request("GET", "/parent").body == b"ok"
        assert host.visits == 2


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://user:secret@host", "host:80", "http://host/?a=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not a plain http or https address"):
        HttpPool(url)


def test_a_path_before_every_target_is_kept() -> None:
    with scripted(obliging) as host:
        HttpPool(f"{host.url}/data-api/").request("GET", "/v2/positions")
        assert host.requests[0].startswith(b"GET /data-api/v2/positions HTTP/1.1\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A certificate for localhost that nobody has signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    yield path


def _serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_is_verified_before_anything_is_said(certificate: Path) -> None:
    with scripted(obliging, context=_serving(certificate)) as host:
        with pytest.raises(NotSent, match="tls_failed"):
            HttpPool(f"https://localhost:{host.port}").request("POST", "/order", body=b"{}")
        assert not host.requests


def test_tls_connections_are_kept_and_notice_their_end(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))

    def two_each(visit: Visit, _: int) -> None:
        for _ in range(2):
            visit.request()
            visit.say(OK)
        visit.stream.close()

    with scripted(two_each, context=_serving(certificate)) as host:
        dialer = Dialer(Host.of(f"https://localhost:{host.port}"), context=trusting)
        pool = HttpPool(f"https://localhost:{host.port}", dial=dialer.connect)
        assert pool.warm(1) == 1
        time.sleep(0.05)  # session tickets have arrived: they are not an answer
        for _ in range(4):
            assert pool.request("POST", "/order", body=b"{}").body == b"ok"
            time.sleep(0.03)
        assert host.visits == 2 and len(host.requests) == 4
        with pytest.raises(NotSent, match="tls_failed"):
            Dialer(Host.of(f"https://127.0.0.1:{host.port}"), context=trusting).connect(2)  # another name
