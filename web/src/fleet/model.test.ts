import { describe, expect, it } from "vitest";
import { isSuspect, isUnwell, LOAD, Model, SERVING } from "./model";
import type { About, FleetEvent, Service } from "./types";

const about = (id: number, state: About["state"] = "serving"): About => ({
  id, name: `web-${id}`, service: "web", provider: "process", state, since: 1_000, incarnation: 1,
  token: `t-${id}`, template: "a", deaths: 0, suspicions: [],
});

const service = (want: number, serving: number): Service => ({
  name: "web", provider: "process", state: "active", since: 0, min: 1, desired: 2, max: 4, want,
  serving, units: serving, policy: "fixed", mode: "live",
});

const fleet = (told: FleetEvent) => ({ event: "fleet", id: null, data: JSON.stringify(told) });

const journal = (seq: number) => ({
  event: "message", id: String(seq), data: JSON.stringify({ seq, at: 1, kind: "state", text: "x" }),
});

describe("Model", () => {
  it("takes the whole, then what has changed", () => {
    const model = new Model();
    model.take([
      fleet({
        whole: true, now: 10_000, servers: [about(1), about(2)], services: [service(2, 2)],
        rows: [[1, 0.25, 3, 0], [2, null, 0, 1]],
      }),
    ]);
    model.take([fleet({ now: 11_000, servers: [about(2, "draining"), about(3, "starting")], gone: [1] })]);
    const servers = model.servers("web");
    expect(servers.map((it) => [it.about.id, it.about.state, it.tunnels])).toEqual([
      [2, "draining", 1],
      [3, "starting", 0],
    ]);
    expect(model.services[0]?.want).toBe(2);
    expect(model.history("web").values(LOAD).slice(-2)).toEqual([0.25, null]);
    expect(model.history("web").values(SERVING).slice(-2)).toEqual([2, 2]);
  });

  it("forgets at the next whole what is not in it, and what kept the controller away", () => {
    const model = new Model();
    model.take([fleet({ whole: true, now: 1_000, servers: [about(1)] }), fleet({ away: "no disk" })]);
    expect(model.away).toBe("no disk");
    expect(model.servers()).toHaveLength(1);
    model.take([fleet({ whole: true, now: 2_000, servers: [about(7)] })]);
    expect(model.away).toBe("");
    expect(model.servers().map((it) => it.about.id)).toEqual([7]);
  });

  it("tells each event once", () => {
    const model = new Model();
    model.take([journal(1), journal(2), journal(2), journal(1), journal(3)]);
    expect(model.events.map((it) => it.seq)).toEqual([1, 2, 3]);
  });

  it("keeps a row a minute", () => {
    const model = new Model();
    const at = (now: number, want: number) => fleet({ now, services: [service(want, want)] });
    model.take([at(60_000, 1), at(119_000, 2), at(120_000, 3)]);
    expect(model.minutesOf("web").map((it) => [it.at, it.want])).toEqual([[60_000, 2], [120_000, 3]]);
  });
});

describe("isUnwell", () => {
  const of = (changes: Partial<About>) => {
    const server = { about: { ...about(1), ...changes }, load: 0, inFlight: 0, tunnels: 0 };
    return [isUnwell(server), isSuspect(server)];
  };

  it("tells trouble from orders, and what is known from what is suspected", () => {
    expect(of({})).toEqual([false, false]);
    expect(of({ state: "terminating", cause: "scale-in" })).toEqual([false, false]);
    expect(of({ state: "terminating", cause: "died" })).toEqual([true, false]);
    expect(of({ suspicions: ["agent: silent"] })).toEqual([false, true]);
    expect(of({ agent: "lost" })).toEqual([false, true]);
    expect(of({ state: "quarantined" })).toEqual([true, false]);
  });
});
