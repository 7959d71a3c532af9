/** Seconds that are kept, unless more are wanted. */
export const MINUTE = 60;

/**
 * The last minute (or so) of some figures, a value a second. A second without a value is a gap (`null`),
 * so that a plot shows where nothing was known.
 */
export class History {
  private readonly rows: (number | null)[][];
  private second = 0;

  constructor(
    figures: number,
    private readonly kept = MINUTE,
  ) {
    this.rows = Array.from({ length: figures }, () => new Array<number | null>(kept).fill(null));
  }

  /** Sets the values of the second that `at` (s) is in. */
  set(at: number, values: (number | null)[]): void {
    const second = Math.floor(at);
    if (second < this.second) return;
    const missed = Math.min(second - this.second, this.kept);
    for (let back = missed - 1; back >= 0; back--) {
      for (const row of this.rows) row[(second - back) % this.kept] = null;
    }
    this.second = second;
    this.rows.forEach((row, index) => {
      row[second % this.kept] = values[index] ?? null;
    });
  }

  /** The values of a figure, oldest first. */
  values(figure: number): (number | null)[] {
    const row = this.rows[figure] ?? [];
    const start = (this.second + 1) % this.kept;
    return [...row.slice(start), ...row.slice(0, start)];
  }

  /** The seconds (Unix time) of the values. */
  seconds(): number[] {
    return Array.from({ length: this.kept }, (_, index) => this.second - this.kept + 1 + index);
  }
}

/** How fast counters grow, over the last second or so. */
export class Rates {
  private readonly seen: { at: number; counts: number[] }[] = [];

  constructor(private readonly window = 1.5) {}

  set(at: number, counts: number[]): void {
    const last = this.seen[this.seen.length - 1];
    const isReset = last?.counts.some((count, index) => (counts[index] ?? 0) < count);
    if (isReset) this.seen.length = 0;
    this.seen.push({ at, counts });
    while (this.seen.length > 2 && at - (this.seen[1]?.at ?? at) >= this.window) this.seen.shift();
  }

  /** Growth per second; 0 before the second count. */
  of(index: number): number {
    const first = this.seen[0];
    const last = this.seen[this.seen.length - 1];
    if (!first || !last || last.at <= first.at) return 0;
    return ((last.counts[index] ?? 0) - (first.counts[index] ?? 0)) / (last.at - first.at);
  }

  clear(): void {
    this.seen.length = 0;
  }
}
