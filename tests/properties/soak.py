"""Try many more random projects than the suite does: `python tests/properties/soak.py --examples 1000`.

Run from the project's folder. Ends with the first example that breaks the law, made as small as can be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).parent))

from random_edits import full_runs, partial_runs
from test_incremental_equals_from_scratch import test_a_run_after_any_edits_leaves_what_a_run_from_scratch_makes
from test_plan_matches_oracle import test_plans_and_runs_of_any_part_are_what_the_law_says


def main() -> None:
    """Run each property test on so many examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    examples = parser.parse_args().examples
    many = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    for test, histories in (
        (test_a_run_after_any_edits_leaves_what_a_run_from_scratch_makes, full_runs()),
        (test_plans_and_runs_of_any_part_are_what_the_law_says, partial_runs()),
    ):
        many(given(histories)(test.hypothesis.inner_test))()
        sys.stdout.write(f"{examples} examples: {test.__name__}\n")


if __name__ == "__main__":
    main()
