"""`assets partitions`: the keys of dynamic partitions, which come and go at run time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_table, say

if TYPE_CHECKING:
    from ..partition_sets import KeyChange

SetName = Annotated[str, typer.Argument(metavar="NAME", help="The name that DynamicPartitions was given.")]
Keys = Annotated[
    list[str], typer.Argument(metavar="KEY...", help="Keys; - reads them from the standard input, one a line.")
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="partitions",
        help="See, add and remove the keys of dynamic partitions.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list")(list_partitions)
    group.command("add")(add)
    group.command("remove")(remove)
    app.add_typer(group)


def list_partitions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this set, with its keys.")] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the sets of dynamic partitions and how many keys each has; of one set its keys, in the order of addition.

    Example: assets partitions list shops
    """
    from ..partition_sets import partition_sets, partitions_of
    from ..project import find_project

    found = find_project(project)
    chosen = partition_sets(found) if name is None else [partitions_of(found, name)]
    if not as_json:
        if name is None:
            rows = [(each.name, len(each.keys), ", ".join(each.assets)) for each in chosen]
            print_table(["set", "keys", "assets"], rows)
        else:
            print_table(["key"], [(key,) for key in chosen[0].keys])
        return
    documents = [
        {"set": each.name, "count": len(each.keys), "generation": each.generation, "assets": list(each.assets)}
        for each in chosen
    ]
    print_json(documents if name is None else {**documents[0], "keys": list(chosen[0].keys)})


def add(name: SetName, keys: Keys, as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Add keys to a set of dynamic partitions; what is there already is left as it is. `--` goes before a key with -.

    Example: assets partitions add shops berlin "são paulo"

    Example: ls landing | assets partitions add deliveries -
    """
    from ..partition_sets import add_partitions
    from ..project import find_project

    _print(add_partitions(find_project(project), name, _given(keys)), "added", "were there", as_json=as_json)


def remove(name: SetName, keys: Keys, as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Remove keys from a set of dynamic partitions: its cells are no longer planned. Data and records are kept.

    Example: assets partitions remove shops berlin
    """
    from ..partition_sets import remove_partitions
    from ..project import find_project

    _print(remove_partitions(find_project(project), name, _given(keys)), "removed", "were not there", as_json=as_json)


def _given(keys: Sequence[str]) -> Iterator[str]:
    """Yield the keys that the arguments name."""
    for key in keys:
        if key == "-":
            lines = (line.rstrip("\r\n") for line in sys.stdin)
            yield from (line for line in lines if line)
        else:
            yield key


def _print(change: KeyChange, done: str, otherwise: str, *, as_json: bool) -> None:
    if as_json:
        document = {"set": change.name, done: list(change.keys), "unchanged": change.unchanged, "record": change.seq}
        print_json(document)
        return
    record = "" if change.seq is None else f" (record {change.seq})"
    count = len(change.keys)
    say(f"{count} key{'' if count == 1 else 's'} {done}, {change.unchanged} {otherwise}{record}")
