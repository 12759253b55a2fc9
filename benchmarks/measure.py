"""One measurement, in an interpreter of its own.

Idea: ``python -m benchmarks.once CLAIM LIBRARY SHARE`` measures once and prints the result as JSON.
A fresh process for each measurement: no library inherits threads, warm memory or a grown heap from
the other, and one that hangs can be given up.

Invariant: of a measurement that is given up, no process is left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

from . import claims, growth
from .claim import Claim
from .measurement import Measurement

TIMEOUT = 120.0  # seconds


class Failed(Exception):
    """A measurement did not end well; says how."""


def in_fresh_process(claim: str, library: str, share: float) -> Measurement:
    """Measure *claim* with *library* in a process of its own.

    Raises:
        Failed: it ended otherwise than with a result, or not within TIMEOUT.
    """
    command = [sys.executable, "-m", f"{__package__}.once", claim, library, str(share)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {TIMEOUT:.0f} s") from None
    finally:
        if process.poll() is None:  # too slow, or this process was interrupted
            os.killpg(process.pid, signal.SIGKILL)  # its children too
            process.communicate()
    if process.returncode != 0:
        last = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise Failed(last[0])
    return Measurement(**json.loads(output))


def find(name: str) -> Claim:
    """Return the claim called *name*, which may be a point of a curve."""
    return next(claim for claim in (*claims.CLAIMS, *growth.CLAIMS) if claim.name == name)


def main() -> None:
    """Measure what the command line says."""
    name, library, share = sys.argv[1:]
    result = find(name).measure(library, float(share))
    print(json.dumps(asdict(result)))
