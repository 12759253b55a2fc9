"""The core imports no Python module: it is given what it calls, before it can need it."""

import ast
from collections.abc import Iterator

import pytest

import procession._core as _core
from tests.support import run_python
from tests.support.structure import ROOT, Tree, absolute_folder, folders_around

pytestmark = pytest.mark.bare

HOOKS = "_pickling.core_hooks"
# What makes an object that lies in the family's memory.
MAKERS = frozenset(
    {
        *("Block", "Channel", "TaskChannel", "PipeEnd", "pipe_ends", "SharedDict", "SharedList"),
        *("Lock", "RLock", "Semaphore", "Event", "Condition", "Barrier", "_attach"),
    }
)
# process._base makes its channel in a function, by way of a module that has given the hooks.
IN_A_FUNCTION = {"process._base"}

TREE = Tree(ROOT)


def imported_with(module: str) -> set[str]:
    """The modules of the package that are imported whenever *module* is."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name not in TREE.modules:
            continue
        found.add(name)
        waiting += folders_around(name)
        waiting += top_level_imports(name)
    return found


def top_level_imports(module: str) -> Iterator[str]:
    """The modules of the package that *module* imports outside of its functions."""
    path = TREE.modules[module]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            above = absolute_folder(module, path).split(".")
            base = above[: len(above) - node.level + 1] if node.level else []
            names = [".".join((*base, *filter(None, (node.module, a.name)))) for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (found for name in names if (found := TREE.resolve(name)) is not None)


def makes_objects(module: str) -> bool:
    """Whether *module* makes objects of the core that need hooks, or classes of such objects."""
    for node in ast.walk(ast.parse(TREE.modules[module].read_text())):
        made = [node.func] if isinstance(node, ast.Call) else []
        made += node.bases if isinstance(node, ast.ClassDef) else []
        for each in made:
            core, _, name = ast.unparse(each).rpartition(".")
            if core.endswith("_core") and name in MAKERS:
                return True
    return False


@pytest.mark.parametrize("module", [name for name in TREE.modules if makes_objects(name)])
def test_a_module_that_makes_shared_objects_has_given_the_hooks(module: str) -> None:
    """By calling `give` when it is imported, or by importing a module that does."""
    if module in IN_A_FUNCTION:
        return

    imported = imported_with(module)

    assert HOOKS in imported
    givers = [name for name in imported if "core_hooks.give()\n" in TREE.modules[name].read_text()]
    assert givers


@pytest.mark.parametrize(
    ("hook", "use"),
    [
        ("dumps", "_core.Channel()"),
        ("dumps", "_core.SharedDict()"),
        ("dumps", "_core.SharedList()"),
        ("collect", "_core.Block(1).__reduce__()"),
        ("broken_barrier", "barrier = _core.Barrier(2); barrier.abort(); barrier.wait(0)"),
    ],
)
def test_a_core_without_its_hooks_says_so(hook: str, use: str) -> None:
    """RuntimeError with the hook's name, and never a crash."""
    outcome = run_python(f"from procession import _core; {use}")

    assert outcome.exitcode == 1
    assert f"RuntimeError: the core was not given its hook {hook}:" in outcome.stderr


def test_hooks_are_loaded_when_they_are_needed_first() -> None:
    """A channel loads the C part of pickle, and neither `queue` nor the rest of `pickle`."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "def loaded(): return {'pickle', '_pickle', 'queue'} & (set(sys.modules) - before)\n"
        "from procession import _core\n"
        "from procession._pickling import core_hooks\n"
        "core_hooks.give()\n"
        "assert not loaded()\n"
        "channel = _core.Channel()\n"
        "channel.put({'a': [1, [2]]})\n"
        "assert channel.get() == {'a': [1, [2]]}\n"
        "assert loaded() <= {'_pickle'}\n"
        "core_hooks.load_queue_errors()\n"
        "assert 'queue' in sys.modules\n"
    )

    outcome = run_python(code)

    assert outcome.exitcode == 0, outcome.stderr


def test_a_hook_that_cannot_be_loaded_raises_its_own_error() -> None:
    """And the next use tries again."""
    code = (
        "from procession import _core\n"
        "tries = []\n"
        "def fails():\n"
        "    tries.append(1)\n"
        "    raise ImportError('there is none')\n"
        "_core.set_hooks(dumps=fails)\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        _core.Channel()\n"
        "    except ImportError as error:\n"
        "        assert str(error) == 'there is none'\n"
        "assert len(tries) == 2\n"
    )

    outcome = run_python(code)

    assert outcome.exitcode == 0, outcome.stderr


def test_hooks_have_the_names_that_the_core_knows() -> None:
    with pytest.raises(TypeError, match="no hook 'dump'"):
        _core.set_hooks(dump=object)
    with pytest.raises(TypeError, match="no hook 'dump'"):
        _core.load_hooks("dump")
    with pytest.raises(TypeError, match="keyword arguments only"):
        _core.set_hooks(object)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="name of a hook"):
        _core.load_hooks(1)  # type: ignore[arg-type]
