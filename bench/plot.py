"""Bar charts as SVG, by hand: each system has its own hatch, each bar its name and figures.

Nothing depends on colour: it is black on white. A thin line over a bar goes from the least to the
most of the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT = 860, 300, 190
_BAR, _GAP, _HEAD = 18, 8, 46
_PATTERNS = {
    "solid": "",
    "diagonal": '<path d="M0 8 L8 0 M-2 2 L2 -2 M6 10 L10 6" stroke="black" stroke-width="1.4"/>',
    "dots": '<circle cx="4" cy="4" r="1.4" fill="black"/>',
    "lines": '<path d="M0 4 H8" stroke="black" stroke-width="1.2"/>',
    "cross": '<path d="M0 4 H8 M4 0 V8" stroke="black" stroke-width="0.9"/>',
    "empty": "",
}


@dataclass(frozen=True)
class Bar:
    label: str
    value: float | None
    low: float = 0.0
    high: float = 0.0
    text: str = ""  # the figures, or why there are none


def pattern_of(label: str) -> str:
    if "Eider" in label:
        return "lines" if "relay" in label else "solid"
    for word, pattern in (("2.0", "dots"), ("DuckDB", "diagonal"), ("Quack", "cross")):
        if word in label:
            return pattern
    return "empty"


def _fill(pattern: str) -> str:
    return {"solid": "#333", "empty": "white"}.get(pattern, f"url(#{pattern})")


def _definitions() -> str:
    return "".join(
        f'<pattern id="{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="white"/>{inner}</pattern>'
        for name, inner in _PATTERNS.items()
        if inner
    )


def _nice(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def chart(title: str, unit: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Horizontal bars in groups, from 0."""
    most = max((bar.high for _, bars in groups for bar in bars), default=1.0) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    parts: list[str] = []
    y = _HEAD
    for name, bars in groups:
        if name:
            parts.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(name)}</text>')
            y += 22
        for bar in bars:
            middle = y + _BAR / 2
            parts.append(
                f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">'
                f"{escape(bar.label)}</text>"
            )
            if bar.value is None:
                parts.append(
                    f'<text x="{_LEFT + 4}" y="{middle + 4}" font-style="italic">'
                    f"{escape(bar.text)}</text>"
                )
            else:
                width, low, high = (v * scale for v in (bar.value, bar.low, bar.high))
                parts.append(
                    f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" '
                    f'fill="{_fill(pattern_of(bar.label))}" stroke="black"/>'
                    f'<path d="M{_LEFT + low:.1f} {middle} H{_LEFT + high:.1f}" stroke="white" '
                    f'stroke-width="4"/><path d="M{_LEFT + low:.1f} {middle} H{_LEFT + high:.1f} '
                    f'M{_LEFT + low:.1f} {middle - 4} v8 M{_LEFT + high:.1f} {middle - 4} v8" '
                    'stroke="black" stroke-width="1.3"/>'
                    f'<text x="{_LEFT + max(width, high) + 8:.1f}" y="{middle + 4}">'
                    f"{escape(bar.text)}</text>"
                )
            y += _BAR + _GAP
        y += 6
    axis = f"0 to {_nice(most)} {unit}; bars are medians, lines go from minimum to maximum"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 26}" '
        f'viewBox="0 0 {_WIDTH} {y + 26}" font-family="sans-serif" font-size="12" role="img" '
        f'aria-label="{escape(title)}"><defs>{_definitions()}</defs>'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="8" y="24" font-size="16" font-weight="bold">{escape(title)}</text>'
        f'{"".join(parts)}<path d="M{_LEFT} {_HEAD - 6} V{y}" stroke="black"/>'
        f'<text x="{_LEFT}" y="{y + 16}">{escape(axis)}</text></svg>\n'
    )
