"""`manage.py benchmark_sending`: from a prepared order to its first byte, against the official client, in one run."""

from __future__ import annotations

from markets.management.commands import benchmark_signing


class Command(benchmark_signing.Command):
    measures = "sending"
    help = "Send the same orders into memory with polybot and with py-clob-client-v2, and print the ratio of medians."
