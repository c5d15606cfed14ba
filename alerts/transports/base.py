"""The port every transport implements, and how a send can fail.

`send` returns when the other side took the message. It never logs a secret, and its
errors never carry one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerts.domain.events import Severity


class TransportError(Exception):
    """The message did not get out."""


class TransportRetry(TransportError):
    """Worth another try; `after_s` is what the other side asked for, if it did."""

    def __init__(self, problem: str, *, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s


class TransportRefused(TransportError):
    """Will not work however often it is tried: a wrong address, a missing token. The text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One alert, ready to be told."""

    delivery_id: int
    event_id: int
    kind: str
    severity: Severity
    text: str
    subject_label: str
    at: datetime
    account_id: int | None = None

    @property
    def title(self) -> str:
        return f"[polybot {self.severity}] {self.text}"[:180]

    @property
    def body(self) -> str:
        lines = [self.text, "", f"what: {self.kind}", f"when: {self.at:%Y-%m-%d %H:%M:%S} UTC"]
        if self.subject_label:
            lines.append(f"about: {self.subject_label}")
        if self.account_id is not None:
            lines.append(f"account: {self.account_id}")
        lines.append(f"event: {self.event_id}")
        return "\n".join(lines)


class Transport(Protocol):
    """A way to reach somebody. `target` is the channel's address: an e-mail address, a chat id."""

    @property
    def name(self) -> str: ...

    @property
    def target_help(self) -> str:
        """What to write into a channel's target."""
        ...

    def send(self, message: Message, target: str) -> None:
        """Hand the message over, or raise TransportRetry or TransportRefused."""
        ...
