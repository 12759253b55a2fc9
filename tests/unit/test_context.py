"""Contexts: what is documented of them, and in which words they refuse."""

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import context, forkserver, reduction, spawn
from procession._pickling import settings
from tests.support import programs_process as programs
from tests.support import run_python

METHODS = ["fork", "spawn", "forkserver"]
DEFAULT = "forkserver" if sys.version_info >= (3, 14) else "fork"
TIMEOUT = 30.0


@pytest.fixture
def default() -> Any:
    """A default context as a fresh program has it."""
    return context.DefaultContext(context._concrete_contexts[DEFAULT])


# ------------------------------------------------------------------------------ start methods


@pytest.mark.bare
def test_the_start_methods_are_named_default_first(default: Any) -> None:
    assert default.get_all_start_methods()[0] == DEFAULT
    assert sorted(default.get_all_start_methods()) == sorted(METHODS)
    assert procession.get_all_start_methods() == default.get_all_start_methods()


@pytest.mark.bare
@pytest.mark.parametrize("method", METHODS)
def test_a_context_is_one_object_and_knows_its_method(default: Any, method: str) -> None:
    ctx = procession.get_context(method)

    assert ctx is procession.get_context(method) is default.get_context(method)
    assert ctx.get_start_method() == ctx.get_start_method(allow_none=True) == method
    assert ctx.get_context() is ctx.get_context(None) is ctx
    assert ctx.Process._start_method == method


@pytest.mark.bare
@pytest.mark.parametrize("method", METHODS)
def test_a_context_keeps_its_method(method: str) -> None:
    for force in (False, True):
        with pytest.raises(ValueError, match="cannot set start method of concrete context"):
            procession.get_context(method).set_start_method("fork", force=force)


@pytest.mark.bare
def test_the_method_is_set_once(default: Any) -> None:
    assert default.get_start_method(allow_none=True) is None
    default.set_start_method("spawn")
    assert default.get_start_method(allow_none=True) == default.get_start_method() == "spawn"

    with pytest.raises(RuntimeError, match="context has already been set"):
        default.set_start_method("fork")
    with pytest.raises(RuntimeError, match="context has already been set"):
        default.set_start_method(None)

    default.set_start_method("forkserver", force=True)
    assert default.get_start_method() == "forkserver"
    default.set_start_method(None, force=True)
    assert default.get_start_method(allow_none=True) is None
    default.set_start_method(None)
    assert default.get_start_method(allow_none=True) == DEFAULT


@pytest.mark.bare
@pytest.mark.parametrize(
    "use",
    [lambda c: c.get_start_method(), lambda c: c.get_context(), lambda c: c.get_context(None)],
)
def test_the_method_is_fixed_by_its_use(default: Any, use: Any) -> None:
    use(default)

    with pytest.raises(RuntimeError, match="context has already been set"):
        default.set_start_method("spawn")


@pytest.mark.bare
@pytest.mark.parametrize("name", ["no such", "", 7])
def test_an_unknown_method_is_refused_and_changes_nothing(default: Any, name: Any) -> None:
    for ask in (default.get_context, default.set_start_method, procession.get_context):
        with pytest.raises(ValueError, match=f"cannot find context for {name!r}"):
            ask(name)
    assert default.get_start_method(allow_none=True) is None


@pytest.mark.parametrize("method", METHODS)
def test_a_child_has_the_method_of_its_parent(method: str) -> None:
    process = procession.get_context(method).Process(target=programs.start_method, returns=True)
    process.start()

    assert process.result(TIMEOUT) == method


# ------------------------------------------------------------------------------ the name space


@pytest.mark.bare
def test_every_public_name_is_in_each_context(ctx: Any) -> None:
    """The exception is a function of the default context."""
    missing = [name for name in procession.__all__ if not hasattr(ctx, name)]

    assert missing == ["get_all_start_methods"]
    assert context.__all__ == sorted(
        context.__all__, key=lambda name: (name.isupper(), name)
    ) or all(hasattr(context, name) for name in context.__all__)


@pytest.mark.bare
def test_errors_are_the_same_in_each_context(ctx: Any) -> None:
    for name in ("ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError"):
        assert getattr(ctx, name) is getattr(procession, name) is getattr(context, name)
    assert issubclass(procession.TimeoutError, procession.ProcessError)


@pytest.mark.parametrize("maker", METHODS)
def test_objects_of_any_context_serve_processes_of_any(ctx: Any, maker: str) -> None:
    other = procession.get_context(maker)
    lock, queue, event = other.Lock(), other.Queue(), other.Event()
    value = other.Value("i", 0)
    process = ctx.Process(target=use_all, args=(lock, queue, event, value))
    process.start()

    assert queue.get(timeout=TIMEOUT) == "from the child"
    process.join()
    assert (process.exitcode, event.is_set(), value.value) == (0, True, 1)


def use_all(lock: Any, queue: Any, event: Any, value: Any) -> None:
    with lock, value.get_lock():
        value.value += 1
    event.set()
    queue.put("from the child")


@pytest.mark.bare
def test_contexts_are_not_copied_but_named(ctx: Any) -> None:
    """The class of a context is pickled with each object that keeps its context."""
    assert pickle.loads(pickle.dumps(type(ctx))) is type(ctx)


def test_processes_are_known_by_each_context(ctx: Any) -> None:
    assert ctx.current_process() is procession.current_process()
    assert ctx.parent_process() is None
    process = ctx.Process(target=programs.sleep_for_ever)
    process.start()
    try:
        assert process in ctx.active_children()
        assert process in procession.active_children()
    finally:
        process.kill()
        process.join()
    assert process not in ctx.active_children()


@pytest.mark.bare
def test_cpu_count(ctx: Any, monkeypatch: Any) -> None:
    assert ctx.cpu_count() == os.cpu_count()

    monkeypatch.setattr(os, "cpu_count", lambda: None)

    with pytest.raises(NotImplementedError, match="cannot determine number of cpus"):
        ctx.cpu_count()


@pytest.mark.bare
def test_what_has_nothing_to_do_does_nothing(ctx: Any) -> None:
    """Here the program is not frozen; and connections can always be pickled."""
    assert ctx.freeze_support() is None
    assert ctx.allow_connection_pickling() is None


def test_a_frozen_program_becomes_its_child() -> None:
    """Called with the arguments of a child, `freeze_support` does not return."""
    outcome = run_python(
        """
        import sys
        import procession
        if sys.argv[1:] == ["--multiprocessing-fork", "start_fd=3", "sentinel=None"]:
            from procession import spawn
            spawn.spawn_main = lambda **numbers: print(numbers)
            sys.frozen = True
        procession.freeze_support()
        print("not reached")
        """,
        "--multiprocessing-fork",
        "start_fd=3",
        "sentinel=None",
    )

    assert outcome.stdout == "{'start_fd': 3, 'sentinel': None}\n"
    assert outcome.exitcode == 0


# ----------------------------------------------------------------------------------- executable


@pytest.fixture
def executable() -> Any:
    """Restore the executable after the test."""
    before = spawn.get_executable()
    yield
    spawn.set_executable(before)


@pytest.mark.parametrize("kind", [str, str.encode, Path])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_are_started_with_the_executable_set(
    method: str, kind: Any, executable: Any, tmp_path: Path
) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nWRAPPED=yes exec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    code = """
    import os, sys
    from pathlib import Path
    import procession
    if __name__ == "__main__":
        kind = {"str": str, "encode": str.encode, "Path": Path}[sys.argv[3]]
        procession.set_executable(kind(sys.argv[2]))
        context = procession.get_context(sys.argv[1])
        process = context.Process(target=os.getenv, args=("WRAPPED",), returns=True)
        process.start()
        print(process.result(30))
    """

    outcome = run_python(code, method, str(wrapper), kind.__name__)

    assert outcome.stdout == "yes\n", outcome.stderr


@pytest.mark.bare
def test_an_executable_that_is_none_is_refused(ctx: Any, executable: Any) -> None:
    with pytest.raises(TypeError):
        ctx.set_executable(7)
    ctx.set_executable(b"/some/python")
    assert spawn.get_executable() == b"/some/python"
    spawn.set_executable(None)
    with pytest.raises(ValueError, match="name one by set_executable"):
        spawn.executable()


def test_an_executable_that_is_missing_is_an_error_of_start(executable: Any) -> None:
    """Nothing is left of the start."""
    procession.set_executable("/no/such/python")
    process = procession.get_context("spawn").Process(target=int)

    with pytest.raises(FileNotFoundError):
        process.start()

    assert process.exitcode is None
    assert process not in procession.active_children()


# --------------------------------------------------------------------------------------- preload


@pytest.mark.bare
@pytest.mark.parametrize("names", [[7], ["os", None], [b"os"]])
def test_preloaded_names_are_strings(ctx: Any, names: Any) -> None:
    with pytest.raises(TypeError, match="module_names must be a list of strings"):
        ctx.set_forkserver_preload(names)


@pytest.mark.bare
def test_reactions_to_a_failed_preload_have_names(ctx: Any) -> None:
    before = forkserver._forkserver._preload_modules
    with pytest.raises(ValueError, match="'ignore', 'warn' or 'fail', not 'explode'"):
        ctx.set_forkserver_preload(["os"], on_error="explode")
    assert forkserver._forkserver._preload_modules == before


PRELOAD = """
import sys
import procession

def loaded():
    return "colorsys" in sys.modules, "__mp_main__" in sys.modules

if __name__ == "__main__":
    names, reaction = sys.argv[1].split(","), sys.argv[2]
    context = procession.get_context("forkserver")
    context.set_forkserver_preload(names, on_error=reaction)
    process = context.Process(target=loaded, returns=True)
    try:
        process.start()
    except Exception as error:
        print(type(error).__name__)
    else:
        print(*process.result(30))
"""


@pytest.mark.parametrize("reaction", ["ignore", "warn", "fail"])
def test_named_modules_are_preloaded(reaction: str) -> None:
    outcome = run_python(PRELOAD, "colorsys,__main__", reaction)

    assert (outcome.stdout, outcome.stderr) == ("True True\n", "")


def test_a_module_that_cannot_be_preloaded_is_passed_over() -> None:
    outcome = run_python(PRELOAD, "no_such_module,colorsys", "ignore")

    assert (outcome.stdout, outcome.stderr) == ("True True\n", "")


def test_a_module_that_cannot_be_preloaded_is_warned_of() -> None:
    outcome = run_python(PRELOAD, "no_such_module,colorsys", "warn")

    assert outcome.stdout == "True True\n"
    assert "the fork server cannot preload 'no_such_module'" in outcome.stderr


def test_a_module_that_cannot_be_preloaded_ends_the_server_on_request() -> None:
    """The error is shown by the server, and the start fails."""
    outcome = run_python(PRELOAD, "no_such_module,colorsys", "fail")

    assert "Error" in outcome.stdout
    assert "No module named 'no_such_module'" in outcome.stderr


# ---------------------------------------------------------------------------------------- reducer


class Shouting(reduction.AbstractReducer):
    """A reducer that counts what it pickles."""

    pickled = 0

    def __init__(self) -> None:
        Shouting.pickled = 0

    @staticmethod
    def dump(obj: Any, file: io.BytesIO, protocol: int | None = None) -> None:
        """Count and pickle."""
        Shouting.pickled += 1
        reduction.dump(obj, file, protocol)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_are_pickled_by_the_reducer_set(method: str) -> None:
    ctx = procession.get_context(method)
    assert ctx.reducer is reduction is procession.reducer
    reducer = Shouting()
    ctx.reducer = reducer
    try:
        assert ctx.reducer is context.reduction is reducer
        process = ctx.Process(target=programs.give, args=(5,), returns=True)
        process.start()
        assert process.result(TIMEOUT) == 5
    finally:
        ctx.reducer = reduction
    assert Shouting.pickled == 2  # the preparation, the process
    assert ctx.reducer is reduction
    assert settings.reducer is None
