"""A run as a picture: SVG, written by hand, so that nothing need be installed for it."""

import statistics
from html import escape

WIDTH, LABEL, BAR, GAP = 900, 330, 16, 6
COLOURS = {"gatehouse": "#2b6cb0", "bare": "#a0aec0"}
OTHER = "#d69e2e"


def _text(x, y, text, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _bars(rows, top, longest):
    """rows: (label, value, lowest, highest, colour)."""
    scale = (WIDTH - LABEL - 110) / longest
    for i, (label, value, lowest, highest, colour) in enumerate(rows):
        y = top + i * (BAR + GAP)
        yield _text(LABEL - 8, y + BAR - 4, label, 'text-anchor="end"')
        yield (f'<rect x="{LABEL}" y="{y}" width="{value * scale:.1f}" height="{BAR}" '
               f'fill="{colour}"/>')
        yield (f'<line x1="{LABEL + lowest * scale:.1f}" x2="{LABEL + highest * scale:.1f}" '
               f'y1="{y + BAR / 2}" y2="{y + BAR / 2}" stroke="#1a202c"/>')
        yield _text(LABEL + highest * scale + 6, y + BAR - 4, f"{value:,.0f}")


def _page(parts, height):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(parts)
            + "\n</svg>\n")


def draw(report, contestants):
    """Requests a second, a bar for each contestant; a line from the slowest round to the fastest."""
    longest = max(max(r.rate for r in c.results) for c in contestants)
    parts, y = [_text(10, 20, report["machine"] + ", " + report["date"], 'font-size="11"')], 40
    for way in dict.fromkeys(c.way for c in contestants):
        parts.append(_text(10, y + 12, f"requests a second, {way}", 'font-weight="bold"'))
        rows = [(c.name, statistics.median(r.rate for r in c.results), min(r.rate for r in c.results),
                 max(r.rate for r in c.results), COLOURS.get(c.who, OTHER))
                for c in contestants if c.way == way]
        parts.extend(_bars(rows, y + 20, longest))
        y += 36 + len(rows) * (BAR + GAP)
    return _page(parts, y)


def lines(title, xlabel, series):
    """series: {name: [(x, y)]}; the xs of a sweep are drawn at equal distances."""
    xs = sorted({x for points in series.values() for x, _ in points})
    highest = max(y for points in series.values() for _, y in points)
    step, tall = (WIDTH - 220) / max(1, len(xs) - 1), 260
    place = {x: 70 + i * step for i, x in enumerate(xs)}
    parts = [_text(10, 20, title, 'font-weight="bold"'), _text(70, tall + 85, xlabel)]
    parts += [_text(place[x], tall + 60, f"{x:g}", 'text-anchor="middle"') for x in xs]
    for i, (name, points) in enumerate(series.items()):
        colour = ("#2b6cb0", "#d69e2e", "#2f855a", "#c53030", "#6b46c1")[i % 5]
        path = " ".join(f"{place[x]:.1f},{40 + tall * (1 - y / highest):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_text(place[x], 34 + tall * (1 - y / highest), f"{y:,.0f}",
                        f'text-anchor="middle" fill="{colour}"') for x, y in points]
        parts.append(_text(WIDTH - 140, 50 + 18 * i, name, f'fill="{colour}"'))
    return _page(parts, tall + 100)
