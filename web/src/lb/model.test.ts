import { describe, expect, it } from "vitest";
import { Model } from "./model";
import type { SseEvent } from "../data/sse";
import type { About, PoolsEvent, TickEvent } from "./types";

function about(id: number, name: string, change: Partial<About> = {}): About {
  return {
    id, name, address: name, state: "healthy", cause: null, since: 0, departing: false, weight: 1,
    max_in_flight: null, owner: null, operator: null, ejections: 0, ...change,
  };
}

function pools(backends: About[], change: Partial<PoolsEvent> = {}): SseEvent {
  const told: PoolsEvent = {
    boot_id: "a", version: "1", whole: true, workers: 1, gone: [],
    pools: [{ name: "p", strategy: "least-rt", backends }], ...change,
  };
  return { event: "pools", id: null, data: JSON.stringify(told) };
}

function tick(at: number, counts: [number, number][]): SseEvent {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const told: TickEvent = {
    at, seq: 0, uptime: at, connections: 1, accepted: 1,
    pools: [[0, 0, 0, total, 0, 0, 0, 0, 900, 1_900]],
    backends: counts.map(([id, count]) => [id, 0, 0, count, count, 0, 0, 0, 1_000, 2_000]),
  };
  return { event: "tick", id: null, data: JSON.stringify(told) };
}

describe("Model", () => {
  it("measures rates and shares, also of a backend whose row does not come again", () => {
    const model = new Model();
    model.take([pools([about(0, "x"), about(1, "y"), about(2, "z")])]);
    model.take([tick(10, [[0, 0], [1, 0], [2, 5]])]);
    for (let second = 1; second <= 4; second++) {
      model.take([tick(10 + second, [[0, 30 * second], [1, 10 * second]])]);
    }
    const [x, y, z] = model.pools[0]?.backends ?? [];
    expect(x?.rate).toBeCloseTo(30);
    expect(x?.share).toBeCloseTo(0.75);
    expect(y?.share).toBeCloseTo(0.25);
    expect([z?.rate, z?.share, z?.responses]).toEqual([0, 0, 5]);
    expect(model.pools[0]?.p99).toBe(1_900);
  });

  it("takes changes one by one, and forgets who is gone", () => {
    const model = new Model();
    model.take([pools([about(0, "x"), about(1, "y")])]);
    const ejected = about(1, "y", { state: "ejected", cause: "no connection (1 in a row)" });
    model.take([pools([ejected], { whole: false })]);
    expect(model.pools[0]?.backends.map((one) => one.about.state)).toEqual(["healthy", "ejected"]);
    model.take([pools([], { whole: false, gone: [0] })]);
    expect(model.pools[0]?.backends.map((one) => one.about.name)).toEqual(["y"]);
  });

  it("goes on under the same names when lb was started anew", () => {
    const model = new Model();
    model.take([pools([about(4, "x"), about(5, "y")]), tick(1, [[4, 100], [5, 0]])]);
    const before = model.pools[0]?.backends[0];
    const isOther = model.take([pools([about(0, "x")], { boot_id: "b" }), tick(2, [[0, 3]])]);
    expect(isOther).toBe(true);
    expect(model.pools[0]?.backends).toHaveLength(1);
    expect(model.pools[0]?.backends[0]).toBe(before);
    expect(before?.rate).toBe(0);
    model.take([tick(3, [[0, 13]])]);
    expect(before?.rate).toBeCloseTo(10);
  });

  it("keeps each event once, and a bounded number of them", () => {
    const model = new Model();
    const event = (seq: number): SseEvent => ({
      event: "message", id: String(seq), data: JSON.stringify({ seq, kind: "state", at: seq }),
    });
    model.take([event(1), event(2)]);
    model.take([event(2), event(3)]);
    expect(model.events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(model.lastSeq).toBe(3);
    model.take(Array.from({ length: 2_000 }, (_, index) => event(index + 4)));
    expect(model.events).toHaveLength(1_000);
  });
});
