"""The operator's `.env`, read without any package: NAME=value lines, `#` comments, optional quotes."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Return the variables in `path`; an absent file holds none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        else:
            value = value.split(" #")[0].rstrip()
        if value:
            found[name.strip()] = value
    return found
