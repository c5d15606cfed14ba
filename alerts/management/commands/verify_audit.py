"""`manage.py verify_audit`: recompute every hash chain of the audit journal and report any change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alerts.services import verification


class Command(BaseCommand):
    help = "Recompute the hash chains of the audit journal. Exit code 1 when anything was changed, removed or inserted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object with every stream and its head")
        parser.add_argument(
            "--against", type=Path, help="a file made earlier with --json and kept elsewhere: finds a cut tail too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reports = verification.audit_verify(anchors=_anchors(options["against"]))
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        r.stream: {"seq": r.head_seq, "hash": r.head_hash, "rows": r.rows, "problem": r.problem}
                        for r in reports
                    },
                    sort_keys=True,
                )
            )
        else:
            for report in reports:
                state = "intact" if report.intact else f"CHANGED: {report.problem}"
                self.stdout.write(f"{report.stream}: {report.rows} rows, head {report.head_hash[:16]}, {state}")
            self.stdout.write(f"{len(reports)} streams, {sum(r.rows for r in reports)} rows")
        broken = [r.stream for r in reports if not r.intact]
        if broken:
            raise CommandError(f"the journal was changed in: {', '.join(broken)}")


def _anchors(path: Path | None) -> dict[str, tuple[int, str]]:
    if path is None:
        return {}
    try:
        noted = json.loads(path.read_text())
        return {stream: (int(head["seq"]), str(head["hash"])) for stream, head in noted.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{path} is not a file made by `verify_audit --json`: {error}") from error
