"""Rows of the result and the goals they are held to.

Owns what a ratio, its spread, a goal and a row are. Figures come as lists, one for each round and
none where a round was lost. Two are compared within each round, for a machine that changes its
speed spoils a ratio of medians; the median of these ratios counts.
"""

import statistics
from dataclasses import dataclass, field

NAMES = {"haproxy": "HAProxy", "nginx": "nginx", "floor": "the floor"}


def name(label):
    """The name of a contestant in prose."""
    return NAMES.get(label, label)


@dataclass(frozen=True)
class Spread:
    """The median of some figures, and the quartiles about it."""

    median: float
    low: float
    high: float


def spread(figures):
    """The distribution of the known figures; none if there is none."""
    known = [figure for figure in figures or [] if figure is not None]
    if not known:
        return None
    if len(known) == 1:
        return Spread(*known * 3)
    low, median, high = statistics.quantiles(known, n=4, method="inclusive")
    return Spread(median, low, high)


def median(figures):
    found = spread(figures)
    return found and found.median


def ratios(figures, others):
    """Each figure relative to the other one of its round, where both are known."""
    return combined(lambda figure, other: figure / other if other else None, figures, others)


def differences(figures, others):
    """The excess of each figure over the other one of its round, where both are known."""
    return combined(lambda figure, other: figure - other, figures, others)


def combined(combine, figures, others):
    """A figure for each round, made of two; `None` for all that is unknown."""
    return [
        None if figure is None or other is None else combine(figure, other)
        for figure, other in zip(figures or [], others or [])
    ]


@dataclass(frozen=True)
class Goal:
    """A figure that should be at most `limit`; no figure, no verdict."""

    text: str
    figure: float | None
    limit: float

    def is_met(self):
        return None if self.figure is None else self.figure <= self.limit


@dataclass
class Row:
    """One line of the result: what each contestant cost in each round, by label."""

    title: str
    unit: str
    figures: dict
    goals: list = field(default_factory=list)
    is_charted: bool = False
    # True if the figures of all contestants are shown, and no ratios.
    is_count: bool = False
    # The contestant in the column of HAProxy.
    rival: str = "haproxy"

    def spread(self, label):
        return spread(self.figures.get(label))

    def ratio(self, label, of="lb"):
        """The cost of lb, relative to another, if both are known; or the cost of another."""
        return spread(ratios(self.figures.get(of), self.figures.get(label)))

    def at_most(self, factor, label):
        """Adds the goal that lb costs at most so much of another."""
        found = self.ratio(label)
        text = f"≤ {factor:.2f} × {name(label)}"
        self.goals.append(Goal(text, found and found.median, factor))
        return self

    def below(self, limit, unit=""):
        """Adds the goal that lb costs at most so much."""
        self.goals.append(Goal(f"≤ {limit:g}{unit}", median(self.figures.get("lb")), limit))
        return self
