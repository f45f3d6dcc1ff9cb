"""From a limit for the image to one for the model."""

from __future__ import annotations

import pytest

from tinygen.build import ImageOverflow, Limits, Sizes
from tinygen.pipeline.fitting import FIXED_BYTES, MARGIN_BYTES, better_limit, limit_after_overflow, model_limit

LIMITS = Limits(flash_bytes=20_000, ram_bytes=1 << 20)


def image(flash_bytes: int) -> Sizes:
    return Sizes(flash_bytes, {}, 0, 0, (), {})


def test_no_limit_without_an_option() -> None:
    assert model_limit(None) is None
    assert model_limit("20K") == 20 * 1024 - FIXED_BYTES
    assert model_limit("1K") == 1


@pytest.mark.parametrize(
    ("linked", "limit", "expected"),
    [
        pytest.param(20_300, 17_600, 17_500 - 300 - MARGIN_BYTES, id="too large"),
        pytest.param(25_000, None, 17_500 - 5_000 - MARGIN_BYTES, id="too large for the board"),
        pytest.param(19_000, 17_600, 17_500 + 1_000 - MARGIN_BYTES, id="room for faster forms"),
        pytest.param(19_900, 17_600, None, id="well spent"),
        pytest.param(12_000, None, None, id="no limit to spend"),
    ],
)
def test_better_limit(linked: int, limit: int | None, expected: int | None) -> None:
    assert better_limit(image(linked), LIMITS, estimated=17_500, limit=limit) == expected


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        pytest.param(1_000, 16_500 - MARGIN_BYTES, id="the rest"),
        pytest.param(17_500, None, id="nothing would be left"),
        pytest.param(0, None, id="other memory"),
    ],
)
def test_limit_after_an_overflow_in_the_linker(overflow: int, expected: int | None) -> None:
    raised = ImageOverflow("too large", flash_bytes=overflow, hint="", details=())
    assert limit_after_overflow(raised, estimated=17_500) == expected
