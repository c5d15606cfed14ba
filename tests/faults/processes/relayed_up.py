"""`manage.py up`, with the exchange's order API behind a relay: what the test started on RELAY_PORT.

The supervisor is the real one; only the address that it tells its children is another. The true addresses are
written to RELAY_TARGET, where the relay reads them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from polybot.supervisor import plan
from polybot.supervisor.up import run_up

PROJECT = Path(__file__).resolve().parents[3]


def main() -> int:
    true = plan.venue_environment
    target = Path(os.environ["RELAY_TARGET"])

    def through_the_relay(hosts: dict[str, str]) -> dict[str, str]:
        found = true(hosts)
        if "clob" in hosts:
            target.write_text(json.dumps(hosts))
            there = urlsplit(hosts["clob"])
            found["POLYMARKET_CLOB_URL"] = urlunsplit(there._replace(netloc=f"127.0.0.1:{os.environ['RELAY_PORT']}"))
        return found

    plan.venue_environment = through_the_relay
    return run_up(sys.argv[1:], project=PROJECT)


if __name__ == "__main__":
    sys.exit(main())
