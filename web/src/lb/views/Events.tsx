import { useMemo } from "react";
import { type Entry, Timeline } from "../../shared/Timeline";
import type { Model } from "../model";
import type { JournalEvent } from "../types";

const KINDS: [string, string][] = [
  ["out", "Out"],
  ["back", "Back"],
  ["changes", "Changes"],
  ["lb", "lb"],
];

function kindOf(event: JournalEvent): string {
  if (event.kind === "change") return "changes";
  if (event.kind !== "state") return "lb";
  if (event.from === event.to) return "out";
  return ["ejected", "draining", "disabled", "removed"].includes(event.to ?? "") ? "out" : "back";
}

function toneOf(event: JournalEvent): string {
  if (event.kind === "state_file" || event.errors !== undefined) return "--bad";
  if (event.kind !== "state") return "--accent";
  switch (event.to) {
    case "ejected":
      return "--bad";
    case "probation":
    case "slow-start":
      return "--warn";
    case "draining":
    case "disabled":
    case "removed":
      return "--off";
    default:
      return "--good";
  }
}

function words(event: JournalEvent): string {
  if (event.kind === "state") {
    const { from, to, cause } = event;
    return from === to ? `not ejected: ${cause}` : `${from} → ${to}: ${cause}`;
  }
  if (event.kind === "change") return `${event.what ?? "change"} · by ${event.who ?? "?"}`;
  if (event.kind === "reload") {
    const { what, changes, errors } = event;
    const more = (errors ?? changes ?? []).join("; ");
    return `configuration ${what ?? "reloaded"}${more === "" ? "" : `: ${more}`}`;
  }
  return event.text ?? event.message ?? event.kind;
}

/** What happened to backends and to lb. */
export function Events({ model, tick }: { model: Model; tick: number }) {
  const hasPools = model.pools.length > 1;
  const entries = useMemo(
    () =>
      model.events.map((event): Entry => {
        const { backend, pool } = event;
        return {
          key: `${event.seq}-${event.at}`,
          at: event.at,
          kind: kindOf(event),
          tone: toneOf(event),
          subject: backend !== undefined && hasPools ? `${pool}/${backend}` : backend,
          text: words(event),
        };
      }),
    [model, tick, hasPools],
  );
  const end = model.isCut ? "Older events are not kept." : undefined;
  return <Timeline entries={entries} kinds={KINDS} end={end} />;
}
