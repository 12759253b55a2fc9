"""The default number of workers, for any control groups: the tightest quota of those around."""

import math
import tempfile
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from procession._base import cgroup, cpu_quota

# What the kernel allows in the name of a group, and writes in another way into mountinfo.
NAMES = st.text(
    st.characters(exclude_characters="/\0\n\r\x85\u2028\u2029", exclude_categories=["C", "Z"])
    | st.sampled_from(" \t\\"),
    min_size=1,
    max_size=6,
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, max_size=4)
QUOTAS = st.none() | st.tuples(st.integers(1, 10**7), st.integers(1, 10**6))


def escaped(path: str) -> str:
    """As mountinfo has it."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\\" else c for c in path)


@settings(deadline=None, max_examples=60)
@given(top=PATHS, below=st.lists(st.tuples(NAMES, QUOTAS), max_size=4), at_top=QUOTAS)
def test_the_tightest_of_all_groups_around_counts(
    top: list[str],
    below: list[tuple[str, tuple[int, int] | None]],
    at_top: tuple[int, int] | None,
) -> None:
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root, "mount point")
        quotas = [("", at_top), *below]
        for name, quota in quotas:
            directory = directory / name
            directory.mkdir()
            text = "max 100000" if quota is None else f"{quota[0]} {quota[1]}"
            (directory / "cpu.max").write_text(f"{text}\n")
        group = "/".join(["", *top, *(name for name, _ in below)]) or "/"
        proc = Path(root, "proc/self")
        proc.mkdir(parents=True)
        (proc / "cgroup").write_text(f"0::{group}\n", "utf-8")
        mount = (
            f"3 2 0:1 {escaped('/' + '/'.join(top))} {escaped('/mount point')} rw - cgroup2 x rw"
        )
        (proc / "mountinfo").write_text(f"{mount}\n", "utf-8")

        expected = [math.ceil(Fraction(*quota)) for _, quota in quotas if quota is not None]
        assert cpu_quota.quota(root) == min(expected, default=None)


@given(text=st.text() | st.text(st.sampled_from("0:/.,cpu-\n\\ groptws2")))
def test_no_text_is_an_error(text: str) -> None:
    groups, mounts = cgroup.groups(text, "cpu"), cgroup.mounts(text, "cpu")
    for _, group in groups:
        for _, top, point in mounts:
            list(cgroup.upwards(point, top, group))
    number = cpu_quota.processors(text, text)
    assert number is None or number >= 1


@given(
    point=st.just("/p"),
    top=st.lists(st.sampled_from(["..", "a", "b"]), max_size=4),
    group=st.lists(st.sampled_from(["..", "a", "b"]), max_size=4),
)
def test_no_directory_is_outside_of_its_mount(point: str, top: list[str], group: list[str]) -> None:
    for directory in cgroup.upwards(point, top, group):
        assert Path(directory).is_relative_to(point)
        assert ".." not in Path(directory).parts
