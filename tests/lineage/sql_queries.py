"""Queries for the tests of column lineage: some with what they read written out, and a writer of random ones.

Two tables: `orders` (`o` below) and `finance/rates` (`r`), which the queries call `rates`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

RATES = '"finance/rates"'

SCHEMAS: dict[str, list[tuple[str, str]]] = {
    "orders": [
        ("k", "int64"),
        ("a", "int64"),
        ("b", "int64"),
        ("month", "int64"),
        ("moment", "timestamp[us]"),
        ("unit", "string"),
        ("place", "struct<x: int64, y: int64>"),
        ("parts", "list<item: int64>"),
        ("note", "string"),
    ],
    "finance/rates": [("k", "int64"), ("v", "int64"), ("a", "int64")],
}

# After `=>` what each column of the result reads: plain for a copy, `~` for a computed column; under `?` stands what
# decides the rows, which counts for every column; under `*` what the columns read whose names only the engine can tell.
_TEXT = """
select k, a as amount from orders
=> k: o.k; amount: o.a

from orders select a + b as c where month > 3
=> c: ~o.a ~o.b; ?: o.month

from rates
=> k: r.k; v: r.v; a: r.a

select * exclude (v) replace (a + v as a) rename (k as key) from rates
=> key: r.k; a: ~r.a ~r.v

select q.*, 1 as one from rates q
=> k: r.k; v: r.v; a: r.a; one:

select v from orders join rates using (k)
=> v: r.v; ?: o.k r.k

select k, b, v from orders full join rates using (k)
=> k: ~o.k ~r.k; b: o.b; v: r.v; ?: o.k r.k

select k, v from orders right join rates using (k)
=> k: r.k; v: r.v; ?: o.k r.k

select o.b from orders o semi join rates r on o.k = r.v
=> b: o.b; ?: o.k r.v

select b, v from (select k, b from orders) natural join rates
=> b: o.b; v: r.v; ?: o.k r.k

select o.a, r.v from orders o asof join rates r on o.k = r.k and o.b >= r.a
=> a: o.a; v: r.v; ?: o.b o.k r.a r.k

select month, sum(a) as total, count(*) as n from orders group by month
=> month: o.month; total: ~o.a; n:; ?: o.month

select month, max(a) as top from orders group by all having min(b) > 0 order by 2
=> month: o.month; top: ~o.a; ?: o.a o.b o.month

select sum(a) filter (where b > 1) as f from orders
=> f: ~o.a ~o.b

select k, row_number() over (partition by month order by b) as n from orders
=> k: o.k; n:; ?: o.b o.month

select sum(a) over w as s from orders window w as (partition by k order by b)
=> s: ~o.a; ?: o.b o.k

select a from orders qualify row_number() over (partition by k order by b desc) = 1
=> a: o.a; ?: o.b o.k

with c as (select k, sum(a) over (order by b) as s from orders) select k from c
=> k: o.k

with c as (select k as x, a + b as y from orders where month = 1) select x, y from c
=> x: o.k; y: ~o.a ~o.b; ?: o.month

with c(n, m) as (select count(*), k from rates group by k) select m, n from c
=> m: r.k; n:; ?: r.k

with recursive c(n, s) as (select k, v from rates union all select n + 1, b from c, orders where a = n and n <
6) select s from c
=> s: r.v o.b; ?: o.a r.k

select a from orders union select v from rates
=> a: o.a r.v; ?: o.a r.v

select a, b from orders union all by name select v as b from rates
=> a: o.a; b: o.b r.v

(select k from orders order by month limit 3) except select k from rates
=> k: o.k r.k; ?: o.k o.month r.k

select distinct on (k) a from orders order by k, b
=> a: o.a; ?: o.b o.k

select distinct a from orders
=> a: o.a; ?: o.a

select k, (select max(v) from rates r where r.k = o.k) as top from orders o
=> k: o.k; top: ~r.v; ?: o.k r.k

select a from orders o where exists (from rates r where r.k = o.k)
=> a: o.a; ?: o.k r.k

select a from orders where k in (select v from rates where a > 1)
=> a: o.a; ?: o.k r.a r.v

select r.v, l.d from rates r, lateral (select r.a + o.b as d from orders o where o.k = r.k) l
=> v: r.v; d: ~o.b ~r.a; ?: o.k r.a r.k

select a as x, x + b as y, y * 2 as z from orders where z > 3
=> x: o.a; y: ~o.a ~o.b; z: ~o.a ~o.b; ?: o.a o.b

select k as a, a as k from orders order by a limit 3
=> a: o.k; k: o.a; ?: o.k

select place.x, orders.place.y as y, place from orders
=> x: ~o.place; y: ~o.place; place: o.place

select k, unnest(parts) as part from orders
=> k: o.k; part: ~o.parts; ?: o.parts

select k from (select k, unnest(parts) from orders)
=> k: o.k; ?: o.parts

select p.part from orders, unnest(parts) as p(part)
=> part: ~o.parts; ?: o.parts

select unnest(place), k from orders
=> k: o.k; *: ~o.place; ?: o.place

select list_transform(parts, lambda p: p + a) as l, [p + b for p in parts if p > k] as m from orders
=> l: ~o.a ~o.parts; m: ~o.b ~o.k ~o.parts

select month, date_trunc('month', moment) as begin, extract(month from moment) as n, moment + interval 1 month
as later from orders
=> month: o.month; begin: ~o.moment; n: ~o.moment; later: ~o.moment

select date_trunc(unit, moment) as begin from orders
=> begin: ~o.moment; ?: o.unit

select json_array_length(note -> '$.a') as n from orders
=> n: ~o.note

select sum(v), k from rates group by k
=> k: r.k; *: ~r.v; ?: r.k

select columns('k|v') from rates
=> *: ~r.k ~r.v ~r.a

pivot rates on k using sum(v) group by a
=> *: ~r.k ~r.v ~r.a; ?: r.k r.v r.a

select orders as whole from (select k, a from orders) orders
=> whole: ~o.k ~o.a

select r.k, s.k as k2 from rates r positional join rates s
=> k: r.k; k2: r.k

select k from rates limit (select max(a) from orders)
=> k: r.k; ?: o.a

select rowid as r, a from orders
=> r: ~o.k ~o.a ~o.b ~o.month ~o.moment ~o.unit ~o.place ~o.parts ~o.note; a: o.a

select a from orders where moment >= $partition_start and moment < $partition_end
=> a: o.a; ?: o.moment
"""


def _queries() -> list[tuple[str, dict[str, str]]]:
    found = []
    for part in _TEXT.strip().split("\n\n"):
        sql, _, expected = part.replace("\n", " ").partition("=>")
        pairs = (pair.partition(":") for pair in " ".join(expected.split()).split(";"))
        reads = {name.strip(): " ".join(sorted(text.split())) for name, _, text in pairs}
        found.append((" ".join(sql.split()).replace("rates", RATES), reads))
    return found


QUERIES = _queries()


class Sentences:
    """Writes random queries. `columns` are texts that name whole numbers in the scope at hand."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def number(self, columns: Sequence[str], depth: int = 2) -> str:
        draw = self.draw
        if not columns or draw.random() < 0.1:
            return str(draw.randint(0, 4))
        if depth == 0 or draw.random() < 0.4:
            return draw.choice(columns)
        one, two = self.number(columns, depth - 1), self.number(columns, depth - 1)
        name = draw.choice(["p", "a", "k", "x1"])
        inner = self.number(["z.v", "z.a", *columns], 1)
        return draw.choice(
            [
                f"({one} + {two})",
                f"coalesce({one}, {two})",
                f"case when {self.condition(columns, 0)} then {one} else {two} end",
                f"(select max({inner}) from {RATES} z where {self.condition(['z.k', 'z.v', *columns], 0)})",
                f"list_sum([{name} + {one} for {name} in [{one}, {two}] if {name} > {two}])",
                f"list_sum(list_transform([{one}], lambda {name}: {name} + {two}))",
            ]
        )

    def condition(self, columns: Sequence[str], depth: int = 1) -> str:
        one, two = self.number(columns, depth), self.number(columns, depth)
        choices = [f"{one} > {two}", f"{one} = {two}", f"{one} is not null", f"{one} in (select v from {RATES})"]
        if depth:
            choices.append(f"exists (from {RATES} y where {self.condition(['y.k', 'y.v', *columns], 0)})")
        return self.draw.choice(choices)

    def source(self, depth: int, queries: dict[str, list[str]]) -> tuple[str, str, list[str]]:
        """Return what stands in FROM, its alias, and its columns."""
        draw, alias = self.draw, self.fresh()
        if queries and draw.random() < 0.3:
            name = draw.choice(list(queries))
            return f"{name} {alias}", alias, queries[name]
        if depth and draw.random() < 0.5:
            sql, columns = self.query(depth - 1, queries)
            if draw.random() < 0.3:
                names = [self.fresh() for _ in columns[: draw.randint(1, len(columns))]]
                return f"({sql}) {alias}({', '.join(names)})", alias, names + columns[len(names) :]
            return f"({sql}) {alias}", alias, columns
        return draw.choice(
            [(f"orders {alias}", alias, ["k", "a", "b", "month"]), (f"{RATES} {alias}", alias, ["k", "v", "a"])]
        )

    def query(self, depth: int, queries: dict[str, list[str]]) -> tuple[str, list[str]]:
        """Return a query and the names of its columns."""
        draw = self.draw
        if depth and draw.random() < 0.2:
            name = self.fresh()
            sql, columns = self.query(depth - 1, queries)
            rest, names = self.query(depth - 1, queries | {name: columns})
            return (
                f"with {name} as ({sql}){rest.replace('with', ',', 1) if rest.startswith('with') else f' {rest}'}",
                names,
            )
        if depth and draw.random() < 0.15:
            (one, names), (two, others) = self.query(depth - 1, queries), self.query(depth - 1, queries)
            word = draw.choice(["union", "union all", "intersect", "except all", "union all by name"])
            if len(names) == len(others) or "name" in word:
                return f"({one}) {word} ({two})", list(dict.fromkeys(names + others)) if "name" in word else names
        origin, alias, columns = self.source(depth, queries)
        seen = [f"{alias}.{column}" for column in columns]
        for _ in range(draw.choice([0, 0, 1, 2])):
            other, alias, columns = self.source(depth, queries)
            joined = [f"{alias}.{column}" for column in columns]
            word = draw.choice(["join", "left join", "full join", "semi join", "anti join", "positional join", ","])
            on = f" on {self.condition(seen + joined)}" if "join" in word and word != "positional join" else ""
            origin += f" {word} {other}{on}"
            seen += [] if word in ("semi join", "anti join") else joined
        where = f" where {self.condition(seen)}" if draw.random() < 0.4 else ""
        items, names, end = self.items(seen)
        order = f" order by {draw.choice(['1', 'all', names[0], names[-1] + ' + 1'])}" if draw.random() < 0.3 else ""
        limit = f" limit {draw.randint(0, 4)}" if draw.random() < 0.2 else ""
        distinct = "distinct " if draw.random() < 0.15 else ""
        return f"select {distinct}{', '.join(items)} from {origin}{where}{end}{order}{limit}", names

    def items(self, seen: list[str]) -> tuple[list[str], list[str], str]:
        """Return the elements of a SELECT list, their names, and the clauses that belong to them."""
        draw = self.draw
        names = [self.fresh() for _ in range(draw.randint(1, 4))]
        if draw.random() < 0.3:
            names[0] = draw.choice(["k", "a", "v"])
        if draw.random() < 0.2:
            aggregates = [f"{draw.choice(['sum', 'max', 'count'])}({self.number(seen, 1)})" for _ in names[1:]]
            key = draw.choice(seen)
            items = [
                key,
                *(f"{one} filter (where {self.condition(seen)})" if draw.random() < 0.2 else one for one in aggregates),
            ]
            return [f"{one} as {name}" for one, name in zip(items, names, strict=True)], names, f" group by {key}"
        items = []
        for at, name in enumerate(names):
            one = self.number(seen)
            over = f"(partition by {self.number(seen, 1)} order by {self.number(seen, 1)}, {self.number(seen, 1)})"
            choices = [one, one, one, f"sum({one}) over {over}", f"unnest([{one}, 1])"]
            items.append(f"{draw.choice([*choices, *(f'{before} + 1' for before in names[:at])])} as {name}")
        end = f" qualify row_number() over (partition by {self.number(seen, 1)} order by {self.number(seen, 1)}) = 1"
        return items, names, end if draw.random() < 0.1 else ""
