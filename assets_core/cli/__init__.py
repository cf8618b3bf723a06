"""The `assets` command: one file a command. Importing this imports no engine, so that `assets --help` is quick."""

from __future__ import annotations

from . import (
    audit,
    backfill,
    catalog,
    diff,
    explain,
    gc,
    lineage,
    list_assets,
    logs,
    materialize,
    partitions,
    plan,
    query,
    rollback,
    runs,
    show,
    status,
)
from .app import app, main

__all__ = ["app", "main"]

_MAKING = (list_assets, plan, materialize, backfill, partitions)
_LOOKING = (status, explain, runs, logs, show, query, diff, lineage)
_KEEPING = (rollback, gc, audit, catalog)

for command in (*_MAKING, *_LOOKING, *_KEEPING):
    command.add_to(app)
