"""Start the local exchange: read the command line, open the ports, say where they are, serve until told to stop.

Prints exactly one line to standard output, a JSON object of URLs, when everything answers.
Only loopback addresses are served: this exchange hands out play money to whoever asks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.server import PREFIXES, SandboxApp
from polybot.sandbox.wiring import build_app

log = logging.getLogger("polybot.sandbox")

OWN_PORTS = ("gamma", "data", "relayer")


def main(argv: list[str] | None = None) -> int:
    """Run the exchange until SIGTERM or SIGINT; 0 after a clean stop, 2 when it cannot start."""
    options, host, port = read_options(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        sockets = open_sockets(host, port)
    except OSError as error:
        print(f"error: cannot listen on {host}:{port}: {error.strerror or error}", file=sys.stderr)
        return 2
    try:
        app = build_app(options, clock=lambda: time.time_ns() // 1_000_000)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    asyncio.run(serve(app, sockets))
    return 0


def read_options(argv: list[str] | None) -> tuple[ExchangeOptions, str, int]:
    parser = argparse.ArgumentParser(prog="manage.py run_sandbox", description="Run the local exchange on loopback.")
    parser.add_argument("--seed", type=int, default=1, help="the same seed lists the same markets and flow")
    parser.add_argument("--rate", type=float, default=50.0, help="market messages per second to aim at")
    parser.add_argument("--port", type=int, default=0, help="0 takes free ports")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--any-host", action="store_true", help="let --host be any address, where only a container network reaches it"
    )
    parser.add_argument("--replay", action="append", default=[], metavar="PATH", help="recordings instead of life")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than recorded")
    parser.add_argument("--state", type=Path, default=None, metavar="DIR", help="survive restarts here")
    parser.add_argument("--protocol-v2", action="store_true", help="also list Protocol V2 position ids (Exchange V3)")
    words = parser.parse_args(argv)
    if not 0 <= words.port <= 65_535:
        parser.error("--port: 0 to 65535")
    if not (0 < words.speed <= 1000) or not (0 <= words.rate <= 100_000):
        parser.error("--speed: above 0 up to 1000; --rate: 0 to 100000")
    host = "127.0.0.1" if words.host == "localhost" else words.host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not words.any_host:
        parser.error(f"--host {words.host}: only loopback addresses, such as 127.0.0.1")
    replay = tuple(Path(text).expanduser() for text in words.replay)
    for path in replay:
        if not path.exists():
            parser.error(f"--replay {path}: no such file or folder")
    if words.state is not None:
        words.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ExchangeOptions(
        seed=words.seed,
        rate=words.rate,
        state_dir=words.state,
        replay=replay,
        speed=words.speed,
        protocol_v2=words.protocol_v2,
    )
    return options, host, words.port


def open_sockets(host: str, port: int) -> dict[str, socket.socket]:
    """Return listening sockets: the main one, and one per service of its own when the ports are ours to choose.

    A chosen port stays the only one, so that a restart on it gives every URL again.
    """
    wanted = [("main", port)] if port else [(name, 0) for name in ("main", *OWN_PORTS)]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened: dict[str, socket.socket] = {}
    for name, number in wanted:
        # The protocol is named because asyncio switches Nagle's delay off only where it sees TCP: 44 ms a request.
        opened[name] = listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
        listener.listen(1024)
    return opened


def urls(sockets: dict[str, socket.socket]) -> dict[str, str]:
    """Return the line that `run_sandbox` prints."""

    def base(name: str) -> str:
        address = sockets[name].getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{host}:{address[1]}"

    main_base = base("main")
    prefix = {service: path for path, service in PREFIXES.items()}
    own = {n: f"http://{base(n)}" if n in sockets else f"http://{main_base}/{prefix[n]}" for n in OWN_PORTS}
    return {
        "clob": f"http://{main_base}",
        "gamma": own["gamma"],
        "data": own["data"],
        "ws_market": f"ws://{main_base}/ws/market",
        "ws_user": f"ws://{main_base}/ws/user",
        "relayer": own["relayer"],
        "rpc": f"http://{main_base}/rpc",
        "control": f"http://{main_base}/control",
    }


class Server(uvicorn.Server):
    """uvicorn, but the loop below owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: SandboxApp, sockets: dict[str, socket.socket]) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="h11",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the venue's keep-alive is text, and a fault may be silence
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=True,
        backlog=1024,
    )
    for name, listener in sockets.items():
        if name != "main":
            app.ports[listener.getsockname()[1]] = name
    server = Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.exchange.close()  # first of all: whoever asked may not wait for the last client to leave
        server.should_exit = True

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
    serving = asyncio.create_task(server.serve(sockets=list(sockets.values())))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    gc.collect()
    gc.freeze()  # the catalogue lives as long as the process: no need to visit it in every collection
    clock = asyncio.create_task(app.run_clock())
    if server.started:
        print(json.dumps(urls(sockets)), flush=True)
    try:
        await serving
    finally:
        clock.cancel()
        await asyncio.gather(clock, return_exceptions=True)
        app.exchange.close()
