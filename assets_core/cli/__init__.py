"""The `assets` command: one file a command. Importing this imports no engine, so that `assets --help` is quick."""

from __future__ import annotations

from . import audit, backfill, catalog, explain, lineage, list_assets, materialize, plan, query, runs, show, status
from .app import app, main

__all__ = ["app", "main"]

for command in (list_assets, plan, materialize, backfill, status, explain, runs, show, query, lineage, audit, catalog):
    command.add_to(app)
