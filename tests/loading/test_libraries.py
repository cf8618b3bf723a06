"""Do the versions of declared libraries count, and are the others told?"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from loading_project import parts_of, project_with

from assets_core.errors import DefinitionErrors

SOURCE = """
import numpy as np

@asset(LIBRARIES)
def numbers() -> pl.DataFrame:
    return pl.DataFrame({"n": np.arange(3)})

total = sql_asset("total", "SELECT * FROM numbers")
"""


def test_the_installed_version_of_a_declared_library_is_a_part(tmp_path: Path) -> None:
    plain = project_with(tmp_path, SOURCE.replace("LIBRARIES", ""))
    assert plain.graph.assets["numbers"].libraries_not_followed == ("numpy", "polars")
    before = plain.graph.assets["numbers"].code_version
    project = project_with(tmp_path, SOURCE.replace("LIBRARIES", 'libraries=["polars"]'))
    asset = project.graph.assets["numbers"]
    assert parts_of(project, "numbers", "library") == {"polars": f"polars {metadata.version('polars')}"}
    assert asset.libraries_not_followed == ("numpy",)
    assert asset.code_version != before
    assert project.graph.assets["total"].libraries_not_followed == ("duckdb",)


def test_the_libraries_of_the_settings_count_for_every_asset(tmp_path: Path) -> None:
    source = SOURCE.replace("LIBRARIES", 'libraries=["numpy"]')
    project = project_with(tmp_path, source, 'libraries = ["polars", "duckdb"]\n')
    assert set(parts_of(project, "numbers", "library")) == {"polars", "duckdb", "numpy"}
    assert set(parts_of(project, "total", "library")) == {"polars", "duckdb"}
    assert project.graph.assets["numbers"].libraries_not_followed == ()


def test_a_library_may_be_named_as_its_distribution_or_as_an_import(tmp_path: Path) -> None:
    named = SOURCE.replace("import numpy as np", "import numpy as np\nimport typing_inspect").replace(
        '"n": np', '"t": [str(typing_inspect.get_args)], "n": np'
    )
    for name in ("typing-inspect", "typing_inspect"):
        project = project_with(tmp_path, named.replace("LIBRARIES", f'libraries=["{name}"]'))
        version = metadata.version("typing-inspect")
        assert parts_of(project, "numbers", "library")[name] in (
            f"typing-inspect {version}",
            f"typing_inspect {version}",
        )
        assert "typing_inspect" not in project.graph.assets["numbers"].libraries_not_followed


@pytest.mark.parametrize(
    ("libraries", "settings", "place"),
    [('libraries=["polrs"]', "", "definitions/a.py:"), ("", 'libraries = ["polrs"]\n', "assets.toml:3")],
)
def test_a_library_that_is_not_installed_is_an_error_with_its_near_miss(
    tmp_path: Path, libraries: str, settings: str, place: str
) -> None:
    project = project_with(tmp_path, SOURCE.replace("LIBRARIES", libraries), settings)
    with pytest.raises(DefinitionErrors) as caught:
        _ = project.loaded
    [error] = caught.value.errors
    assert "library 'polrs' is not installed (did you mean 'polars'?)" in error.what
    assert str(error.place).startswith(place)


@pytest.mark.parametrize("libraries", ['libraries="polars"', "libraries=[pl]"])
def test_libraries_that_are_not_a_list_of_texts_are_an_error(tmp_path: Path, libraries: str) -> None:
    with pytest.raises(DefinitionErrors) as caught:
        _ = project_with(tmp_path, SOURCE.replace("LIBRARIES", libraries)).loaded
    assert "numbers: libraries=" in caught.value.errors[0].what
