from __future__ import annotations

from pathlib import Path

from polybot.supervisor import dotenv


def test_lines_comments_and_quotes(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nPOLYBOT_MODE=trade\nexport REDIS_URL = redis://host:1\n"
        "EMAIL_PASSWORD='a # b'\nEMAIL_FROM=me@example.org # mine\nEMPTY=\nnonsense\n"
    )
    assert dotenv.read(file) == {
        "POLYBOT_MODE": "trade",
        "REDIS_URL": "redis://host:1",
        "EMAIL_PASSWORD": "a # b",
        "EMAIL_FROM": "me@example.org",
    }


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert dotenv.read(tmp_path / ".env") == {}
