import { resume } from "../actions";
import { span } from "../../shared/format";
import type { Model } from "../model";
import type { Hold } from "../types";

/** What each kind of hold forbids. */
const FORBIDS: Record<string, string> = {
  observing: "no verdicts, no scale-in",
  "cut-off": "no verdicts from silence, no scale-in",
  stale: "no scale-in, no decision that reads it",
  provider: "fewer launches there",
  fenced: "no verdicts, no scale-in",
  operator: "no growth, no scale-in, no verdicts",
};

/** What is not being done now, and why. */
export function Holds({ model }: { model: Model }) {
  const { holds, away, now } = model;
  if (holds.length === 0 && away === "") return null;
  return (
    <section className="holds" aria-label="Holds">
      {away !== "" && (
        <p role="alert">
          <strong>database</strong> <span>{away}</span>
        </p>
      )}
      {holds.map((hold) => (
        <p key={`${hold.kind}-${hold.service ?? ""}-${hold.why}`}>
          <strong>{hold.kind}</strong>
          <span>
            {hold.service !== null && `${hold.service}: `}
            {FORBIDS[hold.kind] ?? "held"} · {hold.why}
          </span>
          <span className="muted">since {span((now - hold.since) / 1e3)}</span>
          <Resume hold={hold} />
        </p>
      ))}
    </section>
  );
}

function Resume({ hold: { kind, service } }: { hold: Hold }) {
  if (kind !== "operator" || service === null) return null;
  return (
    <button type="button" onClick={() => void resume(service)}>
      Resume
    </button>
  );
}
