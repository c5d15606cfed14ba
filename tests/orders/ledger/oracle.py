"""What the books must say, worked out again without the ledger: plain lists and fractions, from a log of decisions.

The log says in which order facts were booked and taken back; the arithmetic below is this file's own.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from tests.orders.ledger.streams import OPENING, Deed, Leg


class Oracle:
    def __init__(self) -> None:
        self.cash = OPENING
        self.lines: list[list[tuple[object, int, int]]] = [[], [], [], []]  # per outcome: (fact, shares, dollars)
        self.taken: dict[object, int] = {}  # cash of each trade, to give back

    def leg(self, leg: Leg) -> None:
        change = -(leg.dollars + leg.fee) if leg.buys else leg.dollars - leg.fee
        self.cash += change
        self.taken[leg] = change
        self.lines[leg.outcome].append((leg, leg.size if leg.buys else -leg.size, leg.dollars))

    def void(self, leg: Leg) -> None:
        self.cash -= self.taken.pop(leg)
        self.lines[leg.outcome] = [line for line in self.lines[leg.outcome] if line[0] is not leg]

    def deed(self, deed: Deed) -> None:
        amount = deed.amount
        if deed.name in ("split", "merge"):
            sign = 1 if deed.name == "split" else -1
            self.cash -= sign * amount
            for place, outcome in enumerate(deed.outcomes):
                half = amount - amount // 2 if place == 0 else amount // 2
                self.lines[outcome].append((deed, sign * amount, half))
        elif deed.name == "convert":
            released = (len(deed.outcomes) - 1) * amount
            self.cash += released
            costs = [self._cost_of_part(outcome, amount) for outcome in deed.outcomes]
            carried = sum(costs) - released if deed.others else 0
            alike = released - released // 2, released // 2
            for place, outcome in enumerate(deed.outcomes):
                kept = costs[place] if carried > 0 else (alike[place] if len(deed.outcomes) > 1 else released)
                self.lines[outcome].append((deed, -amount, kept))
            for outcome in deed.others:  # at most one in this world: nothing to share
                self.lines[outcome].append((deed, amount, max(0, carried)))
        elif deed.name == "redeem":
            for outcome, size, n in zip(deed.outcomes, deed.sizes, deed.numerators, strict=True):
                paid = floor(Fraction(size * n, sum(deed.numerators)))
                self.cash += paid
                if size:
                    self.lines[outcome].append((deed, -size, paid))
        elif deed.name == "gift":
            self.lines[deed.outcomes[0]].append((deed, amount, deed.cost))
        elif deed.name == "send":
            self.lines[deed.outcomes[0]].append((deed, -amount, self._cost_of_part(deed.outcomes[0], amount)))
        else:
            self.cash += amount if deed.name in ("deposit", "rebate") else -amount

    def position(self, outcome: int) -> tuple[int, int, int]:
        """Return (shares, cost, realised) of an outcome."""
        shares, cost, realized = 0, Fraction(0), Fraction(0)
        rest = list(self.lines[outcome])
        queue: list[tuple[object, int, int]] = []
        while rest or queue:
            ready = next((line for line in queue if shares + line[1] >= 0), None)
            if ready is None:
                if not rest:
                    raise AssertionError("more left than ever came")
                queue.append(rest.pop(0))
                continue
            queue.remove(ready)
            _, size, dollars = ready
            if size > 0:
                cost += dollars
            else:
                gone = cost if -size == shares else Fraction(floor(cost * -size / shares))
                cost -= gone
                realized += dollars - gone
            shares += size
        return shares, int(cost), int(realized)

    def _cost_of_part(self, outcome: int, amount: int) -> int:
        shares, cost, _ = self.position(outcome)
        return cost if amount == shares else floor(Fraction(cost * amount, shares))
