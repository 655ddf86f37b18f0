"""Makes the world importable by the tests beside it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def _outcomes_of_mended_code(request):
    """What a mutant makes of a declaration is not what others are compared with."""
    import fresh

    yield
    if "monkeypatch" in request.fixturenames:
        fresh.from_nothing.cache_clear()
