"""A random project written down: the texts of its files.

Used by the property tests. It must not know what is fresh or stale.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from naive_partitions import slots
from random_project import COLUMNS, LIBRARY, WEIGHTS, Asset, Input, Project, csv_text

SHARED = """
import duckdb
import polars as pl
import pyarrow as pa

FACTOR_X = {x}
FACTOR_Y = {y}
FACTOR_READ = {read}


def helper_x(value):
    return value + FACTOR_X


def helper_y(value):
    return helper_x(value) * FACTOR_Y


def read_csv(path):
    frame = pl.read_csv(path, schema={{name: pl.Int64 for name in "nmkjx"}})
    return frame.select(pl.col("n") * FACTOR_READ, "m", "k", "j")


WEIGHTS = {{"n": 1, "m": 2, "k": 3, "j": 5}}


def as_frame(data):
    if isinstance(data, duckdb.DuckDBPyRelation):
        data = data.to_arrow_table()
    if isinstance(data, pa.RecordBatchReader):
        data = data.read_all()
    return pl.from_arrow(data) if isinstance(data, pa.Table) else data


def total(data, names):
    if data is None:
        return 0
    if isinstance(data, dict):
        return sum(total(part, names) for part in data.values())
    if isinstance(data, pl.LazyFrame):
        frame = data.select(pl.col(name).sum() for name in names).collect()
    else:
        frame = as_frame(data)
    return sum(WEIGHTS[name] * int(frame[name].sum()) for name in names)


def place(partition):
    value = sum(partition.key.encode()) % 11
    if partition.start is not None:
        value += int(partition.end.timestamp() - partition.start.timestamp()) // 3600
    return value


def table(quotient, form, extra, tilt):
    rows = range(quotient // 4 % 3)
    data = {{
        "n": [quotient + row for row in rows],
        "m": [quotient // 5 + row for row in rows],
        "k": [quotient % 2 for row in rows],
        "j": [quotient // 3 % 4 + tilt for row in rows],
    }}
    if extra:
        data = {{"z": [0 for row in rows], **data}}
    frame = pl.DataFrame(data, schema={{name: pl.Int64 for name in data}})
    return {{"frame": frame, "lazy": frame.lazy(), "arrow": frame.to_arrow()}}[form]


def same_key(key):
    return [key]
"""

IMPORTS = """
from collections.abc import Mapping, Sequence
from typing import Annotated

import duckdb
import pandera.polars as pandera
import polars as pl
import pyarrow as pa

from assets_core import *

from .shared import helper_x, helper_y, place, read_csv, same_key, table, total
"""


def written(project: Project) -> dict[str, str | None]:
    """Return the text of every file of a project; None for one that is not there."""
    found: dict[str, str | None] = {
        "assets.toml": _toml(project),
        "definitions/__init__.py": "",
        "definitions/shared.py": _looked(SHARED.format(**project.factors), project.look),
    }
    sources = [IMPORTS]
    for asset in project.assets.values():
        match asset.kind:
            case "sql_file":
                found[f"definitions/{asset.key}.sql"] = _sql_file(asset, project.look)
            case "sql":
                sources.append(_sql_call(asset, project.look))
            case "external":
                sources.append(_external(asset))
            case _:
                sources.append(_function(asset, project.look))
        sources.extend(_check(asset, project.look))
    found["definitions/assets.py"] = _looked("\n".join(sources), project.look)
    for (key, partition), rows in project.files.items():
        source = project.assets.get(key)
        if source is not None and source.is_external and any(slot.key == partition for slot in slots(source.scheme)):
            path = source.path.replace("{partition}", str(partition))
            found[path] = None if rows is None else csv_text(rows)
    return found


def _toml(project: Project) -> str:
    lines = ["[project]", 'name = "random"', "[run]", "threads = 2"]
    for key, value in sorted(project.settings.items()):
        if (asset := project.assets.get(key)) is not None and asset.bonus is not None:
            lines += [f"[parameters.{key}]", f"bonus = {value}"]
    return "\n".join([*lines, ""])


def _looked(source: str, look: int) -> str:
    """Return the source in another layout: what it means stays."""
    lines = source.splitlines()
    if look % 3 == 1:
        lines = [
            line for each in lines for line in ([f"# in its {look}th look", each, ""] if each[:4] == "def " else [each])
        ]
    if look % 3 == 2:
        lines = [
            each + (f"  # {look}" if each.lstrip().startswith(("base =", "return", "def ")) else "") for each in lines
        ]
    return "\n".join(["", *lines, ""] if look % 2 else [*lines, ""])


def _about(asset: Asset, look: int) -> list[str]:
    members = [f'owners=["team:{look}"]']
    if asset.scheme is not None:
        members.append(f"partitions={asset.scheme.source()}")
    if asset.contract is not None:
        members.append(f"schema=Contract_{asset.key}, severity={asset.contract[1]!r}")
    if asset.after:
        members.append(f"after={list(asset.after)!r}")
    if asset.library:
        members.append(f"libraries=[{LIBRARY!r}]")
    if asset.expires is not None:
        members.append(f'expires_after="{asset.expires}h"')
    return members


def _contract(asset: Asset) -> str:
    if asset.contract is None:
        return ""
    limit = asset.contract[0]
    return f"class Contract_{asset.key}(pandera.DataFrameModel):\n    n: int = pandera.Field(lt={limit})\n"


def _check(asset: Asset, look: int) -> Iterator[str]:
    if asset.check is not None:
        yield textwrap.dedent(f'''
            @check({asset.key!r}, severity={asset.check[1]!r})
            def check_{asset.key}({asset.key}: pl.DataFrame) -> bool:
                """Look {look}."""
                return total({asset.key}, {COLUMNS!r}) % 5 != {asset.check[0]}
            ''')


def _parameter(given: Input) -> str:
    reading, handed = given.reading.source(), given.hand_off
    if given.by_partition:
        handed = f"Mapping[str, {handed}]"
    elif given.optional:
        handed = f"{handed} | None"
    more = [repr(given.upstream)] if given.name != given.upstream or given.columns or reading else []
    more += [f"mapping={reading}"] if reading else []
    more += [f"columns={list(given.columns)!r}"] if given.columns else []
    return f"{given.name}: Annotated[{handed}, Upstream({', '.join(more)})]" if more else f"{given.name}: {handed}"


def _function(asset: Asset, look: int) -> str:
    arguments = [_parameter(given) for given in asset.inputs]
    if asset.batch:
        arguments.append("partitions: Sequence[Partition]")
    elif asset.uses_place:
        arguments.append("partition: Partition")
    if asset.bonus is not None:
        arguments.append(f"bonus: int = {asset.bonus}")
    terms = [str(asset.constant), *(["bonus"] if asset.bonus is not None else [])]
    before: list[str] = []  # of a batch: what its partitions share is read once, since a reader can only be read once
    for given in asset.inputs:
        if asset.batch and not given.by_partition:
            before.append(f"total_{given.name} = total({given.name}, {given.used!r})")
            terms.append(f"{given.weight} * total_{given.name}")
        else:
            own = "[partition.key]" if asset.batch else ""
            terms.append(f"{given.weight} * total({given.name}{own}, {given.used!r})")
    terms += ["place(partition)"] if asset.uses_place else []
    body = [f"base = {' + '.join(terms)}"]
    body += [f"base = helper_{asset.helper}(base)"] if asset.helper else []
    about = _about(asset, look)
    made = f"table(base // {asset.divisor}, {asset.form!r}, {asset.extra!r}, {asset.tilt})"
    if asset.batch:
        about.append("batch=True")
        if asset.fails is not None:
            body += [
                f"if base % 4 == {asset.fails}:",
                "    yield partition.key, ValueError('broken')",
                "    continue",
            ]
        loop = (f"    {line}" for line in [*body, f"yield partition.key, {made}"])
        body = [*before, "for partition in partitions:", *loop]
    else:
        body += [f"if base % 4 == {asset.fails}:", "    raise ValueError('broken')"] if asset.fails is not None else []
        body.append(f"return {made}")
    lines = [
        _contract(asset),
        f"@asset({', '.join(about)})",
        f"def {asset.key}({', '.join(arguments)}):",
        f'    """Look {look}."""',
        *(f"    {line}" for line in body),
        "",
    ]
    return "\n".join(lines)


def _query(asset: Asset, look: int) -> str:
    terms = [str(asset.constant), *(["$bonus"] if asset.bonus is not None else [])]
    for given in asset.inputs:
        sums = " + ".join(f"{WEIGHTS[name]} * coalesce(sum({name}), 0)" for name in given.used)
        source = f"(SELECT * FROM {given.name})" if given.star else given.name
        terms.append(f"{given.weight} * (SELECT {sums} FROM {source})")
    terms += ["ascii(right($partition_key, 1))"] if asset.uses_place else []
    numbers = "range(3) AS t(r)" if asset.opaque else "(VALUES (0), (1), (2)) AS t(r)"
    sums_of = {"n": "q + r", "m": "q // 5 + r", "k": "q % 2", "j": f"q // 3 % 4 + {asset.tilt}"}
    columns = [f"CAST({text} AS BIGINT) AS {name}" for name, text in sums_of.items()]
    columns = ["CAST(0 AS BIGINT) AS z", *columns] if asset.extra else columns
    query = (
        f"WITH base AS (SELECT ({' + '.join(terms)}) // {asset.divisor} AS q)\n"
        f"SELECT {', '.join(columns)}\n"
        f"FROM base, {numbers} WHERE r < q // 4 % 3 ORDER BY r"
    )
    if look % 2:
        query = query.replace("SELECT", "select").replace("\n", "\n -- in another look\n  ")
    return query


def _sql_call(asset: Asset, look: int) -> str:
    tables = []
    for given in asset.inputs:
        reading = given.reading.source()
        more = [f"mapping={reading}"] if reading else []
        more += [f"columns={list(given.columns)!r}"] if given.columns else []
        tables.append(f"{given.name!r}: Upstream({', '.join([repr(given.upstream), *more])})")
    more = [] if asset.bonus is None else [f'parameters={{"bonus": {asset.bonus}}}']
    members = ", ".join([*_about(asset, look), *more, f"upstreams={{{', '.join(tables)}}}"])
    return f'{_contract(asset)}\nsql_asset({asset.key!r}, """{_query(asset, look)}""", {members})\n'


def _sql_file(asset: Asset, look: int) -> str:
    header = [f'owners = ["team:{look}"]']
    header += [f"partitions = {asset.scheme.header()}"] if asset.scheme is not None else []
    header += [f"after = {list(asset.after)!r}"] if asset.after else []
    header += [f'libraries = ["{LIBRARY}"]'] if asset.library else []
    header += [f'expires_after = "{asset.expires}h"'] if asset.expires is not None else []
    header += [f"parameters = {{bonus = {asset.bonus}}}"] if asset.bonus is not None else []
    for given in asset.inputs:
        reading = given.reading.header()
        header += [f"[upstreams.{given.name}]", f'asset = "{given.upstream}"']
        header += [f"mapping = {reading}"] if reading else []
        header += [f"columns = {list(given.columns)!r}"] if given.columns else []
    return "\n".join(["/* asset", *header, "*/", _query(asset, look), ""])


def _external(asset: Asset) -> str:
    members = [repr(asset.key), f"path={asset.path!r}"]
    members += [f"partitions={asset.scheme.source()}"] if asset.scheme is not None else []
    members += ["read=read_csv"] if asset.reader else []
    return f"external({', '.join(members)})\n"
