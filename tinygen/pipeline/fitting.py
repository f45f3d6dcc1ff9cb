"""From a limit for the whole image to one for the model, and back from what the linker made of it."""

from __future__ import annotations

from tinygen.build import ImageOverflow, Limits, Sizes
from tinygen.build.budget import size_option

__all__ = ["better_limit", "limit_after_overflow", "model_limit"]

# Vector table, start-up, runtime, drivers and application, before they have been linked: rather too much.
FIXED_BYTES = 2400
# Estimates are off by that much: alignment, functions that were inlined or not.
MARGIN_BYTES = 64
# Unused flash that is worth another try.
SPARE_BYTES = 256


def model_limit(flash: str | int | None) -> int | None:
    """What an image of this limit leaves for the model; ``None`` if the user gave none."""
    if flash is None:
        return None
    return max(size_option("--flash", flash, 0) - FIXED_BYTES, 1)


def better_limit(sizes: Sizes, limits: Limits, estimated: int, limit: int | None) -> int | None:
    """A limit for the model by which the image should just fit; ``None`` if it fits well enough.

    Args:
        estimated: what the model was thought to take in this image.
        limit: what it was allowed.
    """
    room = estimated + limits.flash_bytes - sizes.flash_bytes - MARGIN_BYTES
    if sizes.flash_bytes > limits.flash_bytes or (limit is not None and room > limit + SPARE_BYTES):
        return max(room, 1)
    return None


def limit_after_overflow(overflow: ImageOverflow, estimated: int) -> int | None:
    """As ``better_limit``, of an image that could not be linked; ``None`` if other forms would not help.

    Args:
        estimated: what the model was thought to take in it.
    """
    room = estimated - overflow.flash_bytes - MARGIN_BYTES
    return room if overflow.flash_bytes and room > 0 else None
