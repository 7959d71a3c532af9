import { useMemo, useState } from "react";
import { clock } from "./format";

/** One line of a timeline. */
export interface Entry {
  key: string;
  /** Unix time, seconds. */
  at: number;
  kind: string;
  tone: string;
  /** What it happened to. */
  subject?: string | undefined;
  text: string;
}

/** Entries shown at first, and more at each wish for more. */
const SHOWN = 60;

interface Props {
  /** Oldest first. */
  entries: Entry[];
  /** Kinds to choose from, with their words. */
  kinds: [string, string][];
  /** What stands at the end, once all are shown. */
  end?: string | undefined;
}

/** What happened, newest first, with filters. */
export function Timeline({ entries, kinds, end }: Props) {
  const [kind, setKind] = useState("all");
  const [text, setText] = useState("");
  const [most, setMost] = useState(SHOWN);
  const found = useMemo(() => {
    const word = text.toLowerCase();
    const fits = (entry: Entry) =>
      (kind === "all" || entry.kind === kind) &&
      (word === "" || `${entry.subject ?? ""} ${entry.text}`.toLowerCase().includes(word));
    return entries.filter(fits).reverse();
  }, [entries, kind, text]);
  return (
    <section className="panel events" aria-label="Events">
      <div className="panel-head">
        <h2>Events</h2>
        <div className="chips" role="group" aria-label="Kind of event">
          {[["all", "All"] as [string, string], ...kinds].map(([key, label]) => (
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
        {found.slice(0, most).map(({ key, at, tone, subject, text: words }) => (
          <li key={key}>
            <time dateTime={new Date(at * 1e3).toISOString()}>{clock(at)}</time>
            <i className={`dot tone${tone}`} aria-hidden="true" />
            <span>
              {subject !== undefined && <strong>{subject} </strong>}
              {words}
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
        {end !== undefined && found.length <= most && <li className="empty">{end}</li>}
      </ol>
    </section>
  );
}
