import { History, Rates } from "../data/history";
import type { SseEvent } from "../data/sse";
import type {
  About, BackendRow, JournalEvent, Listener, PoolRow, PoolsEvent, Route, TickEvent,
} from "./types";

/** Events that are kept. */
const MAX_EVENTS = 1_000;

/** The figures of a history. */
export const RATE = 0;
export const P50 = 1;
export const P99 = 2;
export const IN_FLIGHT = 3;
export const ERROR_RATE = 4;

export interface Figures {
  inFlight: number;
  rate: number;
  errorRate: number;
  /** Microseconds. */
  p50: number | null;
  p99: number | null;
  history: History;
}

export interface Backend extends Figures {
  about: About;
  pool: string;
  tunnels: number;
  picks: number;
  responses: number;
  errors: number;
  retries: number;
  /** Part of its pool's responses, 0 to 1. */
  share: number;
  row: BackendRow | null;
  rates: Rates;
}

export interface Pool extends Figures {
  name: string;
  strategy: string;
  queued: number;
  oldestWait: number;
  arrivals: number;
  shed: number;
  shedRate: number;
  errors: number;
  rates: Rates;
  backends: Backend[];
}

/** Everything the page knows, as the stream has told it. */
export class Model {
  bootId = "";
  version = "";
  workers = 1;
  uptime = 0;
  at = 0;
  connections = 0;
  pools: Pool[] = [];
  events: JournalEvent[] = [];
  isCut = false;
  listeners: Listener[] = [];
  routes: Route[] = [];
  lastSeq = 0;
  private readonly backends = new Map<number, Backend>();

  /** Takes events. Returns whether lb is another one than before. */
  take(events: SseEvent[]): boolean {
    let isOther = false;
    for (const event of events) {
      switch (event.event) {
        case "pools":
          isOther = this.takePools(JSON.parse(event.data) as PoolsEvent) || isOther;
          break;
        case "tick":
          this.takeTick(JSON.parse(event.data) as TickEvent);
          break;
        case "cut":
          this.isCut = true;
          break;
        case "message":
          this.takeJournal(JSON.parse(event.data) as JournalEvent);
          break;
        default:
      }
    }
    return isOther;
  }

  pool(name: string): Pool | undefined {
    return this.pools.find((pool) => pool.name === name);
  }

  private takePools(told: PoolsEvent): boolean {
    const isOther = this.bootId !== "" && told.boot_id !== this.bootId;
    this.bootId = told.boot_id;
    this.version = told.version;
    this.workers = told.workers;
    const before = new Map(this.pools.map((pool) => [pool.name, pool]));
    const kept = new Map<string, Backend>();
    if (told.whole) {
      // Numbers are of one run of lb; the minute before goes on under the name.
      for (const one of this.backends.values()) kept.set(`${one.pool}\n${one.about.name}`, one);
      this.backends.clear();
    }
    for (const id of told.gone) this.backends.delete(id);
    this.pools = told.pools.map(({ name, strategy, backends }) => {
      const pool = before.get(name) ?? newPool(name);
      if (isOther) pool.rates.clear();
      pool.strategy = strategy;
      for (const about of backends) {
        const known = this.backends.get(about.id) ?? kept.get(`${name}\n${about.name}`);
        const backend = known ?? newBackend(about, name);
        if (isOther) backend.rates.clear();
        backend.about = about;
        this.backends.set(about.id, backend);
      }
      return pool;
    });
    for (const pool of this.pools) {
      const members = [...this.backends.values()].filter((one) => one.pool === pool.name);
      pool.backends = members.sort((a, b) => a.about.id - b.about.id);
    }
    return isOther;
  }

  private takeTick(tick: TickEvent): void {
    this.at = tick.at;
    this.uptime = tick.uptime;
    this.connections = tick.connections;
    for (const row of tick.backends) {
      const backend = this.backends.get(row[0]);
      if (backend) backend.row = row;
    }
    tick.pools.forEach((row, index) => {
      const pool = this.pools[index];
      if (pool) measurePool(pool, row, tick.at);
    });
  }

  private takeJournal(event: JournalEvent): void {
    if (event.seq <= this.lastSeq) return;
    this.lastSeq = event.seq;
    this.events.push(event);
    if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
  }

  /** lb was started anew: its events count from 1 again. */
  restarted(): void {
    this.lastSeq = 0;
    this.events.push({ seq: 0, kind: "restart", at: this.at, text: "lb was started anew" });
  }
}

function newFigures(): Figures {
  return {
    inFlight: 0, rate: 0, errorRate: 0, p50: null, p99: null, history: new History(5),
  };
}

function newPool(name: string): Pool {
  return {
    ...newFigures(), name, strategy: "", queued: 0, oldestWait: 0, arrivals: 0, shed: 0,
    shedRate: 0, errors: 0, rates: new Rates(), backends: [],
  };
}

function newBackend(about: About, pool: string): Backend {
  return {
    ...newFigures(), about, pool, tunnels: 0, picks: 0, responses: 0, errors: 0, retries: 0,
    share: 0, row: null, rates: new Rates(),
  };
}

function measurePool(pool: Pool, row: PoolRow, at: number): void {
  const [inFlight, queued, waited, arrivals, shed, failed, errors, , p50, p99] = row;
  const oldestWait = waited / 1e6;
  pool.rates.set(at, [arrivals, failed + errors, shed]);
  Object.assign(pool, { inFlight, queued, oldestWait, arrivals, shed, errors, p50, p99 });
  pool.rate = pool.rates.of(0);
  pool.errorRate = pool.rates.of(1);
  pool.shedRate = pool.rates.of(2);
  note(pool, at);
  let total = 0;
  for (const backend of pool.backends) {
    measureBackend(backend, at);
    total += backend.rate;
  }
  for (const backend of pool.backends) backend.share = total > 0 ? backend.rate / total : 0;
}

/** A row that did not come again is as it was. */
function measureBackend(backend: Backend, at: number): void {
  if (!backend.row) return;
  const [, inFlight, tunnels, picks, responses, failed, errors, retries, p50, p99] = backend.row;
  backend.rates.set(at, [responses, failed + errors]);
  Object.assign(backend, { inFlight, tunnels, picks, responses, errors, retries, p50, p99 });
  backend.rate = backend.rates.of(0);
  backend.errorRate = backend.rates.of(1);
  note(backend, at);
}

function note(of: Figures, at: number): void {
  of.history.set(at, [of.rate, of.p50, of.p99, of.inFlight, of.errorRate]);
}
