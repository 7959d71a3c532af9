import type { State } from "./types";

const WORDS: Record<State, string> = {
  initial: "ready",
  probation: "on trial",
  "slow-start": "slow start",
  healthy: "healthy",
  ejected: "ejected",
  draining: "draining",
  disabled: "disabled",
};

/** A state in one word; its colour only repeats it. */
export function Badge({ state }: { state: State }) {
  return <span className={`badge ${state}`}>{WORDS[state]}</span>;
}
