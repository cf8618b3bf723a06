"""The cases in SQLMesh: `python run.py CASE [--store FOLDER]`, run by `compare.py` in SQLMesh's own environment.

One plan, applied, of SQL models in DuckDB, which also has its state: a file, or in memory where nothing is stored.
`days` are incremental models with a batch for each day; `batched` has the whole range in one batch.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import same_work
from same_work import Job, Ready, Row
from sqlmesh import Context
from sqlmesh.core.config import Config, DuckDBConnectionConfig, GatewayConfig, ModelDefaultsConfig
from sqlmesh.core.console import NoopConsole, set_console


def ready(job: Job, models: Mapping[str, str]) -> Ready:
    folder = job.scratch / "project"
    (folder / "models").mkdir(parents=True)
    for name, text in models.items():
        (folder / "models" / f"{name}.sql").write_text(text, encoding="utf-8")
    database = None if job.store is None else str(job.store / "warehouse.duckdb")
    config = Config(
        gateways={"local": GatewayConfig(connection=DuckDBConnectionConfig(database=database))},
        model_defaults=ModelDefaultsConfig(dialect="duckdb", start="2013-01-01"),
        disable_anonymized_analytics=True,
    )
    set_console(NoopConsole())
    context = Context(paths=[str(folder)], config=config)

    def work() -> None:
        context.plan(auto_apply=True, no_prompts=True)

    def rows() -> Iterable[Row]:
        for name in models:
            found = context.fetchdf(f"SELECT * FROM shop.{name}")
            yield from found.to_dict("records")

    return Ready(work, rows)


def full(name: str, query: str) -> str:
    return f"MODEL (name shop.{name}, kind FULL);\n\n{query}\n"


def chain(job: Job) -> Ready:
    models = {"link_000": full("link_000", "SELECT 0 AS number")}
    for number in range(1, job.links):
        name = f"link_{number:03}"
        models[name] = full(name, f"SELECT number + 1 AS number FROM shop.link_{number - 1:03}")
    return ready(job, models)


def fan_out(job: Job) -> Ready:
    names = [(f"reader_{number:04}", number) for number in range(job.readers)]
    readers = {name: full(name, f"SELECT number, {number} AS reader FROM shop.source") for name, number in names}
    return ready(job, {"source": full("source", "SELECT 1 AS number"), **readers})


_ORDERS = """SELECT
  CAST(moment AS DATE) AS day,
  'JFK' AS place,
  DATE_DIFF('day', CAST('0001-01-01' AS DATE), CAST(moment AS DATE)) + 1 AS number,
  (DATE_DIFF('day', CAST('0001-01-01' AS DATE), CAST(moment AS DATE)) + 1) / 7 AS price
FROM GENERATE_SERIES(CAST(@start_ds AS TIMESTAMP), CAST(@end_ds AS TIMESTAMP), INTERVAL '1 day') AS series(moment)"""
_WITHIN = "WHERE day BETWEEN CAST(@start_ds AS DATE) AND CAST(@end_ds AS DATE)"
_QUERIES = {
    "orders": _ORDERS,
    "priced": f"SELECT day, place, number, price, number * price AS total FROM shop.orders {_WITHIN}",
    "billed": f"SELECT day, place, ROUND(total, 2) AS bill FROM shop.priced {_WITHIN}",
}


def incremental(job: Job, batch: str) -> Ready:
    models = {
        name: f"""MODEL (
  name shop.{name},
  kind INCREMENTAL_BY_TIME_RANGE (time_column day{batch}),
  start '{job.days[0]}',
  end '{job.days[-1]}',
  cron '@daily'
);

{query}
"""
        for name, query in _QUERIES.items()
    }
    return ready(job, models)


def days(job: Job) -> Ready:
    return incremental(job, ", batch_size 1")


def batched(job: Job) -> Ready:
    return incremental(job, "")


if __name__ == "__main__":
    logging.getLogger("sqlmesh").setLevel(logging.WARNING)
    same_work.run({"chain": chain, "fan_out": fan_out, "days": days, "batched": batched})
