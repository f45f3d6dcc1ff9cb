"""One static arena for a program: who lives when, and where."""

from tinygen.plan.arena import MemoryPlan, plan
from tinygen.plan.homes import homes_of
from tinygen.plan.lifetimes import Buffer, Lead, buffers_of
from tinygen.plan.search import ALIGNMENT, Placement, place
from tinygen.plan.views import is_aligned, without_copies

__all__ = [
    "ALIGNMENT",
    "Buffer",
    "Lead",
    "MemoryPlan",
    "Placement",
    "buffers_of",
    "homes_of",
    "is_aligned",
    "place",
    "plan",
    "without_copies",
]
