"""tools/conformance.py: what a result of CPython's own tests means, what the page tells of it."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.structure import ROOT

pytestmark = pytest.mark.bare

TOOLS = ROOT / "tools"


@pytest.fixture(scope="module")
def tools() -> Iterator[SimpleNamespace]:
    """The modules of the tool, which are no part of the package."""
    sys.path.insert(0, str(TOOLS))
    yield SimpleNamespace(
        results=importlib.import_module("conformance_results"),
        page=importlib.import_module("conformance_page"),
    )
    sys.path.remove(str(TOOLS))


def row(status: str, **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "message": f"the message of a {status}",
        "class": "WithProcessesTestQueue",
        "private": None,
        **more,
    }


def run_of(
    tools: SimpleNamespace,
    folder: Path,
    standard: dict[str, str],
    leaks: list[str],
    own_memory: bool = True,
    unlisted: list[str] | None = None,
    **rows: Any,
) -> Any:
    """Return a run whose tests are *rows*, read from a file as the harness writes it."""
    file = folder / "mp-3.13-fork.json"
    data = {
        "suite": "mp",
        "python": "3.13.0 (main)",
        "start": "fork",
        "seconds": 1.5,
        "tests": {f"test.x.WithProcessesTestQueue.{name}": row for name, row in rows.items()},
        "extra": [],
        "leaks": [{"kind": kind, "what": "one", "class": "TestQueue"} for kind in leaks],
        "measured": {
            "date": "2026-01-01",
            "processor_seconds": 1.0,
            "unlisted": unlisted or [],
            "shared_memory": own_memory,
            "standard": {f"test.x.WithProcessesTestQueue.{k}": v for k, v in standard.items()},
        },
    }
    file.write_text(json.dumps(data))
    return tools.results.read_run(file, tools.results.read_configuration())


def test_each_listed_test_names_one_line_of_the_list_of_differences(tools: SimpleNamespace) -> None:
    """Otherwise a stranger could not see whether the failure is meant."""
    lines = (ROOT / "docs" / "compat.md").read_text().splitlines()

    for each in tools.results.read_configuration().differences:
        assert sum(line.startswith(f"| {each.compat}") for line in lines) == 1, each
        assert len(each.reason) > 40


@pytest.mark.parametrize(
    ("name", "result", "standard", "verdict"),
    [
        ("test_get", row("ok"), None, "PASSED"),
        ("test_get", row("fail"), None, "FAILED"),
        ("test_get", row("hang"), None, "FAILED"),
        ("test_get", row("skip"), None, "SKIPPED"),
        ("test_get", row("missing"), None, "FAILED"),
        ("test_get", row("missing"), "skip", "SKIPPED"),
        ("test_get", row("error"), "error: no such name", "STANDARD"),
        ("test_get", row("error", private="reads _pool"), None, "PRIVATE"),
        ("test_get", row("ok", private="reads _pool"), None, "PRIVATE"),
        ("test_queue_feeder_donot_stop_onexc", row("error"), None, "DIFFERENCE"),
        ("test_queue_feeder_donot_stop_onexc", row("ok"), None, "PASSED"),
    ],
)
def test_a_result_counts_unless_there_is_a_reason(
    tools: SimpleNamespace, tmp_path: Path, name: str, result: Any, standard: Any, verdict: str
) -> None:
    run = run_of(tools, tmp_path, {name: standard} if standard else {}, [], **{name: result})

    assert run.outcomes[0].verdict is tools.results.Verdict[verdict]
    assert run.outcomes[0].name == f"_TestQueue.{name}"


@pytest.mark.parametrize(
    ("leaks", "own_memory", "good"),
    [
        ([], True, True),
        (["process"], True, False),
        (["/dev/shm"], True, False),
        (["/dev/shm"], False, True),
        (["temporary file"], True, True),
    ],
)
def test_a_run_in_which_something_was_left_is_not_good(
    tools: SimpleNamespace, tmp_path: Path, leaks: list[str], own_memory: bool, good: bool
) -> None:
    """Files of a /dev/shm that is shared with other programs may be theirs."""
    run = run_of(tools, tmp_path, {}, leaks, own_memory, test_get=row("ok"))

    assert len(run.leaks) == (not good)
    assert run.good is good


def test_a_run_in_which_a_module_could_not_be_tried_is_not_good(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    run = run_of(tools, tmp_path, {}, [], unlisted=["test_forms"], test_get=row("ok"))

    assert not run.good


def test_the_page_tells_of_each_test_that_did_not_pass_why(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    run = run_of(
        tools,
        tmp_path,
        {"test_new": "error: no such name"},
        ["process"],
        unlisted=["test_forms"],
        test_get=row("ok"),
        test_put=row("fail", message="1 != 2"),
        test_new=row("error"),
        test_inside=row("error", private="reads _pool"),
        test_slow=row("ok", before=["hang: no end after 90 s"]),
    )

    text = tools.page.page([run], 2, "2 processors")

    told = dict(re.findall(r"^- `_TestQueue\.(\w+)` \(everywhere\): (.*)$", text, re.M))
    assert told == {
        "test_put": "1 != 2",
        "test_new": "with the standard package: error: no such name",
        "test_inside": "reads \\_pool",
        "test_slow": "before: hang: no end after 90 s",
    }
    assert "| 3.13.0 | fork | 2 of 3 | 0 | 0/1 | 0 | 1 | 0 | 1 | 2 s (1 s) |" in text
    assert "Python 3.13.0 cannot import `test_forms`" in text
    assert "- left over under mp, Python 3.13.0, fork: process one" in text
