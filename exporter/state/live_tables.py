"""What is known of pipelines in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

SCHEMA = (
    """CREATE TABLE job (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        key INTEGER NOT NULL,
        stopped_at INTEGER NOT NULL,
        PRIMARY KEY (project, key)) WITHOUT ROWID""",
    """CREATE TABLE pipeline (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, id)) WITHOUT ROWID""",
    """CREATE TABLE counter (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, family, labels)) WITHOUT ROWID""",
    """CREATE TABLE live (
        project INTEGER PRIMARY KEY REFERENCES ledger ON DELETE CASCADE,
        facts TEXT NOT NULL)""",
)
