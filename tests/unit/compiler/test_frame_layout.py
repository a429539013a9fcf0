"""Frame layout: pictures of any size in frames of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compiler.planning.frame_layout import SAME_SHAPE, lay_out
from shared.contracts.values import Fit, Output

sides = st.integers(8, 4000)
outputs = st.builds(
    Output, width=st.integers(8, 1900).map(lambda n: 2 * n), height=st.integers(8, 1900).map(lambda n: 2 * n),
    fit=st.sampled_from(Fit),
)  # fmt: skip


@given(sides, sides, outputs)
def test_the_frame_is_covered_or_filled(width: int, height: int, output: Output) -> None:
    laid = lay_out(width, height, output)
    assert laid.width % 2 == laid.height % 2 == 0
    if laid.fill is None:
        assert laid.width >= output.width
        assert laid.height >= output.height
    else:
        assert laid.fill is output.fit is not Fit.CROP
        assert laid.width <= output.width
        assert laid.height <= output.height
        assert laid.width == output.width or laid.height == output.height


@given(st.integers(200, 4000), st.integers(200, 4000), st.sampled_from(Fit))
def test_shapes_are_kept(width: int, height: int, fit: Fit) -> None:
    laid = lay_out(width, height, Output(width=1920, height=1080, fit=fit))
    stretched = (laid.width / laid.height) / (width / height)
    assert abs(stretched - 1) < 0.03 + 2 / min(laid.width, laid.height)


def test_nearly_the_same_shape_is_cropped_under_every_rule() -> None:
    for fit in Fit:
        laid = lay_out(1920, 1080 * (1 + SAME_SHAPE / 2), Output(fit=fit))
        assert laid.fill is None


def test_what_has_no_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="no aspect ratio"):
        lay_out(0, 100, Output())
