"""Generated histories of one wallet, and what the venue's own books say at their end.

The truth is kept here without any code of the ledger: a wallet gains and loses integers. Messages about it are then
repeated, reordered and dropped; at the end everything is told once more, as a resync does. Millionths throughout.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ONE = 1_000_000
YES_A, NO_A, YES_B, NO_B = 0, 1, 2, 3  # two markets of one group
MARKETS = ((YES_A, NO_A), (YES_B, NO_B))
OPENING = 1_000_000 * ONE
STAGES = ("matched", "mined", "retrying")


@dataclass(frozen=True)
class Leg:
    """Our part in one trade. Two legs may share a transaction, and even a trade."""

    trade: str
    order: int
    outcome: int
    buys: bool
    price: int
    size: int
    dollars: int
    fee: int
    role: str
    transaction: str
    ends: str  # confirmed, failed


@dataclass(frozen=True)
class Deed:
    """Something besides trades: split, merge, convert, redeem, deposit, withdraw, gift, send, rebate, fee."""

    name: str
    reference: str
    amount: int
    outcomes: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    numerators: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    cost: int = 0


@dataclass(frozen=True)
class Message:
    about: Leg | Deed
    stage: str = ""


@dataclass
class Stream:
    seed: int
    messages: list[Message] = field(default_factory=list)
    cash: int = OPENING
    shares: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    legs: list[Leg] = field(default_factory=list)


@dataclass
class _Wallet:
    cash: int = OPENING
    settled: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    pending: list[tuple[int, Leg]] = field(default_factory=list)


def stream_make(seed: int) -> Stream:
    rng = random.Random(seed)
    made, wallet, told = Stream(seed), _Wallet(), []
    for step in range(rng.randint(4, 18)):
        _settle(wallet, told, before=step)
        if rng.random() < 0.65:
            for leg in _legs(rng, wallet, step):
                made.legs.append(leg)
                wallet.pending.append((step + rng.randint(0, 4), leg))
                told += [Message(leg, stage) for stage in _walk(rng)]
        elif (deed := _deed(rng, wallet, step)) is not None:
            told.append(Message(deed))
    _settle(wallet, told, before=1_000)
    made.cash, made.shares = wallet.cash, wallet.settled
    last = [Message(leg, leg.ends) for leg in made.legs] + [m for m in told if isinstance(m.about, Deed)]
    made.messages = _disturbed(rng, told) + last
    return made


def _walk(rng: random.Random) -> list[str]:
    return [stage for stage in STAGES if stage == "matched" or rng.random() < 0.5]


def _settle(wallet: _Wallet, told: list[Message], *, before: int) -> None:
    for due, leg in [p for p in wallet.pending if p[0] < before]:
        wallet.pending.remove((due, leg))
        told.append(Message(leg, leg.ends))
        if leg.ends == "failed":  # what was given comes back, what was to come never does
            wallet.cash += leg.dollars + leg.fee if leg.buys else 0
            wallet.settled[leg.outcome] += 0 if leg.buys else leg.size
        elif leg.buys:
            wallet.settled[leg.outcome] += leg.size
        else:
            wallet.cash += leg.dollars - leg.fee


def _size(rng: random.Random, most: int) -> int:
    return min(most, rng.choice((rng.randint(1, 9), rng.randint(1, ONE), rng.randint(1, 90 * ONE))))


def _legs(rng: random.Random, wallet: _Wallet, step: int) -> list[Leg]:
    """Return one leg, or two in one transaction: of two trades, or of two orders in the same trade."""
    found: list[Leg] = []
    several = rng.choice(("one", "one", "one", "two trades", "two orders"))
    for part in range(1 if several == "one" else 2):
        outcome = rng.randrange(4)
        sells = wallet.settled[outcome] > 0 and rng.random() < 0.5
        size = _size(rng, wallet.settled[outcome] if sells else 90 * ONE)
        price = rng.randint(1, 999) * 1_000
        exact, rest = divmod(price * size, ONE)
        dollars = exact + (1 if rest and rng.random() < 0.5 else 0)  # the venue rounds by role, either way
        fee = rng.choice((0, 0, rng.randint(0, 50_000)))
        if sells:
            fee = min(fee, dollars)
            wallet.settled[outcome] -= size
        else:
            wallet.cash -= dollars + fee
        found.append(
            Leg(
                trade=f"{step}" if several == "two orders" else f"{step}.{part}",
                order=step * 2 + part,
                outcome=outcome,
                buys=not sells,
                price=price,
                size=size,
                dollars=dollars,
                fee=fee,
                role=rng.choice(("maker", "taker")),
                transaction=f"0x{step:064x}",
                ends="failed" if rng.random() < 0.2 else "confirmed",
            )
        )
    return found


def _deed(rng: random.Random, wallet: _Wallet, step: int) -> Deed | None:  # noqa: PLR0911 - one kind each
    name = rng.choice(("split", "merge", "convert", "redeem", "deposit", "withdraw", "gift", "send", "rebate", "fee"))
    reference, settled = f"deed:{step}", wallet.settled
    pair = rng.choice(MARKETS)
    outcome = rng.randrange(4)
    amount = _size(rng, 50 * ONE)
    if name == "split":
        wallet.cash -= amount
        for o in pair:
            settled[o] += amount
        return Deed(name, reference, amount, pair)
    if name == "merge":
        amount = min(amount, *(settled[o] for o in pair))
        wallet.cash += amount
        for o in pair:
            settled[o] -= amount
        return Deed(name, reference, amount, pair) if amount else None
    if name == "convert":
        given = tuple(o for o in rng.choice(((NO_A,), (NO_B,), (NO_A, NO_B))))
        others = tuple({NO_A: YES_A, NO_B: YES_B}[o] for o in (NO_A, NO_B) if o not in given)
        amount = min(amount, *(settled[o] for o in given))
        for o in given:
            settled[o] -= amount
        for o in others:
            settled[o] += amount
        wallet.cash += (len(given) - 1) * amount
        return Deed(name, reference, amount, given, others) if amount else None
    if name == "redeem":
        numerators = rng.choice(((1, 0), (0, 1), (1, 1), (1, 2)))
        sizes = tuple(settled[o] for o in pair)
        for o, size, n in zip(pair, sizes, numerators, strict=True):
            wallet.cash += size * n // sum(numerators)  # the chain rounds each outcome down
            settled[o] = 0
        return Deed(name, reference, 0, pair, (), numerators, sizes) if any(sizes) else None
    if name == "gift":
        settled[outcome] += amount
        return Deed(name, reference, amount, (outcome,), cost=rng.choice((0, amount // 3)))
    if name == "send":
        amount = min(amount, settled[outcome])
        settled[outcome] -= amount
        return Deed(name, reference, amount, (outcome,)) if amount else None
    wallet.cash += amount if name in ("deposit", "rebate") else -amount
    return Deed(name, reference, amount)


def _disturbed(rng: random.Random, messages: list[Message]) -> list[Message]:
    """Return the messages with some lost, some repeated, and some late."""
    kept = [m for m in messages if rng.random() > 0.1]
    kept += [m for m in kept if rng.random() < 0.25]
    late = [(i + rng.choice((0, 0, 0, rng.randint(0, 6), rng.randint(0, 40))), i, m) for i, m in enumerate(kept)]
    return [m for _, _, m in sorted(late, key=lambda item: item[:2])]
