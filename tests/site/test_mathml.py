"""Formulas as Pandoc writes them, made what three browsers set alike."""

import pytest

from book.site.mathml import laid


@pytest.mark.parametrize(
    ("written", "set"),
    [
        (
            '<mover><mi>y</mi><mo accent="true">^</mo></mover>',
            '<mover accent="true"><mi>y</mi><mo stretchy="false">ˆ</mo></mover>',
        ),
        (
            '<mover><mi>x</mi><mo accent="true">¯</mo></mover>',
            '<mover accent="true"><mi>x</mi><mo stretchy="false">¯</mo></mover>',
        ),
        (
            '<mover><msup><mi>x</mi><mn>2</mn></msup><mo accent="true">¯</mo></mover>',
            '<mrow class="overline"><msup><mi>x</mi><mn>2</mn></msup></mrow>',
        ),
        ("<mtd><mi>b</mi><mo>,</mo></mtd>", "<mtd><mrow><mi>b</mi><mo>,</mo></mrow></mtd>"),
        (
            "<msqrt><mi>s</mi></msqrt>",
            '<msqrt><mspace height=".72em" depth=".2em"></mspace><mi>s</mi></msqrt>',
        ),
        ("<mover><mo>∑</mo><mi>N</mi></mover>", "<mover><mo>∑</mo><mi>N</mi></mover>"),
        ("<mo>&lt;</mo>", "<mo>&lt;</mo>"),
    ],
)
def test_a_formula(written, set):
    assert laid(f"<math>{written}</math>") == f"<math>{set}</math>"
