"""The dead-man switch: an API key that armed it and then falls silent loses all its open orders.

Ids form a chain: each accepted call names the id that the next one must send. There is no way to disarm;
a registration ends when it expires. Times are Unix milliseconds.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from polybot.sandbox.core import Core
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.messages import Refusal

SILENCE_MS = 10_000
MISMATCH = "Invalid Heartbeat ID"


class Heartbeats:
    def __init__(self, core: Core, cancel_all: Callable[[str], None]) -> None:
        self._core = core
        self._cancel_all = cancel_all
        self.due: dict[str, tuple[str, int]] = {}  # API key -> (id expected next, deadline)

    def beat(self, owner: str, given: str) -> str:
        """Accept a heartbeat and return the id of the next. A wrong id changes nothing, the deadline included."""
        expected = self.due.get(owner, ("", 0))[0]
        if given != expected:
            raise Refusal(400, MISMATCH, body={"error_msg": MISMATCH, "heartbeat_id": expected})
        following = str(uuid.uuid4())
        self._core.dirty |= owner not in self.due  # armed: that must survive a restart
        self.due[owner] = (following, self._core.now + SILENCE_MS)
        return following

    def beat_legacy(self, owner: str) -> None:
        """Accept the old call, which knows no ids."""
        expected = self.due.get(owner, (str(uuid.uuid4()), 0))[0]
        self.due[owner] = (expected, self._core.now + SILENCE_MS)

    def armed(self) -> dict[str, int]:
        """Return the deadline of every key that armed the switch."""
        return {owner: deadline for owner, (_, deadline) in self.due.items()}

    def step(self) -> None:
        for owner, (_, deadline) in list(self.due.items()) if self.due else ():
            if deadline > self._core.now:
                continue
            del self.due[owner]
            if self._core.rules.strike(EngineFault.HEARTBEAT_DEAF, self._core.now) is None:
                self._cancel_all(owner)
