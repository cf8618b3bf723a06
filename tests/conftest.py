"""What holds for the whole suite: the gate tries the same examples every time, a person's machine tries new ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")
