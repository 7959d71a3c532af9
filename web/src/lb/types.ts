// What lb sends: see docs/admin.md, "Live figures".

export type State =
  | "initial"
  | "probation"
  | "slow-start"
  | "healthy"
  | "ejected"
  | "draining"
  | "disabled";

export type Hold = "up" | "down";

/** What is told of a backend when it changes. */
export interface About {
  id: number;
  name: string;
  address: string;
  state: State;
  cause: string | null;
  since: number;
  departing: boolean;
  weight: number;
  max_in_flight: number | null;
  owner: string | null;
  operator: { admit?: string; weight?: number; max_in_flight?: number; health?: Hold } | null;
  ejections: number;
}

export interface PoolsEvent {
  boot_id: string;
  version: string;
  whole: boolean;
  workers: number;
  pools: { name: string; strategy: string; backends: About[] }[];
  gone: number[];
}

/** id, in flight, tunnels, picks, responses, 5xx, errors, retries, p50 and p99 in microseconds. */
export type BackendRow = [
  number, number, number, number, number, number, number, number, number | null, number | null,
];

/** in flight, queued, oldest wait (us), arrivals, shed, 5xx, errors, retries, p50, p99 (us). */
export type PoolRow = [
  number, number, number, number, number, number, number, number, number | null, number | null,
];

export interface TickEvent {
  at: number;
  seq: number;
  uptime: number;
  connections: number;
  accepted: number;
  pools: PoolRow[];
  backends: BackendRow[];
}

/** Something that happened. */
export interface JournalEvent {
  seq: number;
  kind: string;
  at: number;
  pool?: string;
  backend?: string;
  from?: string;
  to?: string;
  cause?: string;
  text?: string;
  who?: string;
  what?: string;
  message?: string;
  changes?: string[];
  errors?: string[];
}

export interface Listener {
  id: number;
  addresses: { address: string; accepts_proxy: boolean }[];
  mode: "http" | "tcp";
  default_pool: string | null;
}

export interface Route {
  listener: number;
  matches: string[];
  target: "pool" | "split" | "redirect" | "respond" | "reject";
  status: number | null;
  pools: string[];
}

export interface Rating {
  worker: number;
  cost: number | null;
  reason: string;
  best: boolean;
}

export interface Explanation {
  at: number;
  pool: string;
  strategy: string;
  keyed_by: string | null;
  key: string | null;
  candidates: {
    name: string;
    state: State;
    weight: number;
    in_flight: number;
    pickable: boolean;
    note: string | null;
    ratings: Rating[];
  }[];
  picks: {
    at: number;
    backend: string | null;
    status: number | null;
    queue_seconds: number | null;
    response_seconds: number | null;
    total_seconds: number;
    retries: number;
    fault: string | null;
  }[];
}

/** Seconds; `failed` is a part, 0 to 1. */
export interface Times {
  mean: number;
  p50: number;
  p99: number;
  failed: number;
}

export interface WhatIfAnswer {
  requests: number;
  span_seconds: number;
  servers_work: "in_turn" | "at_once";
  observed: Times;
  now: { strategy: string; servers: number; times: Times };
  then: { strategy: string; servers: number; times: Times };
}
