"""Every transport, by name. A new one is one file in this folder and one line here."""

from __future__ import annotations

from alerts.transports.base import Transport
from alerts.transports.browser import BrowserTransport
from alerts.transports.email import EmailTransport
from alerts.transports.telegram import TelegramTransport

TRANSPORTS: dict[str, Transport] = {
    transport.name: transport for transport in (BrowserTransport(), EmailTransport(), TelegramTransport())
}
CHOICES = [(name, name) for name in TRANSPORTS]
