"""Whether what a declaration says has the types and the form that its annotations ask for.

Called by `build.py`. It must not know other declarations.
"""

from __future__ import annotations

import string
from collections.abc import Mapping

from ..declare import About
from ..errors import DefinitionError, Place, UserError
from ..model.checks import Severity
from ..model.partitions import Partitions, ProductPartitions


def require_types(about: About) -> None:
    """Refuse what an annotation would have refused: a list of owners that is one text, a tag list, a class.

    Raises: UserError.
    """
    read_severity(about.severity, about.place)
    wanted = {
        "partitions": (Partitions | None, "partitions=DailyPartitions(...)"),
        "owners": (list | tuple, 'owners=["team:data"]'),
        "tags": (Mapping, 'tags={"domain": "sales"}'),
        "group": (str, 'group="marts"'),
        "description": (str, 'description="what it is"'),
        "libraries": (list | tuple, 'libraries=["polars"]'),
    }
    for name, (kind, example) in wanted.items():
        if not isinstance(value := getattr(about, name), kind):
            raise UserError(f"{about.key}: {name}={value!r}", remedy=f"write it as in {example}")
    if not all(isinstance(name, str) for name in about.libraries):
        raise UserError(
            f"{about.key}: libraries={about.libraries!r}", remedy='name them by texts, as in libraries=["polars"]'
        )


def path_fits(path: str, partitions: Partitions | None) -> bool:
    """Tell whether a path names the partition where there are some, and nothing that a partition does not have."""
    if partitions is None:
        return "{partition}" not in path
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
    except ValueError:  # a brace that is not closed
        return False
    dimensions = dict(partitions.dimensions) if isinstance(partitions, ProductPartitions) else {}
    return bool(named) and named <= {"partition", *dimensions}


def read_severity(severity: Severity | str, place: Place) -> Severity:
    """Return the severity that a declaration names."""
    try:
        return Severity(severity)
    except ValueError:
        raise DefinitionError(
            f"severity={severity!r}", place=place, remedy='use "error" (blocks publishing) or "warn"'
        ) from None
