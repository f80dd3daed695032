import place  # noqa: F401 (finds the next)
from network import pytest_configure  # noqa: F401
