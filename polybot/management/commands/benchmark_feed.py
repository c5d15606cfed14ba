"""`manage.py benchmark_feed`: the feed's hot paths against the plain way, same machine, same run.

A private Redis is started for it in a temporary folder; a running desk is not touched.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from polybot.benchmark import decode, fanout, frames, publish, receive
from polybot.benchmark.report import Comparison, Wrong, table
from polybot.settings import env
from polybot.supervisor import stores


class Command(BaseCommand):
    help = "Compare decoding, receiving, publishing and browser fan-out with the plain way of doing them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--messages", type=int, default=2_000, help="frames a round; 50000 for a long look")
        parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are shown")
        parser.add_argument("--sockets", type=int, default=100, help="browsers attached")
        parser.add_argument("--size", type=int, default=850, help="bytes of a received message")
        parser.add_argument("--frames", type=Path, help="a recording of raw frames to decode instead of made-up ones")
        parser.add_argument("--only", choices=["decode", "receive", "publish", "fanout"], action="append")

    def handle(self, *args: Any, **options: Any) -> None:
        count, rounds = options["messages"], options["rounds"]
        made = frames.frames_from(options["frames"]) if options["frames"] else frames.frames_made(count)
        wanted = options["only"] or ["decode", "receive", "publish", "fanout"]
        rows: list[Comparison] = []
        folder = Path(tempfile.mkdtemp(prefix="pbb-"))
        store = stores.valkey_store(data=folder, sockets=folder, throwaway=True)
        try:
            store.start()
            stores.store_wait(store)
            url = env.redis_url_for(stores.store_url(store)[1], db=0)
            if "decode" in wanted:
                rows += decode.compare(made, rounds=rounds)
            if "receive" in wanted:
                rows += receive.compare(messages=count * 2, size=options["size"], rounds=rounds)
            if "publish" in wanted:
                rows += publish.compare(made, url, rounds=rounds)
            if "fanout" in wanted:
                rows += fanout.compare(url, sockets=options["sockets"], updates=count, rounds=rounds)
        except (Wrong, stores.StoreError) as error:
            raise CommandError(str(error)) from error
        finally:
            store.stop()
            shutil.rmtree(folder, ignore_errors=True)
        self.stdout.write(f"medians of {rounds}, {count} messages")
        self.stdout.write(table(rows))
