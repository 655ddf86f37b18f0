"""Makes the conversation of the unit tests and the real control plane importable."""

import pathlib
import sys

TESTS = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(TESTS / "unit" / "sandbox" / "apiserver"))
sys.path.insert(0, str(TESTS / "envtest"))
