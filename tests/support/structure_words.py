"""The words that names may not contain: each had several meanings, or one that no reader knows.

Idea: a name is split into its words (snake_case, CamelCase); a retired one among them, in whatever
form (``hired``, ``crews``) or written together with another (``seatcount``), breaks the rule. Read
are the identifiers of Python and C, the names of crash points, and those of all files and folders.
Comments and messages are prose, and free.
"""

import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.structure_c import blanked

FOLDERS = ("src", "native", "tests", "benchmarks", "tools", "docs", ".ci")
SUFFIXES = (".py", ".pyi", ".c", ".h", ".pml")

# What the field's term is stands in docs/design/glossary.md.
RETIRED = frozenset(
    {
        *("crew", "hire", "bury", "buried", "doomed", "seat", "seats", "victim", "tally", "fed"),
        *("feed", "feeds", "heirloom", "heirlooms", "farewell", "farewells", "lifeline"),
        *("embryo", "deaf", "spare", "door", "doorway", "greet", "admit", "travel", "travels"),
        *("anchor", "kin", "bell", "bells", "doorbell", "patience", "obituary", "mourn"),
        *("surrender", "manners", "holdings", "annex", "annexes", "crowd", "stands", "shelf"),
        *("parcel", "companion", "companions", "glance", "legacy", "ambient", "settle"),
        *("withdraw", "renumber", "terms", "contracts", "bond", "bonds", "sides"),
    }
)
# Of these a word that only begins or ends so is no form: kind, label, abundant, understands, ...
SHORT = frozenset({"kin", "fed", "bell", "feed", "deaf", "hire", "stands", "terms", "sides"})
# Words that have a good meaning elsewhere, and had another one in the files that begin so.
RETIRED_IN: dict[str, frozenset[str]] = {
    "native/container/": frozenset({"place", "places", "spot", "store"}),
    "native/os/": frozenset({"life", "ending"}),
    "native/python/": frozenset({"guard", "line", "plain", "tagged"}),
    "native/python/shared_": frozenset({"place", "places", "spot", "store"}),
    "src/procession/managers/": frozenset({"drop", "prompt", "talk"}),
    "src/procession/pool/": frozenset({"program", "programs", "over", "since", "loader"}),
    "src/procession/_launch/": frozenset({"outcome", "ending", "tree", "tie", "words"}),
    "src/procession/process/": frozenset({"outcome", "ending"}),
    "src/procession/forkserver/": frozenset({"outcome", "ending"}),
}
# Names of files that said too little; as a part of another name such a word is right.
RETIRED_FILES = frozenset(
    {
        *("death", "tree", "outcome", "life", "ending", "line", "guard", "prompt", "program"),
        *("place", "spot", "store", "bound", "plain", "compact", "tagged", "key", "number"),
    }
)
# Names in which such a word is right, and why.
ALLOWED = {
    "PyFrame_GetLineNumber": "CPython's own name",
    "atomic_store": "C's own name",
    "atomic_store_explicit": "C's own name",
    "_on_queue_feeder_error": "the standard queue's name, which programs override",
    "BUG_WITHDRAWN_IN_SILENCE": "what the model says of an offer; no function of this name",
}

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
C_NAME = re.compile(r"\b[A-Za-z_]\w*")
CRASH_POINT = re.compile(r'CRASH_POINT\("([^"]+)"\)')


def retired_names(root: Path) -> list[str]:
    """Return a line for each name that contains a retired word, and each file of such a name."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            shown = str(path.relative_to(root))
            if "__pycache__" in path.parts:
                continue
            found += _retired_in(path.stem, shown, "")
            if path.stem.strip("_") in RETIRED_FILES:
                found.append(f"{shown}: {path.stem} is a name that was given up")
            if path.suffix in SUFFIXES:
                found += _retired_in_file(path, shown)
    return found


def _retired_in_file(path: Path, shown: str) -> Iterator[str]:
    text = path.read_text()
    names = python_names(text) if path.suffix in (".py", ".pyi") else c_names(text)
    reported = set()
    for name, line in names:
        if name not in reported:
            reported.add(name)
            yield from _retired_in(name, shown, f":{line}")


def _retired_in(name: str, shown: str, line: str) -> Iterator[str]:
    if name in ALLOWED:
        return
    here = {
        form
        for start, words in RETIRED_IN.items()
        if shown.startswith(start)
        for word in words
        for form in _forms(word)
    }
    for word in words_of(name):
        if word in FORMS or word in here or _is_compound(word):
            yield f"{shown}{line}: {name} has the word {word}"


def _forms(word: str) -> set[str]:
    """Return *word* with the endings that English gives it: crews, hired, buries, admitting."""
    stem = word[:-1] if word.endswith(("e", "y")) else word
    ends = ("ies", "ied", "ying") if word.endswith("y") else ("es", "ed", "ing", "er", "ers")
    return {word, f"{word}s", *(stem + end for end in ends), *(word + word[-1] + e for e in ends)}


FORMS = frozenset(form for word in RETIRED for form in _forms(word))


@cache
def _is_compound(word: str) -> bool:
    """Return whether *word* is a retired one and another, with nothing between them."""
    return any(word.startswith(each) or word.endswith(each) for each in RETIRED - SHORT)


def words_of(name: str) -> list[str]:
    """Split a name: ``on_workerExit2`` has the words on, worker, exit, 2."""
    return [word.lower() for word in WORD.findall(name)]


def python_names(text: str) -> Iterator[tuple[str, int]]:
    """Yield the identifiers of Python source, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.string, token.start[0]


def c_names(text: str) -> Iterator[tuple[str, int]]:
    """Yield the identifiers of C source, and the names of its crash points, with their lines."""
    for number, line in enumerate(blanked(text).splitlines(), 1):
        for name in C_NAME.findall(line):
            yield name, number
    for number, line in enumerate(text.splitlines(), 1):
        for name in CRASH_POINT.findall(line):
            yield name, number
