"""The results as an SVG: each figure as a bar against the line of its target."""

from collections.abc import Iterator
from html import escape

from tests.benchmarks.report import Row

_WIDTH, _LEFT, _LINE, _RIGHT, _STEP = 860, 310, 460, 620, 26
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.page { fill: #ffffff }
.met { fill: #2f7dd1 }
.missed { fill: #c9372c }
.target { stroke: #1f2328; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .page { fill: #0d1117 }
  .met { fill: #4c9be8 }
  .missed { fill: #f0695e }
  .target { stroke: #e6edf3 }
}
"""


def chart(rows: list[Row]) -> str:
    """The SVG's text. Figures that must be high and those that must be low are shown apart."""
    parts, top = [], 10
    for title, at_least in (
        ("At least: the bar should reach the line", True),
        ("At most: the bar should not cross the line", False),
    ):
        some = [row for row in rows if row.target.at_least is at_least]
        parts.append(f'<text class="title" x="16" y="{top + 16}">{title}</text>')
        top += _STEP
        end = top + _STEP * len(some)
        for number, row in enumerate(some):
            parts.extend(_bar(row, top + _STEP * number))
        parts.append(f'<path class="target" d="M{_LINE} {top - 2}V{end + 2}"/>')
        top = end + 14
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}">',
            f"<title>Measured figures against their targets</title><style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{top}" rx="6"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _bar(row: Row, top: int) -> Iterator[str]:
    text, unit = "not measured", row.target.unit.partition(" ")[0]
    if row.figure is not None:
        value = row.figure.value
        kind, mark = ("missed", " ✗") if row.is_missed else ("met", "")
        text = "failed" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
        share = 0 if value is None else max(0.0, value / row.target.limit)
        width = max(1, min(share * (_LINE - _LEFT), _RIGHT - _LEFT))
        yield f'<rect class="{kind}" x="{_LEFT}" y="{top + 4}" width="{width:.0f}" height="18"/>'
        text += mark
    yield f'<text x="16" y="{top + 18}">{escape(row.name)}</text>'
    shown = escape(f"{text} ({row.target.bound} {unit})")
    yield f'<text x="{_RIGHT + 10}" y="{top + 18}">{shown}</text>'
