"""Exact ways to compute a call, and the choice among them."""

from __future__ import annotations

import importlib
import pkgutil

from tinygen.forms.choose import Choice, Mode
from tinygen.forms.compose import choose
from tinygen.forms.form import Candidate, Form, Target, forms_for

__all__ = ["Candidate", "Choice", "Form", "Mode", "Target", "choose", "forms_for"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
