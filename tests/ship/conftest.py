"""What was left out is said loudly, line by line."""

import subprocess

from tools import HELMS, intact
from processes import CHAOS, HOLDFAST


def pytest_sessionstart(session):
    for binary in (HOLDFAST, CHAOS):
        if not binary.exists():
            raise SystemExit(f"{binary} is not there: tests/ship/run builds it")
    assert all(intact(version) for version in HELMS), "helm is not there: tests/ship/run fetches it"
    subprocess.run([HOLDFAST, "--version"], check=True, stdout=subprocess.DEVNULL)


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"skipped: {report.nodeid}: {reason}")


def pytest_sessionfinish(session, exitstatus):
    """Something that was left out is not a pass: 75 says so."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = 75
