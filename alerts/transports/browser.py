"""Browser notifications: the delivery row is the notification; open pages are told that there is a new one.

The channel layer carries "something changed" only, never the text: a page asks the server
for what its user may see.
"""

from __future__ import annotations

import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from alerts.transports.base import Message

log = logging.getLogger(__name__)

GROUP = "alerts"
EVENT = "alerts.changed"


class BrowserTransport:
    name = "browser"
    target_help = "leave empty: everybody who is signed in and may see the account"

    def send(self, message: Message, target: str) -> None:
        layer = get_channel_layer()
        if layer is None:
            return
        try:
            async_to_sync(layer.group_send)(
                GROUP,
                {
                    "type": EVENT,
                    "delivery_id": message.delivery_id,
                    "severity": str(message.severity),
                    "account_id": message.account_id,
                },
            )
        except Exception as error:  # whatever the layer raises, the stored row is the notification
            log.warning("open pages were not told of a notification", extra={"problem": type(error).__name__})
