"""Rows of the result and the goals they are held to.

Owns what a ratio, a goal and a row are. Figures are costs: less is better, everywhere.
"""

from dataclasses import dataclass, field

NAMES = {"haproxy": "HAProxy", "nginx": "nginx", "floor": "the floor"}


def name(label):
    """What a contestant is called in prose."""
    return NAMES.get(label, label)


@dataclass(frozen=True)
class Goal:
    """A figure that should be at most `limit`; no figure, no verdict."""

    text: str
    figure: float | None
    limit: float | None

    def is_met(self):
        if self.figure is None or self.limit is None:
            return None
        return self.figure <= self.limit


@dataclass
class Row:
    """One line of the result: what each contestant cost, by label."""

    title: str
    unit: str
    figures: dict
    goals: list = field(default_factory=list)
    is_charted: bool = False
    # Whose figure stands in the column of HAProxy.
    rival: str = "haproxy"

    def ratio(self, label):
        """What lb cost, relative to another, if both are known."""
        return ratio(self.figures.get("lb"), self.figures.get(label))

    def at_most(self, factor, label):
        """Adds the goal that lb costs at most so much of another."""
        self.goals.append(Goal(f"≤ {factor:.2f} × {name(label)}", self.ratio(label), factor))
        return self

    def below(self, limit, unit=""):
        """Adds the goal that lb costs at most so much."""
        self.goals.append(Goal(f"≤ {limit:g}{unit}", self.figures.get("lb"), limit))
        return self


def ratio(figure, other):
    """`figure` relative to `other`, if both are known."""
    return figure / other if figure is not None and other else None
