"""C identifiers. Every name in generated code comes from here."""

from __future__ import annotations

import re

from tinygen.errors import InternalError, OptionError

__all__ = ["Names", "model_name"]

_KEYWORDS = frozenset(
    # of C11 and C++20, since the header is read by both
    word
    for line in (
        "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast",
        "constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern false",
        "float for friend goto if inline int long main mutable namespace new noexcept not not_eq nullptr operator",
        "or or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof",
        "static static_assert static_cast struct switch template this thread_local throw true try typedef typeid",
        "typename union unsigned using virtual void volatile wchar_t while xor xor_eq",
    )
    for word in line.split()
)
# Targets that CMake and Zephyr have of their own; the model's is named as the model.
_TARGETS = frozenset(("all", "app", "clean", "help", "install", "package", "test"))
# Prefixes that belong to the runtime, to the test protocol's macros and to the C implementation.
_RESERVED = re.compile(r"^(tg|_|str[a-z]|mem[a-z]|is[a-z]|to[a-z]$)", re.IGNORECASE)


def model_name(text: str) -> str:
    """A C identifier for a model called ``text``, such as the stem of its file.

    Other characters become underscores; a name that starts with a digit or is reserved gets the
    prefix ``model_``.

    Raises:
        OptionError: nothing usable is left of ``text``.
    """
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", text.lower())).strip("_")[:40]
    if not name:
        raise OptionError(f"{text!r} gives no C name for the model", hint="Pass one with --name.")
    if name[0].isdigit() or name in _KEYWORDS | _TARGETS or _RESERVED.match(name):
        name = f"model_{name}"
    return name


class Names:
    """Hands out the identifiers of one model and refuses to hand out one twice."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._taken: set[str] = set()

    def take(self, *parts: object) -> str:
        """``<prefix>_<part>_<part>…``, which must be new."""
        name = "_".join([self._prefix, *map(str, parts)])
        if name in self._taken or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InternalError(f"the C name {name} is taken or not an identifier")
        self._taken.add(name)
        return name
