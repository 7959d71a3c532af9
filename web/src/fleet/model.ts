import { History } from "../data/history";
import type { SseEvent } from "../data/sse";
import type {
  About, FleetEvent, Hold, JournalEvent, Lb, Minute, Row, Service,
} from "./types";

/** Events that are kept. */
const MAX_EVENTS = 1_000;
/** Seconds that are kept of each service. */
export const KEPT = 300;

/** The figures of a history. */
export const WANT = 0;
export const SERVING = 1;
export const LOAD = 2;
export const IN_FLIGHT = 3;

export interface Server {
  about: About;
  /** From 0 to 1; `null` if nothing fresh is known. */
  load: number | null;
  inFlight: number;
  tunnels: number;
}

/** Everything the page knows, as the stream has told it. */
export class Model {
  version = "";
  fleet = "";
  term = 0;
  /** The controller's clock, milliseconds. */
  now = 0;
  agents = 0;
  services: Service[] = [];
  lbs: Lb[] = [];
  holds: Hold[] = [];
  /** Why the controller does nothing now; empty if it does. */
  away = "";
  events: JournalEvent[] = [];
  lastSeq = 0;
  private readonly byId = new Map<number, Server>();
  private readonly histories = new Map<string, History>();
  private readonly minutes = new Map<string, Minute[]>();
  private readonly total = new History(4, 60);

  take(events: SseEvent[]): void {
    for (const event of events) {
      if (event.event === "fleet") this.takeFleet(JSON.parse(event.data) as FleetEvent);
      else if (event.event === "message") this.takeJournal(JSON.parse(event.data) as JournalEvent);
    }
  }

  /** The servers of a service, or all, by their numbers. */
  servers(service?: string): Server[] {
    const all = [...this.byId.values()];
    const found = service === undefined ? all : all.filter((it) => it.about.service === service);
    return found.sort((a, b) => a.about.id - b.about.id);
  }

  /** The last minutes of a service, a value a second. */
  history(service: string): History {
    let found = this.histories.get(service);
    if (!found) {
      found = new History(4, KEPT);
      this.histories.set(service, found);
    }
    return found;
  }

  /** The last minute of the whole fleet. */
  get totals(): History {
    return this.total;
  }

  /** Minutes that have ended since the page watches. */
  minutesOf(service: string): readonly Minute[] {
    return this.minutes.get(service) ?? [];
  }

  private takeFleet(told: FleetEvent): void {
    if (told.away !== undefined) {
      this.away = told.away;
      return;
    }
    this.away = "";
    if (told.whole) this.byId.clear();
    for (const about of told.servers ?? []) {
      const known = this.byId.get(about.id);
      if (known) known.about = about;
      else this.byId.set(about.id, { about, load: null, inFlight: 0, tunnels: 0 });
    }
    for (const id of told.gone ?? []) this.byId.delete(id);
    for (const row of told.rows ?? []) this.takeRow(row);
    this.now = told.now ?? this.now;
    this.version = told.version ?? this.version;
    this.fleet = told.fleet ?? this.fleet;
    this.term = told.term ?? this.term;
    this.agents = told.agents ?? this.agents;
    this.services = told.services ?? this.services;
    this.lbs = told.lbs ?? this.lbs;
    this.holds = told.holds ?? this.holds;
    this.note();
  }

  private takeRow([id, load, inFlight, tunnels]: Row): void {
    const server = this.byId.get(id);
    if (server) Object.assign(server, { load, inFlight, tunnels });
  }

  private takeJournal(event: JournalEvent): void {
    if (event.seq <= this.lastSeq) return;
    this.lastSeq = event.seq;
    this.events.push(event);
    if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
  }

  private note(): void {
    const second = this.now / 1e3;
    const sums = [0, 0, 0, 0];
    for (const service of this.services) {
      const servers = this.servers(service.name);
      const load = meanLoad(servers);
      const inFlight = servers.reduce((sum, it) => sum + it.inFlight, 0);
      const values = [service.want, service.serving, load, inFlight];
      this.history(service.name).set(second, values);
      this.noteMinute(service, load);
      [service.want, service.serving, 0, inFlight].forEach((value, index) => {
        sums[index] = (sums[index] ?? 0) + value;
      });
    }
    this.total.set(second, [sums[WANT] ?? 0, sums[SERVING] ?? 0, meanLoad(this.servers()), sums[IN_FLIGHT] ?? 0]);
  }

  private noteMinute({ name, want, serving }: Service, load: number | null): void {
    const at = Math.floor(this.now / 60_000) * 60_000;
    const minutes = this.minutes.get(name) ?? [];
    this.minutes.set(name, minutes);
    const last = minutes[minutes.length - 1];
    if (last?.at === at) Object.assign(last, { want, serving, load });
    else minutes.push({ at, want, serving, load });
  }
}

/** The mean of the loads that are known; `null` if none is. */
export function meanLoad(servers: Server[]): number | null {
  const known = servers.flatMap(({ load }) => (load === null ? [] : [load]));
  return known.length === 0 ? null : known.reduce((sum, load) => sum + load, 0) / known.length;
}

/** Whether something is held against a server, which may be busy and no more. */
export function isSuspect({ about }: Server): boolean {
  return about.suspicions.length > 0 || about.agent === "lost";
}

/** Whether a server is dead or on its way to that. */
export function isUnwell({ about }: Server): boolean {
  return (
    ["backoff", "quarantined"].includes(about.state) ||
    (about.state === "terminating" && ["died", "verdict", "failed start"].includes(about.cause ?? ""))
  );
}
