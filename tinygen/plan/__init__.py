"""One static arena for a program: who lives when, and where."""

from tinygen.plan.arena import MemoryPlan, plan
from tinygen.plan.lifetimes import Buffer, Lead, buffers_of
from tinygen.plan.search import ALIGNMENT, Placement, place

__all__ = ["ALIGNMENT", "Buffer", "Lead", "MemoryPlan", "Placement", "buffers_of", "place", "plan"]
