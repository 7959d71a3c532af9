import { useMemo } from "react";
import { type Entry, Timeline } from "../../shared/Timeline";
import type { Model } from "../model";
import type { JournalEvent } from "../types";

const KINDS: [string, string][] = [
  ["state", "States"],
  ["verdict", "Verdicts"],
  ["scale", "Scale"],
  ["operator", "Operator"],
  ["other", "Other"],
];

function toneOf({ kind, text }: JournalEvent): string {
  switch (kind) {
    case "verdict":
    case "overdue":
    case "defect":
      return "--bad";
    case "scale":
    case "operator":
    case "rollout":
      return "--accent";
    case "hold":
      return "--warn";
    default:
      if (/-> (backoff|quarantined|failing|inactive)|killed|exit/.test(text)) return "--bad";
      if (/-> (draining|terminating|gone)/.test(text)) return "--off";
      return /-> (serving|active)/.test(text) ? "--good" : "--accent";
  }
}

/** What happened to the fleet. */
export function Events({ model }: { model: Model }) {
  const entries = useMemo(
    () =>
      model.events.map((event): Entry => {
        const { service, server, kind } = event;
        const isOwn = KINDS.some(([own]) => own === kind);
        return {
          key: String(event.seq),
          at: event.at / 1e3,
          kind: isOwn ? kind : "other",
          tone: toneOf(event),
          subject: server === undefined ? service : `${service ?? "server"}-${server}`,
          text: event.text,
        };
      }),
    [model, model.lastSeq],
  );
  const isCut = (model.events[0]?.seq ?? 1) > 1;
  const end = isCut ? "Older events: lb-controller ctl events" : undefined;
  return <Timeline entries={entries} kinds={KINDS} end={end} />;
}
