"""`manage.py send_test_alert`: send one test message over a channel and say how it went."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alerts.models import AlertChannel, Delivery
from alerts.services.channels import channel_test


class Command(BaseCommand):
    help = "Send a test message over one alert channel, or over every enabled one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--channel", type=int, help="the channel's number; without it every enabled channel")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = AlertChannel.objects.order_by("id")
        rows = rows.filter(pk=options["channel"]) if options["channel"] else rows.filter(enabled=True)
        if not rows:
            known = "; ".join(f"{row.pk} is {row}" for row in AlertChannel.objects.order_by("id"))
            raise CommandError(f"no such channel. Known: {known or 'none, add one in the admin'}")
        failed = False
        for channel in rows:
            delivery = channel_test(channel.pk, by=getpass.getuser())
            ok = delivery.state == Delivery.State.SENT
            failed |= not ok
            self.stdout.write(f"{channel.pk} {channel}: {'sent' if ok else delivery.last_error}")
        if failed:
            raise CommandError("not every test message was sent")
