"""Reading a TOML table so that every mistake in it is found, each named with its key.

A reader returns a value of the right type even where the file has none; the mistake is in
``problems`` then, and whatever is built from such values is to be thrown away.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

__all__ = ["Table", "format_bytes", "parse_bytes"]

_SIZE = re.compile(r"(\d+)\s*([KM]?)(?:i?B)?", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024 * 1024}


def parse_bytes(text: str | int) -> int:
    """Bytes from ``131072``, ``"131072"``, ``"128K"`` or ``"1M"``; K is 1024, M is 1024 K.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 65536, 64K or 1M")
    return int(match[1]) * _FACTORS[match[2].upper()]


def format_bytes(count: int) -> str:
    """Bytes with thousands separated, for messages: ``137,500``."""
    return f"{count:,}"


class Table:
    """One table of a TOML file and where it stands in it.

    Args:
        data: its keys and values.
        path: its name in messages, such as ``uart.settings``; empty for the whole file.
        problems: where mistakes are collected; tables below share the list.
    """

    def __init__(self, data: Mapping[str, Any], path: str = "", problems: list[str] | None = None) -> None:
        self._data = data
        self._path = path
        self._used: set[str] = set()
        self._children: list[Table] = []
        self.problems: list[str] = [] if problems is None else problems

    def problem(self, key: str, text: str) -> None:
        """Note a mistake at ``key`` of this table."""
        self.problems.append(f"{self._name(key)}: {text}")

    def text(self, key: str, pattern: re.Pattern[str] | None = None, default: str | None = None) -> str:
        """A non-empty string, matched whole by ``pattern``."""
        value: str | None = self._value(key, str, "a text", default)
        if value is None:
            return ""
        if value == "" and default is None:
            self.problem(key, "is empty")
        elif pattern is not None and not pattern.fullmatch(value):
            self.problem(key, f"{value!r} has not the form {pattern.pattern}")
        return value

    def choice(self, key: str, options: Collection[str]) -> str:
        """One of several words."""
        value: str | None = self._value(key, str, f"one of {', '.join(sorted(options))}", None)
        if value is None:
            return next(iter(options), "")
        if value not in options:
            self.problem(key, f"{value!r} is not one of {', '.join(sorted(options))}{_close(value, options)}")
        return value

    def integer(self, key: str, minimum: int = 0, maximum: int = 0xFFFFFFFF, default: int | None = None) -> int:
        """A whole number within limits."""
        value: int | None = self._value(key, int, "a whole number", default)
        if value is None:
            return minimum
        if not minimum <= value <= maximum:
            self.problem(key, f"{value} lies outside {minimum} to {maximum}")
            return minimum
        return value

    def size(self, key: str) -> int:
        """Bytes, at least one, as ``parse_bytes`` reads them."""
        raw = self._value(key, (int, str), "a size such as 65536 or '64K'", None)
        if raw is None:
            return 1
        try:
            value = parse_bytes(raw)
        except ValueError as error:
            self.problem(key, str(error))
            return 1
        if value < 1:
            self.problem(key, f"{value} is not a size")
            return 1
        return value

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        value = self._value(key, list, "a list of texts", None if default is None else list(default))
        if value is None:
            return ()
        if not all(isinstance(item, str) for item in value):
            self.problem(key, "is not a list of texts")
            return ()
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of 32-bit numbers, at least one."""
        value = self._value(key, list, "a list of whole numbers", None)
        if value is None:
            return ()
        if not value or not all(type(item) is int and 0 <= item <= 0xFFFFFFFF for item in value):
            self.problem(key, "is not a list of 32-bit numbers")
            return ()
        return tuple(value)

    def has(self, key: str) -> bool:
        """Whether the file has this key."""
        return key in self._data

    def table(self, key: str) -> Table:
        """A table; one that is missing reads as empty and is reported once."""
        value = self._value(key, dict, "a table", None)
        return self._child(key, value) if value is not None else Table({}, key, problems=[])

    def optional_table(self, key: str) -> Table | None:
        """A table, or ``None`` where the file has none."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str) -> list[Table]:
        """An array of tables, at least one."""
        value = self._value(key, list, f"an array of tables, [[{self._name(key)}]]", None)
        if value is None:
            return []
        if not value or not all(isinstance(item, dict) for item in value):
            self.problem(key, f"is not an array of tables, [[{self._name(key)}]]")
            return []
        return [self._child(f"{key}[{i}]", item) for i, item in enumerate(value)]

    def optional_tables(self, key: str) -> list[Table]:
        """An array of tables, which may be missing."""
        return self.tables(key) if self.has(key) else []

    def settings(self, names: Collection[str]) -> Mapping[str, int]:
        """A table of whole numbers with exactly these names."""
        values = {name: self.integer(name) for name in sorted(names)}
        return MappingProxyType(values)

    def finish(self) -> None:
        """Report keys that nobody asked for, here and in all tables below."""
        for key in self._data:
            if key not in self._used:
                self.problem(key, f"unknown key{_close(key, self._used)}")
        for child in self._children:
            child.finish()

    def _child(self, key: str, data: Mapping[str, Any]) -> Table:
        child = Table(data, self._name(key), self.problems)
        self._children.append(child)
        return child

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _value(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._used.add(key)
        if key not in self._data:
            if default is None:
                self.problem(key, f"is missing; it must be {what}")
            return default
        value = self._data[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            self.problem(key, f"{value!r} is not {what}")
            return None
        return value


def _close(word: str, known: Collection[str]) -> str:
    matches = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
