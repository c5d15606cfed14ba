"""The part of the switchboard that changes the venue's behaviour: modes, delays, limits, standing, schedules.

Nothing of it exists on the venue. Every call answers with the state it leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polybot.sandbox.catalogue import Market
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.fault_catalogue import CLASSES
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.limits import TIERS, AddressLimits, Enforcement, SignerLimits
from polybot.sandbox.modes import Mode
from polybot.sandbox.schedule import Schedule
from polybot.sandbox.standing import Standing

_STANDINGS = ("banned", "closed_only", "needs_deposit_wallet")
_FACTS = {"market", "seconds_delay", "taker_delay_ms", "game_starts_in_s"}


class VenueControl:
    def __init__(
        self,
        *,
        exchange: Exchange,
        signers: SignerLimits,
        addresses: AddressLimits,
        standing: Standing,
        schedule: Schedule,
        market_of: Callable[[dict[str, Any]], Market],
    ) -> None:
        self._exchange = exchange
        self._signers = signers
        self._addresses = addresses
        self._standing = standing
        self._schedule = schedule
        self._market_of = market_of

    def add_to(self, router: Router) -> None:
        router.add("GET", "/mode", lambda _: self._mode())
        router.add("POST", "/mode", self.mode)
        router.add("POST", "/restart", self.restart)
        router.add("POST", "/market", self.market)
        router.add("POST", "/limits", self.limits)
        router.add("POST", "/standing", self.standing)
        router.add("GET", "/heartbeats", lambda _: {"deadlines_ms": self._exchange.heartbeats.armed()})
        router.add("GET", "/catalogue", lambda _: {"faults": sorted(CLASSES)})
        router.add("GET", "/schedule", lambda _: self._schedule.describe())
        router.add("POST", "/schedule", self.schedule)
        router.add("DELETE", "/schedule", lambda _: {"dropped": self._schedule.stop()})

    def mode(self, request: Request) -> dict[str, Any]:
        """Enter a mode now, for some seconds or until told otherwise."""
        body = _object(request, {"mode", "seconds"})
        try:
            mode = Mode(str(body.get("mode", "")))
        except ValueError:
            raise ApiError(400, f"mode: {', '.join(Mode)}") from None
        seconds = _seconds(body, "seconds", None)
        now = self._exchange.now_ms
        self._exchange.modes.enter(mode, until_ms=None if seconds is None else now + seconds)
        return self._mode()

    def restart(self, request: Request) -> dict[str, Any]:
        """Begin the restart drill: 425, then post-only, then as usual."""
        body = _object(request, {"down_s", "post_only_s"})
        down, after = _seconds(body, "down_s", 10_000), _seconds(body, "post_only_s", 120_000)
        self._exchange.modes.restart(self._exchange.now_ms, down_ms=down or 0, post_only_ms=after or 0)
        return self._mode()

    def market(self, request: Request) -> dict[str, Any]:
        """Change what a market does to marketable orders, and when its game begins."""
        body = _object(request, _FACTS)
        market = self._market_of(body)
        if "seconds_delay" in body:
            market.seconds_delay = _whole(body, "seconds_delay", most=600)
        if "taker_delay_ms" in body:
            market.taker_delay_ms = _whole(body, "taker_delay_ms", most=10_000)
        if "game_starts_in_s" in body:
            market.game_start_ms = self._exchange.now_ms + (_seconds(body, "game_starts_in_s", 0) or 0)
            self._exchange.delays.postpone(market.id)
        return {
            "market": market.condition_id,
            "seconds_delay": market.seconds_delay,
            "taker_delay_ms": market.taker_delay_ms,
            "game_start_ms": market.game_start_ms,
        }

    def limits(self, request: Request) -> dict[str, Any]:
        """Set the signers' buckets (off, warning, enforce), a signer's tier, and the windows per address."""
        body = _object(request, {"signers", "signer", "tier", "addresses", "scale", "patience_ms", "html"})
        signers, addresses = self._signers, self._addresses
        if "signers" in body:
            try:
                signers.enforcement = Enforcement(str(body["signers"]))
            except ValueError:
                raise ApiError(400, f"signers: {', '.join(Enforcement)}") from None
        if "tier" in body:
            if body["tier"] not in TIERS:
                raise ApiError(400, f"tier: {', '.join(TIERS)}")
            signers.tiers[str(body.get("signer", "")).lower()] = str(body["tier"])
        for name in ("addresses", "html"):
            if not isinstance(body.get(name, False), bool):
                raise ApiError(400, f"{name}: true or false")
        scale = body.get("scale", addresses.scale)
        if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale <= 1000:
            raise ApiError(400, "scale: above 0 up to 1000")
        addresses.enforced = body.get("addresses", addresses.enforced)
        addresses.html = body.get("html", addresses.html)
        addresses.scale = float(scale)
        if "patience_ms" in body:
            addresses.patience_ms = _whole(body, "patience_ms", most=60_000)
        addresses.reset()
        return {
            "signers": signers.enforcement.value,
            "addresses": addresses.enforced,
            "scale": addresses.scale,
            "patience_ms": addresses.patience_ms,
            "html": addresses.html,
        }

    def standing(self, request: Request) -> dict[str, Any]:
        """Put an address in or out of good standing; block the region; cancel an order on the chain."""
        body = _object(
            request, {"address", *_STANDINGS, "region_blocked", "relayer_auth", "canceled_on_chain", "dead_builder"}
        )
        standing, address = self._standing, str(body.get("address", "")).lower()
        for name in _STANDINGS:
            if name in body:
                (getattr(standing, name).add if body[name] is True else getattr(standing, name).discard)(address)
        if "region_blocked" in body:
            standing.region_blocked = body["region_blocked"] is True
        if "relayer_auth" in body:
            standing.relayer_auth = body["relayer_auth"] is True
        if "canceled_on_chain" in body:
            standing.canceled_on_chain.add(str(body["canceled_on_chain"]))
        if "dead_builder" in body:
            standing.dead_builders.add(str(body["dead_builder"]).lower())
        return {
            **{name: sorted(getattr(standing, name)) for name in _STANDINGS},
            "region_blocked": standing.region_blocked,
        }

    def schedule(self, request: Request) -> dict[str, Any]:
        """Begin a schedule of faults, drawn from a seed or written out; answers its whole plan."""
        self._schedule.begin(request.json(), self._exchange.now_ms)
        return self._schedule.describe()

    def _mode(self) -> dict[str, Any]:
        mode, until = self._exchange.modes.at(self._exchange.now_ms)
        return {"mode": mode.value, "until_ms": until}


def _object(request: Request, known: set[str]) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise ApiError(400, "send a JSON object")
    unknown = sorted(set(body) - known - {"token_id"})
    if unknown:
        raise ApiError(400, f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return body


def _seconds(body: dict[str, Any], name: str, default_ms: int | None) -> int | None:
    """Return milliseconds of a member in seconds."""
    value = body.get(name)
    if value is None:
        return default_ms
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise ApiError(400, f"{name}: seconds, 0 to 86400")
    return int(value * 1000)


def _whole(body: dict[str, Any], name: str, *, most: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ApiError(400, f"{name}: a whole number, 0 to {most}")
    return value
