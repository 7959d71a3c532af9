"""The chart for the README: bars relative to HAProxy, drawn by hand.

One group of bars per scenario, lb first. Colours follow the reader's light or dark theme by a
media query inside the file, so it can be shown as an image.
"""

from html import escape

from results import NAMES

WIDTH = 760
LEFT = 300
RIGHT = 60
BAR = 13
GAP = 3
GROUP_GAP = 16
TOP = 66
MOST = 2.0

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note, .value { font-size: 12px; fill: #59636e; }
.lb { fill: #0969da; } .haproxy { fill: #afb8c1; } .nginx { fill: #d0d7de; }
.rule { stroke: #59636e; stroke-dasharray: 3 3; } .floor { stroke: #cf222e; stroke-width: 2; }
text.own { fill: #0969da; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note, .value { fill: #9198a1; }
  .lb { fill: #4493f8; } .haproxy { fill: #656c76; } .nginx { fill: #3d444d; }
  .rule { stroke: #9198a1; } .floor { stroke: #f85149; }
  text.own { fill: #4493f8; }
}
"""


def chart(rows):
    """The SVG of all charted rows that have a figure for lb and for HAProxy."""
    shown = [row for row in rows if row.is_charted and row.ratio("haproxy")]
    parts, y = [], TOP
    for row in shown:
        group, height = bars(row, y)
        parts += group
        y += height + GROUP_GAP
    height = y + 8
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        f"<style>{STYLE}</style>",
        '<title id="title">Cost of lb relative to HAProxy and nginx</title>',
        text(16, 26, "What a request costs, relative to HAProxy", "title"),
        text(16, 46, "Shorter is better. One thread each, the same machine, the same run.", "note"),
        *legend(),
        line(scale(1), TOP - 10, y - GROUP_GAP + 6, "rule"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def bars(row, top):
    """The bars of one scenario and their height."""
    parts, y = [], top
    for label in ("lb", "haproxy", "nginx"):
        found = row.ratio("haproxy", of=label)
        if found is None:
            continue
        relative = found.median
        end = scale(min(relative, MOST))
        own = "own" if label == "lb" else "value"
        # A bar that would leave the page ends at its edge; the number tells the length.
        parts += [
            f'<rect class="{label}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" '
            f'height="{BAR}" rx="2"/>',
            text(end + 6, y + BAR - 2.5, f"{relative:.2f}", own),
        ]
        y += BAR + GAP
    height = y - GAP - top
    title = row.title.replace(": CPU", "")
    parts.append(text(LEFT - 10, top + height / 2 + 4.5, title, anchor="end"))
    if floor := row.ratio("haproxy", of="floor"):
        at = scale(min(floor.median, MOST))
        parts.append(line(at, top - 2, top + height + 2, "floor"))
    return parts, height


def legend():
    """The legend of the colours."""
    parts, x = [], WIDTH - 300
    for label in ("lb", "haproxy", "nginx"):
        parts.append(f'<rect class="{label}" x="{x}" y="17" width="11" height="11" rx="2"/>')
        parts.append(text(x + 16, 27, NAMES.get(label, label), "note"))
        x += 46 if label == "lb" else 80
    parts.append(line(x + 4, 16, 29, "floor"))
    parts.append(text(x + 12, 27, "floor", "note"))
    return parts


def scale(relative):
    return LEFT + (WIDTH - LEFT - RIGHT) * relative / MOST


def text(x, y, words, style="", anchor="start"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def line(x, top, bottom, style):
    return f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
