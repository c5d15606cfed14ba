"""A paper run as it was recorded: when it was ticked, what it knew, what it made, and what the venue did with it.

Ids are the desk's own. Times are nanoseconds, amounts millionths. `records_read` builds one from the lines that the
trader and the simulated venue wrote (`strategies.services.tick_record`, `orders.feed.paper_record`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class RecordError(ValueError):
    """A record that cannot be replayed, and why."""


@dataclass(frozen=True, slots=True)
class Made:
    """An order that a tick made."""

    order_id: int
    key: str
    outcome_id: int
    side: str
    price: int
    size: int
    order_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTick:
    at_ns: int
    trigger: str
    digest: str  # hash of what was wanted
    seen: Mapping[int, int]  # per outcome the receive time of the last event in its book
    open_orders: Mapping[int, int]  # what was known to be filled of each open order
    made: tuple[Made, ...] = ()


@dataclass(slots=True)
class RecordedOrder:
    """What the venue did. `after_ns` is the receive time of the last event that it had seen before."""

    key: str
    arrived_after_ns: int | None = None
    ended_after_ns: int | None = None
    state: str = ""
    fills: list[tuple[int, int, int, str]] = field(default_factory=list)  # price, size, fee, role

    @property
    def filled(self) -> int:
        return sum(size for _, size, _, _ in self.fills)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRecord:
    """One run of one strategy. `broken_ns`: from here on something is missing, with the reason; None: nothing is."""

    run_id: int
    ticks: tuple[RecordedTick, ...]
    orders: Mapping[str, RecordedOrder]  # by client key
    broken_ns: int | None = None
    broken: str = ""


def records_read(ticks: Iterable[Mapping[str, Any]], venue: Iterable[Mapping[str, Any]], *, run_id: int) -> PaperRecord:
    """Return the run's record. Raises RecordError when there is no tick of it, or none that says what was known."""
    orders: dict[str, RecordedOrder] = {}
    found: list[RecordedTick] = []
    books: dict[int, dict[int, int]] = {}  # by process
    known: dict[int, dict[int, int]] = {}
    broken_ns, broken = None, ""
    for line in ticks:
        if line["k"] == "gap" and found:
            broken_ns, broken = found[-1].at_ns + 1, f"{line['lost']} lines of the record were lost"
            break
        if line["k"] != "tick" or line.get("run") != run_id:
            continue
        if line.get("plans"):
            broken_ns, broken = int(line["at"]) * 1_000, "a plan of several orders began, which is not on record"
            break
        pid = line["pid"]
        if line.get("whole"):
            books[pid], known[pid] = {}, {}
        elif pid not in books:
            continue  # it began before the record does
        for outcome, book in line.get("books", {}).items():
            books[pid][int(outcome)] = int(book[0])
        for outcome in line.get("gone", ()):
            books[pid].pop(int(outcome), None)
        if "orders" in line:
            known[pid] = {int(order[0]): int(order[2]) for order in line["orders"]}
        found.append(
            RecordedTick(
                at_ns=int(line["at"]) * 1_000,
                trigger=line["why"],
                digest=line["hash"],
                seen=dict(books[pid]),
                open_orders=dict(known[pid]),
                made=tuple(Made(*order) for order in line.get("made", ())),
            )
        )
        for order in line.get("made", ()):
            orders[order[1]] = RecordedOrder(order[1])
    if not found:
        raise RecordError("no tick of this run is on record; the record is kept for some days, and may be switched off")
    found.sort(key=lambda tick: tick.at_ns)
    started = _venue(venue, orders, since_ns=found[0].at_ns)
    if started is not None and (broken_ns is None or started < broken_ns):
        broken_ns, broken = started, "the process of the simulated venue was started again"
    return PaperRecord(
        run_id=run_id,
        ticks=tuple(tick for tick in found if broken_ns is None or tick.at_ns < broken_ns),
        orders=orders,
        broken_ns=broken_ns,
        broken=broken,
    )


def _venue(lines: Iterable[Mapping[str, Any]], orders: Mapping[str, RecordedOrder], *, since_ns: int) -> int | None:
    """Note what the venue did with the orders; return when it was first started again, in ns."""
    started: int | None = None
    for line in lines:
        if line["k"] == "start" and started is None and int(line["at"]) * 1_000_000 > since_ns:
            started = int(line["at"]) * 1_000_000
        order = orders.get(str(line.get("id", "")).removeprefix("paper-"))
        if order is None:
            continue
        if line["k"] == "place":
            order.arrived_after_ns, order.state = int(line["after"]), line["state"]
            order.fills.clear()  # a place that is written again did not happen the first time
        elif line["k"] == "fill":
            order.fills.append((int(line["price"]), int(line["size"]), int(line["fee"]), line["role"]))
        elif line["k"] == "end":
            order.ended_after_ns, order.state = int(line["after"]), line["state"]
    return started


def stream_digest(items: Sequence[Sequence[Any]]) -> str:
    """Return the SHA-256 of a stream of decisions or fills: equal streams, equal digests."""
    import hashlib
    import json

    return hashlib.sha256(json.dumps(items, separators=(",", ":")).encode()).hexdigest()
