"""What a function read of its lazy frames: every column that an execution asked for, and not one that it did not."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.io.inputs import MemoryInput, only_columns
from assets_core.io.reads import Trace
from assets_core.io.streams import stream_of
from assets_core.model.reads import ColumnsRead

SMALL, LARGE = 0, 1 << 40
ENGINES = ("in-memory", "streaming")
FRAME = pl.DataFrame({"a": [1, 2, 3, 4], "b": [4, 3, 2, 1], "c": ["x", "y", "x", "z"], "d": [1, 1, 2, 2]})
OTHER = pl.DataFrame({"a": [2, 3, 9], "e": [7, 8, 9], "f": [1, 2, 3]})


@pytest.fixture(params=["memory", "file"])
def frame(request: pytest.FixtureRequest, tmp_path: Path) -> pl.LazyFrame:
    if request.param == "memory":
        return FRAME.lazy()
    FRAME.write_parquet(tmp_path / "x.parquet", row_group_size=2)
    return pl.scan_parquet(tmp_path / "x.parquet")


QUERIES: dict[str, tuple[Callable[[pl.LazyFrame], pl.LazyFrame], str]] = {
    "everything": (lambda t: t, "abcd"),
    "selected": (lambda t: t.select("a"), "a"),
    "filtered by another": (lambda t: t.filter(pl.col("b") > 1).select("a"), "ab"),
    "filtered by another under a new name": (lambda t: t.rename({"d": "z"}).filter(pl.col("z") > 1).select("a"), "ad"),
    "filtered to nothing": (lambda t: t.filter(pl.col("b") > 100).select("a"), "ab"),
    "filtered by python": (
        lambda t: t.filter(pl.col("c").map_elements({"y", "z"}.__contains__, return_dtype=pl.Boolean)).select("a"),
        "ac",
    ),
    "filtered after a join": (
        lambda t: t.select("a", "d").join(t.select("a", "b"), on="a").filter(pl.col("d") + pl.col("b") > 3).select("a"),
        "abd",
    ),
    "joined with itself": (lambda t: t.join(t.filter(pl.col("d") > 1), on="a", how="semi").select("b"), "abd"),
    "crossed with itself": (lambda t: t.select("a").join(t.select("b"), how="cross"), "ab"),
    "concatenated": (lambda t: pl.concat([t.select("a"), t.select(pl.col("b").alias("a"))]), "ab"),
    "grouped": (lambda t: t.group_by("c", maintain_order=True).agg(pl.col("a").sum()), "ac"),
    "windowed": (lambda t: t.select(pl.col("a").sum().over("c", order_by="b")), "abc"),
    "sorted": (lambda t: t.sort("d", "b").select("a"), "abd"),
    "the top": (lambda t: t.top_k(1, by="b").select("a"), "ab"),
    "the last rows, filtered": (lambda t: t.filter(pl.col("b") > 1).tail(1).select("a"), "ab"),
    "a slice, then filtered": (lambda t: t.head(2).filter(pl.col("b") > 3).select("a"), "ab"),
    "unique": (lambda t: t.unique("c", maintain_order=True).select("a"), "ac"),
    "dropped": (lambda t: t.drop("a"), "bcd"),
    "by type": (lambda t: t.select(pl.col(pl.String)), "c"),
    "numbered": (lambda t: t.with_row_index("i").select("i"), ""),
    "as a row": (lambda t: t.select(pl.struct(pl.all()).alias("s")), "abcd"),
    "cached": (lambda t: (q := t.filter(pl.col("b") > 1).cache()).select("a").join(q.select("a"), on="a"), "ab"),
    "pivoted": (lambda t: t.pivot("c", on_columns=["x"], index="b", values="a", maintain_order=True), "abc"),
    "nothing but the schema": (lambda t: t.clear(), ""),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("name", QUERIES)
def test_a_lazy_query_reads_exactly(frame: pl.LazyFrame, name: str, size: int, engine: pl._typing.EngineType) -> None:
    build, columns = QUERIES[name]
    trace = Trace(None)
    result = build(trace.follow(frame, size)).collect(engine=engine)
    plain = build(frame).collect(engine=engine)
    keys = plain.columns
    assert result.schema == plain.schema
    assert result.sort(keys).equals(plain.sort(keys))
    if name == "nothing but the schema" and size == LARGE:
        assert trace.columns() is None  # not to be told from an execution that went unseen
    else:
        assert trace.columns() == ColumnsRead(tuple(columns), True)


def test_the_number_of_rows_is_read_through_one_column() -> None:
    trace = Trace(None)
    assert trace.follow(FRAME.lazy(), SMALL).select(pl.len()).collect().item() == 4
    assert trace.columns() == ColumnsRead(("a",), True)


def test_what_a_function_looks_at_inside_counts_with_what_it_returns() -> None:
    trace = Trace(None)
    frame = trace.follow(FRAME.lazy(), SMALL)
    wanted = "a" if frame.select(pl.col("b").max()).collect().item() > 3 else "c"
    assert trace.columns() == ColumnsRead(("b",), True)
    list(stream_of(frame.select(wanted)).batches)
    assert trace.columns() == ColumnsRead(("a", "b"), True)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_empty_answer_inside_is_seen(size: int) -> None:
    for engine in ENGINES:
        trace = Trace(None)
        frame = trace.follow(FRAME.lazy(), size)
        assert frame.filter(pl.col("d") > 100).select("a").collect(engine=engine).is_empty()
        frame.select("b").collect(engine=engine)
        assert trace.columns() == ColumnsRead(("a", "b", "d"), True)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_every_way_to_execute_is_seen(size: int, tmp_path: Path) -> None:
    ways: list[Callable[[pl.LazyFrame], object]] = [
        lambda t: t.collect(),
        lambda t: pl.collect_all([t, t]),
        lambda t: list(t.collect_batches(lazy=True)),
        lambda t: t.sink_parquet(tmp_path / "y.parquet"),
        lambda t: pl.SQLContext(t=t).execute("select * from t").collect(),
        lambda t: list(stream_of(t).batches),
    ]
    for way in ways:
        trace = Trace(None)
        way(trace.follow(FRAME.lazy(), size).filter(pl.col("b") > 1).select("a"))
        assert trace.columns() == ColumnsRead(("a", "b"), True)


def test_a_frame_that_is_written_out_reads_everything() -> None:
    for size in (SMALL, LARGE):
        trace = Trace(None)
        frame = trace.follow(FRAME.lazy(), size).select("a")
        frame.collect()
        assert pickle.loads(pickle.dumps(frame)).collect().height == 4  # noqa: S301  # written here
        assert trace.columns() is None


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_frames_of_several_partitions_are_read_together(size: int) -> None:
    trace = Trace(None)
    first, second = (trace.follow(FRAME.lazy(), size) for _ in range(2))
    pl.concat([first.select("a"), second.filter(pl.col("d") > 1).select("a")]).collect()
    assert trace.columns() == ColumnsRead(("a", "d"), True)


def test_of_declared_columns_no_others_count() -> None:
    trace = Trace(("b", "a"))
    assert trace.columns() == ColumnsRead(("a", "b"), False)
    frame = trace.follow(MemoryInput((FRAME.to_arrow(),), ("b", "a")).lazy_frame(), SMALL)
    frame.select("b").collect()
    assert trace.columns() == ColumnsRead(("b",), True)
    frame.collect()
    assert trace.columns() == ColumnsRead(("a", "b"), False)


def test_what_was_not_followed_is_read_whole() -> None:
    assert Trace(None).columns() is None


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("engine", ENGINES)
def test_rows_and_types_pass_unchanged(size: int, engine: pl._typing.EngineType, tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "category": pl.Series(["a", "b"], dtype=pl.Categorical),
            "enum": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])),
            "decimal": pl.Series([1, 2], dtype=pl.Decimal(10, 2)),
            "duration": pl.Series([1, 2], dtype=pl.Duration("ms")),
            "list": [[1], [2, 3]],
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "struct": [{"x": 1, "y": "q"}, {"x": 2, "y": None}],
            "null": pl.Series([None, None]),
            "time": pl.Series([1, 2], dtype=pl.Datetime("ns", "Europe/Paris")),
        }
    )
    rows.write_parquet(tmp_path / "x.parquet")
    for data in (rows, rows.clear()):
        data.write_parquet(tmp_path / "x.parquet")
        for frame in (data.lazy(), pl.scan_parquet(tmp_path / "x.parquet")):
            result = Trace(None).follow(frame, size).collect(engine=engine)
            assert result.schema == rows.schema
            assert result.equals(data)


def test_a_table_of_no_named_column_keeps_its_rows() -> None:
    assert only_columns(pa.table({"a": [1, 2], "b": [3, 4]}), ()).schema.names == ["a"]
    assert only_columns(pa.table({"a": [1, 2], "b": [3, 4]}), ("b",)).schema.names == ["b"]


# Random pipelines: what they read is all that they depend on


def number(draw: random.Random, names: list[str]) -> pl.Expr:
    one, two = pl.col(draw.choice(names)), pl.col(draw.choice(names))
    return draw.choice([one, one + two, one * 2 - two, pl.max_horizontal(one, two), one.fill_null(two)])


def condition(draw: random.Random, names: list[str]) -> pl.Expr:
    one, two = number(draw, names), pl.col(draw.choice(names))
    python = two.map_elements({0, 2, 4}.__contains__, return_dtype=pl.Boolean)
    return draw.choice(
        [one > two, one > draw.randint(0, 3), two.is_in([0, 1]), two > two.mean(), one.is_null(), python]
    )


def grown(draw: random.Random, frame: pl.LazyFrame, frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Return a frame with one more operation, whatever its data."""
    names = frame.collect_schema().names()
    some = draw.sample(names, draw.randint(1, len(names)))
    name, other = draw.choice(names), draw.choice(frames)
    key = draw.choice(other.collect_schema().names())
    match draw.randrange(17):
        case 0 | 1:
            return frame.select(some)
        case 2 | 3 | 4:
            return frame.filter(condition(draw, names))
        case 5:
            return frame.with_columns(number(draw, names).alias(draw.choice(["z", name])))
        case 6:
            return frame.rename({name: draw.choice(["q", "z", "p"])})
        case 7:
            return frame.drop(name) if len(names) > 1 else frame
        case 8 | 9:
            how = draw.choice(["inner", "left", "semi", "anti"])
            order = "left" if how in ("semi", "anti") else "left_right"
            return frame.join(other, left_on=name, right_on=key, how=how, maintain_order=order)
        case 10:
            total = draw.choice([pl.len().alias("n"), number(draw, names).sum().alias("n")])
            return frame.group_by(name, maintain_order=True).agg(total)
        case 11:
            return frame.sort(some, maintain_order=True)
        case 12:
            rows = frame.sort(names)  # polars can lose the order of a join whose slice goes into an aggregate
            return draw.choice([rows.head(3), rows.tail(3), rows.slice(1, 3), rows.slice(-3, 2)])
        case 13:
            return frame.unique(some, keep="first", maintain_order=True)
        case 14:
            top = frame.select(pl.col(name).max()).collect().item() or 0
            return frame.filter(pl.col(draw.choice(names)) <= top)
        case 15:
            return frame.unpivot(on=some[:1], index=[each for each in names if each not in some])
        case _:
            return frame.with_columns(pl.col(name).sum().over(draw.choice(names)).alias("z"))


def answer(seed: int, engine: pl._typing.EngineType, *frames: pl.LazyFrame) -> pl.DataFrame | None:
    draw = random.Random(seed)  # noqa: S311
    frame = frames[0]
    try:
        for _ in range(draw.randint(2, 6)):
            frame = grown(draw, frame, list(frames))
        return frame.collect(engine=engine)
    except pl.exceptions.PolarsError:
        return None


def integers(rows: int, draw: random.Random) -> pl.Series:
    values = [None if draw.random() < 0.1 else draw.randint(0, 4) for _ in range(rows)]
    return pl.Series(values, dtype=pl.Int64)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_what_a_random_pipeline_does_not_read_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    data = [pl.DataFrame({name: integers(rows, draw) for name in names}) for names, rows in (("kabc", 9), ("kde", 6))]
    size, engine = draw.choice([SMALL, LARGE]), draw.choice(ENGINES)
    traces = [Trace(None), Trace(None)]
    followed = [trace.follow(frame.lazy(), size) for trace, frame in zip(traces, data, strict=True)]
    result = answer(seed, engine, *followed)
    plain = answer(seed, engine, *(frame.lazy() for frame in data))
    assert (result is None) == (plain is None)
    if result is None or plain is None:
        return
    assert result.equals(plain)
    changed = []
    for trace, frame in zip(traces, data, strict=True):
        read = trace.columns()
        names = frame.columns if read is None else read.names
        new = [integers(frame.height, draw).alias(name) for name in frame.columns if name not in names]
        changed.append(frame.with_columns(new).lazy())
    after = answer(seed, engine, *changed)
    assert after is not None
    assert after.equals(result)
