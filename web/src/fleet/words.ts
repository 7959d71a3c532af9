// What states are called, and in which tone.

import type { About } from "./types";

type Tone = "good" | "warn" | "bad" | "off";

export function toneOf({ state, suspicions }: About): Tone {
  switch (state) {
    case "serving":
      return suspicions.length > 0 ? "warn" : "good";
    case "quarantined":
    case "backoff":
      return "bad";
    case "draining":
    case "terminating":
      return "off";
    default:
      return "warn";
  }
}

export function toneOfService(state: string): Tone {
  switch (state) {
    case "active":
      return "good";
    case "deploying":
    case "degraded":
      return "warn";
    case "stopped":
    case "sleeping":
      return "off";
    default:
      return "bad";
  }
}
