"""Typed settings from the environment and `.env`. `<NAME>_FILE` names a file that holds a secret's value.

Everything an operator may set is a field here; `.env.example` lists the same names (a test compares).
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT = Path(__file__).resolve().parents[2]


class Environment(BaseSettings):
    """What an operator may set. Names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(env_file=PROJECT / ".env", extra="ignore", env_ignore_empty=True)

    database_url: str = "postgres://polybot@/postgres?host=/run/postgresql"
    redis_url: str = "redis://127.0.0.1:6379"
    secret_key: SecretStr = SecretStr("")
    polybot_data: Path = PROJECT / "var"
    polybot_debug: bool = False
    polybot_allowed_hosts: Annotated[list[str], NoDecode] = Field(default=["127.0.0.1", "localhost", "[::1]"])
    polybot_mode: Literal["full", "trade", "monitor", "arbitrage", "scrape", "backtest", "server"] = "full"
    polybot_venue: Literal["sandbox", "polymarket"] = "sandbox"
    polybot_exchange: str = ""  # which local exchange; wallets of another one are away
    polybot_log_format: Literal["text", "json"] = "text"
    polybot_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    polybot_record_dir: str = ""  # unset: recordings under POLYBOT_DATA; "off" records nothing
    polybot_record_keep_days: int = Field(default=3, ge=0, le=3_650)  # raw files, once the archive has them
    polybot_record_keep_gb: Decimal = Field(default=Decimal(2), gt=0, le=100_000)
    polybot_decision_record_dir: str = ""  # what strategies saw and when; unset: records under POLYBOT_DATA, off: none
    polybot_archive_dir: str = ""  # recorded market data by day; unset: archive under POLYBOT_DATA
    polybot_archive_keep_days: int = Field(default=365, ge=1, le=36_500)  # what we recorded; imports are kept
    polybot_https: bool = False  # true behind a TLS proxy: secure cookies, HSTS
    polybot_role: Literal["", "trader", "fills"] = ""  # whose keys this process takes
    polybot_trader_key_file: Path | None = None  # opens private keys
    polybot_stream_key_file: Path | None = None  # opens API credentials
    polybot_install_key_file: Path | None = None  # makes the salts of orders
    signer_order_usd: Decimal = Field(default=Decimal(1_000), gt=0, le=1_000_000)
    signer_minute_usd: Decimal = Field(default=Decimal(20_000), gt=0, le=100_000_000)
    signer_orders_per_minute: int = Field(default=3_000, ge=1, le=100_000)

    polymarket_clob_url: str = "https://clob.polymarket.com"
    polymarket_gamma_url: str = "https://gamma-api.polymarket.com"
    polymarket_data_url: str = "https://data-api.polymarket.com"
    polymarket_ws_market_url: str = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    polymarket_ws_user_url: str = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
    polymarket_relayer_url: str = "https://relayer-v2.polymarket.com"
    polymarket_rpc_url: str = "https://polygon.drpc.org"
    polymarket_control_url: str = ""  # of the local exchange: play money

    email_host: str = ""
    email_port: int = Field(default=587, ge=1, le=65535)
    email_user: str = ""
    email_password: SecretStr = SecretStr("")
    email_use_tls: bool = True
    email_from: str = "polybot@localhost"
    telegram_bot_token: SecretStr = SecretStr("")
    telegram_base_url: str = "https://api.telegram.org"
    heartbeat_url: str = ""  # pinged each minute while healthy
    paper_latency_ms: int = Field(default=50, ge=0, le=60_000)  # time a paper order takes to reach the venue

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("postgres", "postgresql"):
            raise ValueError("must begin with postgres:// (there is no other mode)")
        return url

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("polybot_allowed_hosts", mode="before")
    @classmethod
    def _comma_separated(cls, hosts: object) -> object:
        return [host.strip() for host in hosts.split(",") if host.strip()] if isinstance(hosts, str) else hosts


def load() -> Environment:
    """Return the settings. Raises ImproperlyConfigured, which names each bad variable and never shows a value."""
    try:
        return Environment(**_from_files())  # type: ignore[arg-type]
    except ValidationError as error:
        bad = [f"{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        raise ImproperlyConfigured(f"bad settings (see .env.example): {'; '.join(bad)}") from None


def _from_files() -> dict[str, str]:
    values: dict[str, str] = {}
    for name in Environment.model_fields:
        path = os.environ.get(f"{name.upper()}_FILE")
        if not path:
            continue
        try:
            values[name] = Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name.upper()}_FILE cannot be read: {error.strerror}") from None
    return values


def database_from_url(url: str) -> dict[str, object]:
    """Return Django's DATABASES entry. A unix socket is written `postgres://user@/name?host=/folder`."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"DATABASE_URL must begin with postgres://, not {parts.scheme}://: there is no other mode")
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": str(parts.port or query.get("port", [""])[0]),
        "CONN_MAX_AGE": 0,
        "ATOMIC_REQUESTS": False,
        # A statement that a connection runs for the fifth time is planned for good (`alerts.selectors.statements`).
        "OPTIONS": {"options": "-c statement_timeout=30000 -c lock_timeout=10000", "prepare_threshold": 4},
    }


def folder_or_none(text: str, default: Path) -> Path | None:
    """Return the folder that a setting names: the default for nothing, none for `off`."""
    if text.strip().lower() == "off":
        return None
    return Path(text) if text.strip() else default


def redis_url_for(url: str, *, db: int) -> str:
    """Return the address of one database of the server behind REDIS_URL."""
    if url.startswith("unix://"):
        return f"{url.partition('?')[0]}?db={db}"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{db}"


def broker_url_for(url: str, *, db: int) -> str:
    """Like `redis_url_for`, in kombu's spelling: it knows unix sockets as redis+socket."""
    if url.startswith("unix://"):
        return f"redis+socket://{url.partition('?')[0].removeprefix('unix://')}?virtual_host={db}"
    return redis_url_for(url, db=db)
