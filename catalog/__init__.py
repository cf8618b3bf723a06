"""The catalog: an append-only journal of facts (`journal`) and the DuckDB index that is derived from it (`session`).

Imported by assets_core; it knows neither assets_core nor connectors. Importing it loads nothing: not even DuckDB.
"""
