"""The desk's figures for `status`, straight from Postgres: one connection, plain SQL, no Django start.

Run as `python -m polybot.supervisor.figures`, with DATABASE_URL in the environment; prints one JSON object.
This is the one reader of other apps' tables outside their selectors: starting Django would
take longer than `status` may. A test runs every query against the migrated schema.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CONNECT_LIMIT_S = 1

NUMBERS: dict[str, str] = {
    "markets": "SELECT count(*) FROM markets_market",
    "markets_open": "SELECT count(*) FROM markets_market WHERE state = 'open'",
    "strategies_running": "SELECT count(*) FROM strategies_strategyconfig WHERE state IN ('running', 'observe')",
    "ticks": "SELECT coalesce(sum(ticks), 0) FROM strategies_strategyrun",
    "orders": "SELECT count(*) FROM orders_order",
    "fills": "SELECT count(*) FROM orders_fill",
    "killed": "SELECT coalesce(bool_or(killed), false)::int FROM orders_killswitch",
}
TABLES: dict[str, str] = {
    "orders_by_state": "SELECT state, count(*) AS count FROM orders_order GROUP BY state ORDER BY state",
    "accounts": (
        "SELECT a.id, a.name, a.environment, a.trading_state, a.cash::text AS cash, p.equity::text AS equity,"
        " extract(epoch FROM p.at)::float8 AS equity_at FROM orders_account a LEFT JOIN LATERAL"
        " (SELECT equity, at FROM orders_pnlsnapshot s WHERE s.account_id = a.id ORDER BY s.id DESC LIMIT 1) p"
        " ON true ORDER BY a.id"
    ),
    # One row per asset whose entries do not cancel out; a sound ledger has none.
    "ledger_off": (
        "SELECT asset, sum(amount)::text AS amount FROM orders_ledgerentry"
        " GROUP BY asset HAVING sum(amount) <> 0 ORDER BY asset"
    ),
    "halts": (
        "SELECT account_id, kind, reason, by, extract(epoch FROM created_at)::float8 AS created_at"
        " FROM risk_halt WHERE lifted_at IS NULL ORDER BY id"
    ),
    "heartbeats": (
        "SELECT name, extract(epoch FROM now() - at)::float8 AS age_s, details FROM alerts_heartbeat ORDER BY name"
    ),
}


def connection_words(url: str) -> dict[str, Any]:
    """Turn a DATABASE_URL into libpq's words."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    words = {
        "dbname": unquote(parts.path.lstrip("/")) or "postgres",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": query.get("host", [parts.hostname or ""])[0],
        "port": str(parts.port or query.get("port", [""])[0]),
    }
    return {key: value for key, value in words.items() if value}


def collect(url: str) -> dict[str, Any]:
    """Return all figures. One that cannot be read is None, with the reason under "errors"."""
    import psycopg
    from psycopg.rows import dict_row

    found: dict[str, Any] = {"errors": {}}
    options = {"connect_timeout": CONNECT_LIMIT_S, "autocommit": True, "options": "-c statement_timeout=1000"}
    with psycopg.connect(**connection_words(url), **options, row_factory=dict_row) as db:
        for name, query in {**NUMBERS, **TABLES}.items():
            try:
                rows = db.execute(query.encode()).fetchall()
            except psycopg.Error as error:
                found["errors"][name] = str(error).splitlines()[0]
                found[name] = None
                continue
            found[name] = rows if name in TABLES else int(next(iter(rows[0].values())))
    return found


def main() -> int:
    try:
        print(json.dumps(collect(os.environ["DATABASE_URL"])))
    except Exception as error:  # the edge of a process: status says what it could not learn
        print(json.dumps({"error": str(error).strip().splitlines()[0][:200]}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
