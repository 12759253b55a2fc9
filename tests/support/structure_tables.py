"""What the structure shall be: layers, names, folders, sizes, retired words.

Idea: the tables stand apart from the rules that read them. The layers are those of
docs/architecture.md, and a test compares the two.
"""

# From the bottom. A unit is a module or a package directly below ``procession``; "" is the package.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_core",),
    ("_base", "util"),
    (
        *("_pickling", "reduction", "resource_sharer", "resource_tracker", "heap"),
        *("shared_memory", "sharedctypes", "synchronize", "connection", "queues", "shared"),
        "_log_forwarding",
    ),
    (
        *("process", "_launch", "spawn", "forkserver"),
        *("popen_fork", "popen_spawn_posix", "popen_forkserver"),
    ),
    ("pool", "managers", "dummy"),
    ("context", "_patching", ""),
    ("futures", "__main__"),
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# The modules that the standard package has, which programs import by these names, and what this
# project documents beside them. Every other name begins with an underscore.
STANDARD_MODULES = frozenset(
    {
        *("connection", "context", "dummy", "forkserver", "heap", "managers", "pool"),
        *("popen_fork", "popen_forkserver", "popen_spawn_posix", "process", "queues", "reduction"),
        *("resource_sharer", "resource_tracker", "shared_memory", "sharedctypes", "spawn"),
        *("synchronize", "util", "dummy.connection"),
    }
)
EXTRA_MODULES = frozenset({"shared", "futures"})
PUBLIC_MODULES = STANDARD_MODULES | EXTRA_MODULES

# Imports by string: what each module imports so, and the reason. Each lies lower, or in the same
# package. Where the name is the program's own, nothing of this package is imported.
BY_STRING: dict[str, tuple[tuple[str, ...], str]] = {
    "": (("shared",), "`from . import shared` would ask the package's __getattr__ again"),
    "connection": (
        ("connection._handshake", "connection._listener", "connection._tls", "connection._xml"),
        "most programs use pipes alone, and pay for no sockets",
    ),
    "context._base": (("reduction",), "asks whether it was imported; imports nothing"),
    "forkserver._server": ((), "what the program wants to have imported before each fork"),
    "_launch.import_locks": ((), "modules that another thread was importing, to forget them"),
    "_patching.install": ((), "the modules of the program's own imports, by their names here"),
    "_patching.loky": ((), "modules of the library, in the copy that the program uses"),
    "_pickling.by_value": ((), "the module that an object of the program says it is from"),
    "_pickling.main_module": ((), "the program's main module"),
    "pool._progress": ((), "the libraries that draw bars, whichever is installed"),
}

# Of native/, from the bottom.
C_FOLDERS = ("os", "shm", "sync", "channel", "container", "python")
# A `.c` file without a header, and why.
C_WITHOUT_HEADER = {"python/module": "defines the function that the interpreter calls, no other"}

LONGEST_FILE = 399
LONGEST_FUNCTION = 39
LONGEST_LINE = 100

# Imports that would make `import procession` slower than `import multiprocessing`.
HEAVY = (
    *("asyncio", "cloudpickle", "concurrent.futures", "ctypes", "inspect", "logging", "numpy"),
    *("pickle", "selectors", "shutil", "socket", "ssl", "subprocess", "tempfile", "typing"),
)
