"""The chart of `choice.py`: a bar for the p99 of each contestant, in the style of svg.py."""

from svg import BAR, STYLE, WIDTH, text

LEFT = 170
RIGHT = 80
TOP = 66
STEP = BAR + 11


def chart(figures, setting):
    """The SVG; the longest bar takes the width there is."""
    most = max(one["p99_ms"] for one in figures.values())
    parts, y = [], TOP
    for label, one in figures.items():
        parts += bar(label, one["p99_ms"], most, y)
        y += STEP
    height = y + 6
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        f"<style>{STYLE}</style>",
        '<title id="title">p99 of lb, HAProxy and nginx over unequal servers</title>',
        text(16, 26, "p99 when one of four servers is ten times slower", "title"),
        text(16, 46, f"Shorter is better. {setting}", "note"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def bar(label, p99_ms, most, y):
    """One contestant: its name, its bar and its figure."""
    program = label.split()[0].lower()
    end = LEFT + (WIDTH - LEFT - RIGHT) * p99_ms / most
    own = "own" if label == "lb least-rt" else ""
    return [
        text(LEFT - 10, y + BAR - 2, label, own, anchor="end"),
        f'<rect class="{program}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" '
        f'height="{BAR}" rx="2"/>',
        text(end + 6, y + BAR - 2.5, f"{p99_ms:,.0f} ms", own or "value"),
    ]
