"""Up to four backtests side by side: figures, curves, and what they assumed differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polybot.dashboard import report_pictures as pictures
from polybot.dashboard.report_figures import COMPARED, Figure

MOST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the comparison; `differs` where not all columns are equal."""

    label: str
    cells: tuple[str, ...]
    differs: bool


def compared(rows: Sequence[Any]) -> dict[str, Any]:
    """Return what the comparison page shows of runs that have reports, in the order given."""
    reports = [row.report for row in rows]
    assumed = _rows([dict(report["assumptions"]) for report in reports])
    chosen = _rows([_params(report) for report in reports])
    return {
        "rows": rows,
        "figures": _figures(reports),
        "overlay": pictures.overlay_picture([(report["start"], report["equity"]) for report in reports]),
        "legend": [
            {"row": row, "css": css, "dashed": dashed}
            for row, (css, dashed) in zip(rows, (("si", 0), ("si", 1), ("se", 0), ("se", 1)), strict=False)
        ],
        "different": [row for row in (*assumed, *chosen) if row.differs],
        "same": [row for row in (*assumed, *chosen) if not row.differs],
        "data": _data(rows, reports),
        "fidelity": [report["fidelity"]["score"] for report in reports],
        "trust": [report["verdict"]["trust"] for report in reports],
    }


def _figures(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Figure]]]:
    """Return (label, how it is made, one figure per run)."""
    found = []
    for key in COMPARED:
        figures = [Figure.of(report["figures"], key) for report in reports]
        found.append((figures[0].label, figures[0].how, figures))
    return found


def _params(report: Mapping[str, Any]) -> dict[str, str]:
    return {"Strategy": report["strategy"], **{path: value for path, value in report["params"]}}


def _rows(columns: Sequence[Mapping[str, str]]) -> list[Row]:
    labels = dict.fromkeys(label for column in columns for label in column)
    found = []
    for label in labels:
        cells = tuple(column.get(label, "–") for column in columns)
        found.append(Row(label=label, cells=cells, differs=len(set(cells)) > 1))
    return found


def _data(rows: Sequence[Any], reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say which runs replayed the same recordings over the same span: only their figures compare."""
    groups: dict[str, list[Any]] = {}
    for row, report in zip(rows, reports, strict=True):
        groups.setdefault(report["data"]["digest"], []).append(row)
    return {
        "is_same": len(groups) == 1,
        "groups": list(groups.values()),
        "cells": [
            f"{report['data']['markets']:,} markets, {report['data']['tapes']:,} recordings,"
            f" {report['data']['events']:,} events, digest {report['data']['digest'][:8]}"
            for report in reports
        ],
    }
