"""Settings that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Two noisy cores: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run in CI that skipped a test: what was not tried was not shown."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
