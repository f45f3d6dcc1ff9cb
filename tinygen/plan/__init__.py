"""One static arena for a program: who lives when, and where."""

from tinygen.plan.arena import MemoryPlan, plan
from tinygen.plan.lifetimes import Buffer, Lead, buffers_of

__all__ = ["Buffer", "Lead", "MemoryPlan", "buffers_of", "plan"]
