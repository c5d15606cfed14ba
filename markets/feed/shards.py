"""Which token is on which socket. A token stays where it is; new ones go where there is room."""

from __future__ import annotations

from collections.abc import Callable

from markets.feed.shard import Shard


class Shards:
    """Starts shards as they are needed; an empty one stays, without a socket, for the next tokens."""

    def __init__(self, make: Callable[[int], Shard], capacity: int) -> None:
        self._make = make
        self._capacity = capacity
        self._shards: list[Shard] = []
        self._tokens: list[set[str]] = []
        self._place: dict[str, int] = {}

    def all(self) -> list[Shard]:
        return list(self._shards)

    def assign(self, wanted: set[str]) -> None:
        """Spread exactly `wanted` over the shards, at most `capacity` each."""
        changed: set[int] = set()
        new = wanted - self._place.keys()
        for token in self._place.keys() - wanted:
            number = self._place.pop(token)
            self._tokens[number].discard(token)
            changed.add(number)
        for token in sorted(new):
            number = next((n for n, held in enumerate(self._tokens) if len(held) < self._capacity), len(self._shards))
            if number == len(self._shards):
                self._tokens.append(set())
                self._shards.append(self._make(number))
                self._shards[number].start()
            self._tokens[number].add(token)
            self._place[token] = number
            changed.add(number)
        for number in changed:
            self._shards[number].wish(self._tokens[number], anew=new & self._tokens[number])

    def tokens_of(self, number: int) -> set[str]:
        return set(self._tokens[number])

    def renew(self, token: str) -> None:
        number = self._place.get(token)
        if number is not None:
            self._shards[number].renew(token)
