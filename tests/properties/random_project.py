"""What is in a random project: its assets, constants and files, as values that are written down as sources.

`written` turns a project into the texts of its files; `random_edits.py` draws and edits one. It must not know
what is fresh or stale.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from naive_partitions import Reading, Scheme, slots

Rows = tuple[tuple[int, int], ...]
"""The content of a cell: the columns n and m of its rows."""

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
    frame = pl.read_csv(path, schema={{"n": pl.Int64, "m": pl.Int64, "x": pl.Int64}})
    return frame.select(pl.col("n") * FACTOR_READ, "m")


def as_frame(data):
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, duckdb.DuckDBPyRelation):
        data = data.to_arrow_table()
    if isinstance(data, pa.RecordBatchReader):
        data = data.read_all()
    return pl.from_arrow(data) if isinstance(data, pa.Table) else data


def total(data):
    if isinstance(data, dict):
        return sum(total(part) for part in data.values())
    frame = as_frame(data)
    return sum(weight * int(frame[name].sum()) for name, weight in (("n", 1), ("m", 2)) if name in frame.columns)


def place(partition):
    value = sum(partition.key.encode()) % 11
    if partition.start is not None:
        value += int(partition.end.timestamp() - partition.start.timestamp()) // 3600
    return value


def table(quotient, form):
    rows = range(quotient % 3)
    data = {{"n": [quotient + row for row in rows], "m": [quotient // 5 + row for row in rows]}}
    frame = pl.DataFrame(data, schema={{"n": pl.Int64, "m": pl.Int64}})
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


@dataclass(frozen=True)
class Input:
    """One upstream that is read: a parameter, or a table of a query."""

    name: str
    upstream: str
    reading: Reading = field(default_factory=Reading)
    columns: tuple[str, ...] | None = None
    hand_off: str = "pl.DataFrame"
    by_partition: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Asset:
    """One asset; `kind` is function, sql, sql_file or external.

    A made cell computes `base` from constant, inputs and place, lets the helper change it, fails where `base % 4` is
    `fails`, and holds the rows of `base // divisor`. `contract` is a limit to n, `check` a remainder that the total
    divided by 5 must not leave; both with their severity.
    """

    key: str
    kind: str
    scheme: Scheme | None = None
    inputs: tuple[Input, ...] = ()
    after: tuple[str, ...] = ()
    constant: int = 0
    divisor: int = 1
    helper: str = ""
    uses_place: bool = False
    batch: bool = False
    form: str = "frame"
    fails: int | None = None
    contract: tuple[int, str] | None = None
    check: tuple[int, str] | None = None
    reader: bool = False

    @property
    def is_external(self) -> bool:
        return self.kind == "external"

    @property
    def path(self) -> str:
        return f"data/{self.key}.csv" if self.scheme is None else f"data/{self.key}/{{partition}}.csv"


@dataclass(frozen=True)
class Project:
    """A project: assets in the order of their making, the constants of the helpers, the rows (n, m, x) of each file.

    A file that is None is not there. `look` changes comments, docstrings, layout and owners, nothing else.
    """

    assets: Mapping[str, Asset]
    factors: Mapping[str, int]
    files: Mapping[tuple[str, str | None], tuple[tuple[int, int, int], ...] | None]
    look: int = 0

    def made(self) -> Iterator[Asset]:
        return (asset for asset in self.assets.values() if not asset.is_external)


def written(project: Project) -> dict[str, str | None]:
    """Return the text of every file of a project; None for one that is not there."""
    found: dict[str, str | None] = {
        "assets.toml": '[project]\nname = "random"\n[run]\nthreads = 2\n',
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


def csv_text(rows: tuple[tuple[int, int, int], ...]) -> str:
    """Return the rows of an external file as its text."""
    return "".join(f"{','.join(map(str, row))}\n" for row in (("n", "m", "x"), *rows))


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
    return members


def _contract(asset: Asset) -> str:
    if asset.contract is None:
        return ""
    limit = asset.contract[0]
    return f"class Contract_{asset.key}(pandera.DataFrameModel):\n    n: int = pandera.Field(lt={limit})\n    m: int\n"


def _check(asset: Asset, look: int) -> Iterator[str]:
    if asset.check is not None:
        yield textwrap.dedent(f'''
            @check({asset.key!r}, severity={asset.check[1]!r})
            def check_{asset.key}({asset.key}: pl.DataFrame) -> bool:
                """Look {look}."""
                return total({asset.key}) % 5 != {asset.check[0]}
            ''')


def _parameter(given: Input) -> str:
    reading, handed = given.reading.source(), given.hand_off
    if given.by_partition:
        handed = f"Mapping[str, {handed}]"
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
    terms = [str(asset.constant)]
    before: list[str] = []  # of a batch: what its partitions share is read once, since a reader can only be read once
    for given in asset.inputs:
        if asset.batch and not given.by_partition:
            before.append(f"total_{given.name} = total({given.name})")
            terms.append(f"{given.weight} * total_{given.name}")
        else:
            terms.append(f"{given.weight} * total({given.name}{'[partition.key]' if asset.batch else ''})")
    terms += ["place(partition)"] if asset.uses_place else []
    body = [f"base = {' + '.join(terms)}"]
    body += [f"base = helper_{asset.helper}(base)"] if asset.helper else []
    about = _about(asset, look)
    made = f"table(base // {asset.divisor}, {asset.form!r})"
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
    terms = [str(asset.constant)]
    for given in asset.inputs:
        columns = given.columns or ("n", "m")
        sums = " + ".join(f"{2 if c == 'm' else 1} * coalesce(sum({c}), 0)" for c in ("n", "m") if c in columns)
        terms.append(f"{given.weight} * (SELECT {sums} FROM {given.name})")
    terms += ["ascii(right($partition_key, 1))"] if asset.uses_place else []
    query = (
        f"WITH base AS (SELECT ({' + '.join(terms)}) // {asset.divisor} AS q)\n"
        "SELECT CAST(q + r AS BIGINT) AS n, CAST(q // 5 + r AS BIGINT) AS m\n"
        "FROM base, range(3) AS t(r) WHERE r < q % 3"
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
    members = ", ".join([*_about(asset, look), f"upstreams={{{', '.join(tables)}}}"])
    return f'{_contract(asset)}\nsql_asset({asset.key!r}, """{_query(asset, look)}""", {members})\n'


def _sql_file(asset: Asset, look: int) -> str:
    header = [f'owners = ["team:{look}"]']
    header += [f"partitions = {asset.scheme.header()}"] if asset.scheme is not None else []
    header += [f"after = {list(asset.after)!r}"] if asset.after else []
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
