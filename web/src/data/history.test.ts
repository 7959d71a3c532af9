import { describe, expect, it } from "vitest";
import { History, MINUTE, Rates } from "./history";

describe("History", () => {
  it("keeps a minute, oldest first, with gaps where nothing was known", () => {
    const history = new History(1);
    for (let second = 1_000; second < 1_070; second++) history.set(second + 0.3, [second]);
    history.set(1_072.9, [7]);
    const values = history.values(0);
    expect(values).toHaveLength(MINUTE);
    expect(values.slice(-4)).toEqual([1_069, null, null, 7]);
    expect(values[0]).toBe(1_013);
    expect(history.seconds().at(-1)).toBe(1_072);
  });

  it("takes the last value of a second, and is empty after a long pause", () => {
    const history = new History(2);
    history.set(10.1, [1, 2]);
    history.set(10.9, [3, null]);
    expect(history.values(0).at(-1)).toBe(3);
    expect(history.values(1).at(-1)).toBeNull();
    history.set(9_000, [5, 5]);
    expect(history.values(0).filter((value) => value !== null)).toEqual([5]);
  });
});

describe("Rates", () => {
  it("is the growth a second over the window", () => {
    const rates = new Rates(1);
    expect(rates.of(0)).toBe(0);
    for (let tick = 0; tick <= 20; tick++) rates.set(tick * 0.25, [tick * 50]);
    expect(rates.of(0)).toBeCloseTo(200);
  });

  it("begins anew when a counter does", () => {
    const rates = new Rates();
    rates.set(0, [1_000]);
    rates.set(1, [2_000]);
    rates.set(2, [3]);
    expect(rates.of(0)).toBe(0);
    rates.set(3, [13]);
    expect(rates.of(0)).toBeCloseTo(10);
  });
});
