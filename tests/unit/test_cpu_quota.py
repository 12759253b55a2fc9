"""How many workers a pool has by default: affinity, quotas of control groups, the interpreter's."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import dummy, futures
from procession._base import cpu_quota, runtime
from procession.pool import ThreadPool
from tests.support import run_python, tasks

V2_AT_ROOT = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_AT_ROOT = "33 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
OTHERS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
34 25 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset"""


@dataclass(frozen=True)
class Machine:
    """What the kernel shows to a process."""

    groups: str
    mounts: str
    files: dict[str, str]
    allowed: int | None

    def lay_out(self, root: Path) -> str:
        """Make the files below *root*."""
        proc = {"proc/self/cgroup": self.groups, "proc/self/mountinfo": f"{OTHERS}\n{self.mounts}"}
        for name, text in {**proc, **self.files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"{text}\n" if text else "")
        return str(root)


def v2(group: str, allowed: int | None, mount: str = V2_AT_ROOT, **quotas: str) -> Machine:
    """A machine of version 2; *quotas*: ``cpu.max`` by directory, ``_`` for a slash."""
    files = {f"sys/fs/cgroup{d.replace('_', '/')}/cpu.max": text for d, text in quotas.items()}
    return Machine(f"0::{group}", mount, files, allowed)


def v1(group: str, allowed: int | None, mount: str = V1_AT_ROOT, **quotas: str) -> Machine:
    """A machine of version 1; *quotas*: quota and period by directory."""
    files = {}
    for directory, text in quotas.items():
        folder = f"sys/fs/cgroup/cpu,cpuacct{directory.replace('_', '/')}"
        texts = zip(("quota", "period"), text.split(), strict=False)
        files.update({f"{folder}/cpu.cfs_{what}_us": number for what, number in texts})
    return Machine(f"5:cpuset:/elsewhere\n4:cpu,cpuacct:{group}", mount, files, allowed)


def mounted(kind: str, top: str, point: str) -> str:
    """A line of mountinfo."""
    options = "rw,cpu,cpuacct" if kind == "cgroup" else "rw"
    return f"30 24 0:26 {top} {point} rw - {kind} {kind} {options}"


MACHINES = {
    "v2: no quota": v2("/a", None, _a="max 100000"),
    "v2: whole": v2("/a", 2, _a="200000 100000"),
    "v2: rounded up": v2("/a", 2, _a="150000 100000"),
    "v2: less than one": v2("/a", 1, _a="1000 100000"),
    "v2: another period": v2("/a", 3, _a="25000 10000"),
    "v2: without a period": v2("/a", 3, _a="300000"),
    "v2: empty file": v2("/a", None, _a=""),
    "v2: missing file": v2("/a", None),
    "v2: nonsense": v2("/a", None, _a="many 100000"),
    "v2: a period of nothing": v2("/a", None, _a="100000 0"),
    "v2: the own group is tighter": v2("/a/b", 2, _a="500000 100000", _a_b="200000 100000"),
    "v2: the one around is tighter": v2("/a/b", 2, _a="200000 100000", _a_b="500000 100000"),
    "v2: far out": v2("/a/b/c/d", 2, _a="200000 100000", _a_b_c="max 100000"),
    "v2: only the others": v2("/a", None, _b="100000 100000", _a_c="100000 100000"),
    "v2: a name that is another's beginning": v2("/ab", None, _a="100000 100000"),
    "v2: the root of a namespace": v2("/", 3, **{"": "300000 100000"}),
    "v2: a directory that is gone": v2("/a/b (deleted)", 2, _a="200000 100000"),
    "v2: a mount of the group itself": v2(
        "/docker/x", 2, mounted("cgroup2", "/docker/x", "/sys/fs/cgroup"), **{"": "200000 100000"}
    ),
    "v2: a mount of one around": v2(
        "/docker/x/job", 2, mounted("cgroup2", "/docker/x", "/sys/fs/cgroup"), _job="150000 100000"
    ),
    "v2: a mount of another group": v2(
        "/docker/x", None, mounted("cgroup2", "/docker/y", "/sys/fs/cgroup"), **{"": "1000 1000"}
    ),
    "v2: a mount from outside of the namespace": v2(
        "/", 2, mounted("cgroup2", "/..", "/sys/fs/cgroup"), **{"": "200000 100000"}
    ),
    "v2: a mount from far outside": v2(
        "/job", 2, mounted("cgroup2", "/../..", "/sys/fs/cgroup"), **{"": "200000 100000"}
    ),
    "v2: beside the namespace, seen from outside": v2(
        "/../x", 2, mounted("cgroup2", "/..", "/sys/fs/cgroup"), _x="200000 100000"
    ),
    "v2: beside the namespace, not to be seen": v2("/../x", None, **{"": "max 100000"}),
    "v2: a mount whose path has a space": Machine(
        "0::/a",
        mounted("cgroup2", "/", r"/my\040groups\134040"),
        {r"my groups\040/a/cpu.max": "200000 100000"},
        2,
    ),
    "v2: not mounted": Machine("0::/a", "", {}, None),
    "v1: no quota": v1("/a", None, _a="-1 100000"),
    "v1: rounded up": v1("/a", 3, _a="250000 100000"),
    "v1: another period": v1("/a", 5, _a="250000 50000"),
    "v1: without a period": v1("/a", 3, _a="250000"),
    "v1: the one around is tighter": v1("/a/b", 1, _a="50000 100000", _a_b="400000 100000"),
    "v1: missing": v1("/a", None),
    "v1: a container without a namespace": v1(
        "/docker/x",
        2,
        mounted("cgroup", "/docker/x", "/sys/fs/cgroup/cpu,cpuacct"),
        **{"": "200000 100000"},
    ),
    "v1: cpu alone": Machine(
        "7:cpuacct:/b\n3:cpu:/a",
        "33 25 0:28 / /cg/cpu rw - cgroup x rw,cpu\n34 25 0:29 / /cg/acct rw - cgroup x rw,cpuacct",
        {"cg/cpu/a/cpu.cfs_quota_us": "200000", "cg/cpu/a/cpu.cfs_period_us": "100000"},
        2,
    ),
    "both: the quota is in version 1": Machine(
        "4:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/a",
        f"{V1_AT_ROOT}\n41 25 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        {
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/unified/a/cgroup.procs": "1",
        },
        2,
    ),
    "both: the quota is in version 2": Machine(
        "1:name=systemd:/a\n0::/a",
        f"{V1_AT_ROOT}\n41 25 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        {
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "1000",  # of no group of ours
            "sys/fs/cgroup/unified/a/cpu.max": "300000 100000",
        },
        3,
    ),
    "nothing": Machine("", "", {}, None),
    "nonsense": Machine("no\n:\n0:cpu\n4:cpu:", "- \n1 2 - cgroup2\n1 2 3 / - cgroup", {}, None),
}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_the_tightest_quota_counts_rounded_up(machine: Machine, tmp_path: Path) -> None:
    assert cpu_quota.quota(machine.lay_out(tmp_path)) == machine.allowed


def test_without_proc_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu_quota.quota(str(tmp_path)) is None


def test_what_cannot_be_read_is_no_limit(tmp_path: Path) -> None:
    root = v2("/a", None, _a="100000 100000").lay_out(tmp_path)
    quota_file = tmp_path / "sys/fs/cgroup/a/cpu.max"
    quota_file.unlink()
    quota_file.mkdir()  # not even root can read that
    assert cpu_quota.quota(root) is None


IN_A_GROUP = """
import os, sys, procession
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
os.sched_getaffinity = lambda pid: set(range(64))  # however few this machine has
with procession.Pool() as pool:
    print(len(pool._pool))
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """Make a control group in a group that may have 1.5 processors, or skip the test."""
    root = Path("/sys/fs/cgroup")
    old = (root / "cpu").is_dir()
    outer = root / ("cpu" if old else "") / f"procession-test-{os.getpid()}"
    inner = outer / "inner"
    try:
        outer.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        if old:
            (outer / "cpu.cfs_quota_us").write_text("150000")
        else:
            (outer / "cpu.max").write_text("150000 100000")
        inner.mkdir()
        yield inner
    except OSError as error:
        pytest.skip(f"no control group can have a quota here: {error}")
    finally:
        for made in (inner, outer):
            if made.exists():
                made.rmdir()


def test_a_program_in_a_group_with_a_quota(group: Path) -> None:
    outcome = run_python(IN_A_GROUP, str(group))
    assert outcome.stdout.strip() == "2", outcome.stderr


# ---------------------------------------------------------------------------- affinity and the rest


@pytest.mark.parametrize(
    ("own", "quota", "usable"), [(4, None, 4), (4, 2, 2), (2, 4, 2), (1, 3, 1), (3, 3, 3)]
)
def test_a_quota_lessens_the_processors_of_the_process(
    monkeypatch: pytest.MonkeyPatch, own: int, quota: int | None, usable: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(own)))
    monkeypatch.setattr(cpu_quota, "quota", lambda: quota)
    assert cpu_quota.usable() == usable


def test_the_machine_that_this_runs_on() -> None:
    own = len(os.sched_getaffinity(0))
    allowed = cpu_quota.quota()
    assert allowed is None or allowed >= 1
    assert cpu_quota.usable() == min(own, allowed or own)
    assert procession.cpu_count() == os.cpu_count()  # the machine's, whatever the limits are


@pytest.mark.parametrize(
    ("usable", "sharers", "share"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (8, 8, 1), (2, 16, 1)]
)
def test_workers_share_what_there_is(
    monkeypatch: pytest.MonkeyPatch, usable: int, sharers: int, share: int
) -> None:
    monkeypatch.setattr(cpu_quota, "usable", lambda: usable)
    monkeypatch.setattr(runtime, "cpu_sharers", sharers)
    assert cpu_quota.share() == share


def test_a_pool_in_a_worker_has_that_workers_share(ctx: Any) -> None:
    with ctx.Pool(3) as pool:
        assert pool.apply(tasks.sharers) == 3
        assert pool.apply(tasks.sharers_in_a_pool, (2,)) == 6
    pool.join()
    assert runtime.cpu_sharers == 1


@pytest.mark.parametrize("make", [procession.Pool, ThreadPool, dummy.Pool])
def test_pools_have_as_many_workers(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    monkeypatch.setattr(cpu_quota, "share", lambda: 3)
    with make() as pool:
        assert len(pool.stats().workers) == 3
    pool.join()


def test_executors_have_as_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_quota, "share", lambda: 3)
    with futures.ProcessPoolExecutor() as executor:
        executor.submit(os.getpid).result()
        assert executor._pool is not None
        assert len(executor._pool.stats().workers) == 3


PRINTS_THE_DEFAULT = """
import os, procession, procession._base.cpu_quota
procession._base.cpu_quota.quota = lambda: 1
os.sched_getaffinity = lambda pid: {0, 1}
print(procession._base.cpu_quota.usable())
"""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="interpreters are told so from 3.13 on")
@pytest.mark.parametrize(("told", "usable"), [("5", "5"), ("2", "2"), ("default", "1")])
def test_what_the_interpreter_was_told_counts_alone(told: str, usable: str) -> None:
    by_option = run_python(PRINTS_THE_DEFAULT, options=("-X", f"cpu_count={told}"))
    by_variable = run_python(PRINTS_THE_DEFAULT, env={"PYTHON_CPU_COUNT": told})
    assert (by_option.stdout.strip(), by_variable.stdout.strip()) == (usable, usable)


A_POOL_OF_ONE = """
import sys, procession
with procession.Pool(1):
    print("procession._base.cpu_quota" in sys.modules)
"""


def test_a_pool_with_a_number_looks_at_none_of_this() -> None:
    assert run_python(A_POOL_OF_ONE).stdout.strip() == "False"
