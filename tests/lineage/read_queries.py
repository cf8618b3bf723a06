"""Queries for the tests of what a query reads: nasty ones, and a writer of random ones that names things loosely.

Three tables: `t` (k, a, b, c), `u` (k, a, d), `w` (d, e, x). In `NASTY` stands after `=>` what each table is read for:
names, with `+` where the names and types of all its columns count too, or `*` for everything.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

TABLES = {"t": ("k", "a", "b", "c"), "u": ("k", "a", "d"), "w": ("d", "e", "x")}

_TEXT = """
select a from t => t: a
select A, T.B from T => t: a b
select count(*) from t => t:
select count(*) as n from t where a > 1 => t: a
select 1 as one from t => t:
select * from t => t: *
from t => t: *
select t.* from t join u on t.k = u.k => t: *; u: k +
select t from t => t: *
select count(t) from t => t: *
select t is null from t => t: *
select hash(t) from t join u on t.k = u.k => t: *; u: k +
select {'q': t} as s from t => t: *
select columns('a|b') from t => t: *
select columns(*) from t => t: *
select count(columns(*)) from t => t: *
select * exclude (a) from t => t: *
select * replace (1 as a) from t => t: *
select max(t.*) from (select a, b from t) t => t: a b
select coalesce(*columns(*)) from t => t: *
pivot t on a using sum(b) => t: *
unpivot t on a, b into name n value v => t: *
select a from t natural join u => t: *; u: *
select t.a from t positional join u => t: *; u: *
select q.m from t as q(n, m) => t: *
select #2 from t => t: *
select a from query_table('t') => *
select a from query('from t') => *
select rowid from t => t: *
select * from (select a, b from t) => t: a b
with s as (select a, b from t where c = 1) select * from s => t: a b c
with s as (select * from t) select a from s where b > 1 => t: a b +
with s as (select * from t where c > 0), r as (select k, a from s) select * from r => t: a c k +
with s as (select distinct * from t) select a from s => t: *
with s as (select * from t order by 2 limit 1) select a from s => t: *
with s as (select * from t union all select * from t) select a from s => t: *
with s as (select * from t, u) select s.c, s.d from s => t: *; u: *
with s as (select *, a + 1 as z from t) select z, k from s => t: a k +
with t as (select k from t) select * from t => t: k
select a from (select * from t) => t: a +
select b, d from t join u on t.k = u.k where c > 0 => t: b c k +; u: d k +
select t.a, d from t join u on t.k = u.k => t: a k +; u: d k
select t.a, u.d from t join u on t.k = u.k => t: a k; u: d k
select t.a, u.d from t join u using (k) => t: a k; u: d k
select k from t join u using (k) => t: k; u: k
select t.a, w.e from t join u using (k) join w using (d) => t: a k +; u: d k +; w: d e +
select t.a from t semi join u on t.k = u.d => t: a k +; u: d +
select t.a from t anti join u using (k) => t: a k; u: k
select a from t where k in (select d from u) => t: a k; u: d
select a from t where k in (select c from u) => t: a c k; u: +
select a from t where exists (select 1 from u where u.k = t.k) => t: a k; u: k +
select a from t where exists (from u where u.k = t.k) => t: a k; u: *
select (select max(d) from u where u.a = t.b) as m from t => t: b; u: a d +
select t.a, l.m from t, lateral (select max(u.d) as m from u where u.k = t.k) l => t: a k +; u: d k +
select a as z, z + 1 as y from t => t: a +
select a as z from t where z > 1 => t: a +
select a as z from t order by z => t: a +
select a as b from t order by b => t: a b +
select a as z, count(*) as n from t group by z => t: a +
select a, sum(b) as s from t group by all having min(c) > 0 order by all => t: a b c
select a, rank() over (partition by b order by c) as r from t => t: a b c
select sum(a) over v as s from t window v as (partition by b) => t: a b
select a from t qualify rank() over (order by b) = 1 => t: a b
select distinct on (a) b from t order by a, c => t: a b c
select list_transform([a], lambda z: z + b) as l from t => t: a b +
select [z + b for z in [a] if z > 1] as l from t => t: a b +
select a from t limit (select max(d) from u) => t: a; u: d
select a from t union select d from u => t: a; u: d
select a from t union by name select d as a from u => t: a +; u: d +
select sum(a) filter (where b > 1) as s from t => t: a b
select max(a order by b) as s from t => t: a b
select a from t order by case when b > 1 then c end => t: a b c
select a from t group by a having count(*) filter (where b > 1) > 0 => t: a b
with recursive r(n) as (from t select a union all from r, u select n + 1 where n = u.d and n < 3) from r => t: a; u: d +
select current_date > '2000-01-01' as now, a from t => t: a +
select (a).b from (select {'b': a} as a from t) => t: a +
select t.a from t, (select k from u) s where t.k = s.k => t: a k; u: k
select 'a, b' as txt, a from t -- select b => t: a
select a from t /* b */ => t: a
select e'b\\'' as txt, a from t => t: a
select "A" from t => t: a
select c from (t join u on t.k = u.k) where b = 1 => t: b c k; u: k +
select a from t using sample 3 rows => t: *
select t.a from t asof join u on t.k = u.k and t.a >= u.a => t: a k; u: a k
select unnest([a, b]) as v from t => t: a b
select t.a, z.v from t, unnest([b]) z(v) => t: a b
from t select a where b > 1 => t: a b
"""


def _nasty() -> list[tuple[str, dict[str, str]]]:
    found = []
    for line in _TEXT.strip().split("\n"):
        query, _, text = line.rpartition(" => ")
        if text == "*":
            found.append((query, {}))
            continue
        pairs = (pair.partition(":") for pair in text.split(";"))
        found.append((query, {name.strip(): " ".join(reads.split()) for name, _, reads in pairs}))
    return found


NASTY = _nasty()


class LooseSentences:
    """Writes random queries whose names are often unqualified, shadowed by aliases, or passed on by a star."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def name(self) -> str:
        return self.draw.choice(["k", "a", "b", "c", "d", "e", "x", "t", "u", "z", "y"])

    def number(self, names: Sequence[str], depth: int = 1) -> str:
        draw = self.draw
        if not names or draw.random() < 0.08:
            return str(draw.randint(0, 3))
        if depth == 0 or draw.random() < 0.5:
            return draw.choice(names)
        one, two = self.number(names, depth - 1), self.number(names, depth - 1)
        table = draw.choice(list(TABLES))
        own = draw.choice(TABLES[table])
        inner = draw.choice([own, f"{table}.{own}", f"q.{own}"])
        alias = " q" if inner.startswith("q.") else ""
        bound = self.name()
        return draw.choice(
            [
                f"({one} + {two})",
                f"case when {one} > {two} then {one} else {two} end",
                f"(select max({inner}) from {table}{alias} where {self.number([inner, *names], 0)} >= {two})",
                f"(select count(*) from {table}{alias} where {inner} = {one})",
                f"list_sum(list_transform([{one}, {two}], lambda {bound}: {bound} + {one}))",
                f"list_sum([{bound} * 2 for {bound} in [{one}, {two}] if {bound} > {one}])",
            ]
        )

    def condition(self, names: Sequence[str]) -> str:
        one, two = self.number(names), self.number(names)
        table = self.draw.choice(list(TABLES))
        own = self.draw.choice(TABLES[table])
        return self.draw.choice(
            [
                f"{one} > {two}",
                f"{one} = {two}",
                f"{one} in (select {own} from {table})",
                f"exists (select 1 from {table} where {table}.{own} = {one})",
                f"exists (from {table} where {own} > {two})",
            ]
        )

    def source(self, depth: int, queries: dict[str, list[str]]) -> tuple[str, str, list[str]]:
        """Return what stands in FROM, what its columns are qualified with, and their names."""
        draw = self.draw
        if queries and draw.random() < 0.4:
            name = draw.choice(list(queries))
            return name, name, queries[name]
        if depth and draw.random() < 0.4:
            query, names = self.query(depth - 1, queries)
            alias = draw.choice(["s", "r", "q", "t", "u"])
            return f"({query}) {alias}", alias, names
        name = draw.choice(list(TABLES))
        if draw.random() < 0.3:
            alias = draw.choice(["s", "r", "q", "a", "k"])
            return f"{name} {alias}", alias, list(TABLES[name])
        return name, name, list(TABLES[name])

    def query(self, depth: int, queries: dict[str, list[str]]) -> tuple[str, list[str]]:
        """Return a query and the names of its columns."""
        draw = self.draw
        if depth and not queries and draw.random() < 0.35:
            name = draw.choice(["s", "r", "t", "v"])
            body, names = self.query(depth - 1, {})
            rest, given = self.query(depth - 1, {name: names})
            return f"with {name} as ({body}) {rest}", given
        if depth and draw.random() < 0.15:
            (one, names), (two, others) = self.query(depth - 1, queries), self.query(depth - 1, queries)
            word = draw.choice(["union", "union all", "intersect", "except", "union all by name"])
            if len(names) == len(others):
                return f"({one}) {word} ({two})", names if "name" not in word else list(dict.fromkeys(names + others))
        origin, alias, columns = self.source(depth, queries)
        scopes = {alias: columns}
        for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
            other, alias, columns = self.source(depth, queries)
            if alias in scopes:
                continue
            shared = [name for name in columns if any(name in names for names in scopes.values())]
            word = draw.choice(["join", "left join", "full join", "semi join", "anti join", "natural join"])
            if word == "natural join":
                origin += f" natural join {other}"
            elif shared and draw.random() < 0.5:
                origin += f" {word} {other} using ({draw.choice(shared)})"
            else:
                left = [f"{key}.{name}" for key, names in scopes.items() for name in names]
                on = f"{self.number(left, 0)} = {self.number([f'{alias}.{name}' for name in columns], 0)}"
                origin += f" {word} {other} on {on}"
            if word not in ("semi join", "anti join"):
                scopes[alias] = columns
        names = [name for key, each in scopes.items() for column in each for name in (column, f"{key}.{column}")]
        where = f" where {self.condition(names)}" if draw.random() < 0.4 else ""
        return self.select(origin, names, list(scopes), where)

    def select(self, origin: str, names: list[str], aliases: list[str], where: str) -> tuple[str, list[str]]:
        draw = self.draw
        kind = draw.random()
        if kind < 0.15:
            given = [name for name in names if "." not in name]
            return f"select * from {origin}{where}", given
        if kind < 0.35:
            key, given = draw.choice(names), [self.name(), self.name() + "2"]
            total = draw.choice(["sum", "max", "count", "min"])
            having = f" having {total}({self.number(names, 0)}) > 0" if draw.random() < 0.3 else ""
            by = draw.choice([key, "1", "all", given[0]])
            value = draw.choice([f"{total}({self.number(names)})", "count(*)", f"count({draw.choice(aliases)})"])
            filtered = f" filter (where {self.number(names, 0)} > 1)" if draw.random() < 0.2 else ""
            items = f"{key} as {given[0]}, {value}{filtered} as {given[1]}"
            return f"select {items} from {origin}{where} group by {by}{having}", given
        items: list[str] = []
        given: list[str] = []
        for _ in range(draw.randint(1, 3)):
            known = [*names, *given]
            name, value = self.name(), self.number(known)
            over = f"(partition by {self.number(names, 0)} order by {self.number(names, 0)})"
            choices = [value, value, value, f"rank() over {over}", f"sum({self.number(names, 0)}) over {over}"]
            choices += [draw.choice(aliases)] if draw.random() < 0.1 else []
            if name in given:
                continue
            if draw.random() < 0.3:
                value = draw.choice(names)
                name = value.split(".")[-1]
                if name in given:
                    continue
                items.append(value)
            else:
                items.append(f"{draw.choice(choices)} as {name}")
            given.append(name)
        end = f" qualify rank() over (order by {self.number(names, 0)}) = 1" if draw.random() < 0.1 else ""
        order = f" order by {draw.choice([given[0], '1', self.number([*names, *given], 0)])}, all"
        ordered = " order by all limit 2" if draw.random() < 0.15 else ""
        ending = ordered or (order.replace(", all", "") if draw.random() < 0.2 else "")
        distinct = "distinct " if draw.random() < 0.15 and not ending else ""
        return f"select {distinct}{', '.join(items)} from {origin}{where}{end}{ending}", given
