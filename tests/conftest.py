"""Settings that all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from machine import GuestHost, Machine, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

# Two noisy cores: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The second kernel, booted once for all tests."""
    if lacking := missing():
        pytest.skip(f"no second kernel without {', '.join(lacking)}; tests/run installs it")
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture(scope="session")
def guest(machine: Machine) -> Iterator[GuestHost]:
    """A throwaway host on the second kernel, for what this one may lack."""
    with GuestHost(machine) as guest:
        yield guest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run in CI that skipped a test: what was not tried was not shown."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
