"""Processes that die with the test that started them, and waiting for what they do."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "ship"
BINARIES = pathlib.Path(
    os.environ.get("HOLDFAST_SHIP_BINARIES", ROOT / "target" / "x86_64-unknown-linux-gnu" / "release")
)
HOLDFAST = BINARIES / "holdfast"
CHAOS = BINARIES / "chaos"
PASSWORD = "holdfast-dev-Password1!"
# What the processor waits.
LIMIT_MS = 3000

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, log, **more):
    """Starts it; it is killed when this process ends, however it ends."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
            **more,
        )


def run(*command, check=True, timeout=120, **more):
    """Runs it to its end; what it printed is in the error if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def wait_until(what, limit_s, look):
    """Looks until it is true. What it last saw is in the error."""
    end = time.monotonic() + limit_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"{what}: not within {limit_s} s; last seen: {seen!r}"
        time.sleep(0.1)


class Load:
    """The load driver against the VIP, in the background. It checks the books at its end."""

    def __init__(self, vip, admins, directory, seconds, rate=200, connections=16):
        self.json = pathlib.Path(directory) / f"load-{time.monotonic_ns()}.json"
        self.log = self.json.with_suffix(".log")
        self.started = time.monotonic()
        self.process = start(
            [
                CHAOS,
                "load",
                "--target",
                vip,
                "--admin",
                ",".join(admins),
                "--rate",
                rate,
                "--connections",
                connections,
                "--accounts",
                200,
                "--warmup",
                "0s",
                "--duration",
                f"{seconds}s",
                "--timeout",
                f"{LIMIT_MS}ms",
                "--deadline-ms",
                LIMIT_MS - 50,
                "--repeat-share",
                5,
                "--strict",
                "--settle-timeout",
                "30s",
                "--progress",
                "--password",
                PASSWORD,
                "--json",
                self.json,
            ],
            self.log,
        )

    def sending(self):
        """Waits until requests are on their way: the accounts are opened first."""

        def look():
            assert self.process.poll() is None, f"the load ended early:\n{self.log.read_text()}"
            return "req/s" in self.log.read_text() or "/s" in self.log.read_text()

        wait_until("requests on their way", 30, look)

    def end(self, limit_s=90):
        """Every request was answered in time with 200 or 402, and the books agree; gives the report."""
        code = self.process.wait(timeout=limit_s)
        text = self.log.read_text()
        assert self.json.exists(), f"no report, exit code {code}:\n{text}"
        report = json.loads(self.json.read_text())
        assert code == 0, f"exit code {code}: {report['findings']}\n{text}"
        total = report["total"]
        for wrong in ("late", "unexpected_status", "lost", "timeouts", "connect_errors"):
            assert total[wrong] == 0, f"{wrong}: {total}"
        assert total["requests"] > 0 and report["not_sent"] == 0, report
        assert report["books"]["verdict"] == "settled", report["books"]
        assert report["promises"]["mismatches"] == 0, report["promises"]
        return report


def undecided(report):
    """How many of the answers were given without the books."""
    return sum(row["count"] for row in report["total"]["outcomes"] if row["outcome"] not in ("decided", "replayed"))


def summary(name, report):
    """One line for whoever reads CI."""
    total, latency = report["total"], report["total"]["latency_us"]
    print(
        f"{name}: {total['requests']} of {total['requests']} answered, {undecided(report)} without the books,"
        f" p99 {latency['p99'] / 1000:.1f} ms, longest {latency['max'] / 1000:.0f} ms, books {report['books']['verdict']}",
        flush=True,
    )
