import { useMemo, useState } from "react";
import type { Model } from "../data/model";
import type { JournalEvent } from "../data/types";
import { clock } from "../shared/format";

/** Events shown at first, and more at each wish for more. */
const SHOWN = 60;

type Kind = "all" | "out" | "back" | "changes" | "lb";

const KINDS: [Kind, string][] = [
  ["all", "All"],
  ["out", "Out"],
  ["back", "Back"],
  ["changes", "Changes"],
  ["lb", "lb"],
];

function kindOf(event: JournalEvent): Exclude<Kind, "all"> {
  if (event.kind === "change") return "changes";
  if (event.kind !== "state") return "lb";
  if (event.from === event.to) return "out";
  return ["ejected", "draining", "disabled", "removed"].includes(event.to ?? "") ? "out" : "back";
}

function toneOf(event: JournalEvent): string {
  if (event.kind !== "state") return event.kind === "state_file" ? "--bad" : "--accent";
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
  return event.text ?? event.message ?? event.kind;
}

/** What happened, newest first. */
export function Events({ model, tick }: { model: Model; tick: number }) {
  const [kind, setKind] = useState<Kind>("all");
  const [text, setText] = useState("");
  const [most, setMost] = useState(SHOWN);
  const found = useMemo(() => {
    const word = text.toLowerCase();
    const fits = (event: JournalEvent) =>
      (kind === "all" || kindOf(event) === kind) &&
      (word === "" || `${event.backend ?? ""} ${words(event)}`.toLowerCase().includes(word));
    return model.events.filter(fits).reverse();
  }, [model, tick, kind, text]);
  const hasPools = model.pools.length > 1;
  return (
    <section className="panel events" aria-label="Events">
      <div className="panel-head">
        <h2>Events</h2>
        <div className="chips" role="group" aria-label="Kind of event">
          {KINDS.map(([key, label]) => (
            <button key={key} type="button" aria-pressed={kind === key} onClick={() => setKind(key)}>
              {label}
            </button>
          ))}
        </div>
        <input
          type="search"
          className="filter"
          placeholder="Filter"
          aria-label="Filter events"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <ol className="timeline" tabIndex={0} aria-label="Timeline, newest first">
        {found.slice(0, most).map((event) => (
          <li key={`${event.seq}-${event.at}`}>
            <time dateTime={new Date(event.at * 1e3).toISOString()}>{clock(event.at)}</time>
            <i className={`dot tone${toneOf(event)}`} aria-hidden="true" />
            <span>
              {event.backend !== undefined && (
                <strong>{hasPools ? `${event.pool}/${event.backend} ` : `${event.backend} `}</strong>
              )}
              {words(event)}
            </span>
          </li>
        ))}
        {found.length === 0 && <li className="empty">Nothing has happened yet.</li>}
        {found.length > most && (
          <li>
            <button type="button" className="plain" onClick={() => setMost(most + SHOWN)}>
              Show older ones
            </button>
          </li>
        )}
        {model.isCut && found.length <= most && <li className="empty">Older events are not kept.</li>}
      </ol>
    </section>
  );
}
