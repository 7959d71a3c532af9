// What the controller sends: see its openapi.json. Times are milliseconds since 1970.

export type State =
  | "planned"
  | "launching"
  | "starting"
  | "registering"
  | "warming"
  | "serving"
  | "draining"
  | "terminating"
  | "backoff"
  | "quarantined";

export interface About {
  id: number;
  name: string;
  service: string;
  provider: string;
  state: State;
  cause?: string;
  since: number;
  incarnation: number;
  token: string;
  handle?: string;
  address?: string;
  template: string;
  deaths: number;
  agent?: "connected" | "lost";
  suspicions: string[];
  deadline?: number;
}

export interface Decision {
  at?: number;
  want: number;
  reasons: string[];
}

export interface Rollout {
  template: string;
  started: number;
  failed: number;
  proven: boolean;
  halted: boolean;
}

export interface Service {
  name: string;
  provider: string;
  state: string;
  since: number;
  pool?: string;
  min: number;
  desired: number;
  max: number;
  want: number;
  serving: number;
  units: number;
  policy: string;
  mode: string;
  paused?: string;
  rollout?: Rollout;
  decision?: Decision;
}

export interface Lb {
  name: string;
  is_reachable: boolean;
  trouble?: string;
  pools: { pool: string; revision: number; taken_revision?: number; refused?: string }[];
}

export interface Hold {
  kind: string;
  service: string | null;
  since: number;
  why: string;
}

/** id, load from 0 to 1, requests in flight, tunnels. */
export type Row = [number, number | null, number, number];

/** How the fleet is: all of it if `whole`, else what has changed. */
export interface FleetEvent {
  whole?: boolean;
  away?: string;
  now?: number;
  version?: string;
  fleet?: string;
  term?: number;
  agents?: number;
  services?: Service[];
  servers?: About[];
  gone?: number[];
  rows?: Row[];
  lbs?: Lb[];
  holds?: Hold[];
}

export interface JournalEvent {
  seq: number;
  at: number;
  kind: string;
  service?: string;
  server?: number;
  text: string;
}

/** A minute of a service. */
export interface Minute {
  at: number;
  want: number;
  serving: number;
  load: number | null;
}
