from network import pytest_configure  # noqa: F401
