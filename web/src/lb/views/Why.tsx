import { useEffect, useRef, useState } from "react";
import { get, poolPath } from "../../data/api";
import type { Explanation } from "../types";
import { Badge } from "../Badge";
import { clock, count, seconds } from "../../shared/format";

const RENEWAL_MS = 1_000;
/** Candidates shown: the best of them. */
const MAX_SHOWN = 40;

interface Props {
  pool: string;
  /** Whose picks are shown; `null`: all. */
  backend: string | null;
  onClose: () => void;
}

/** What the strategy makes of each candidate now, and the last picks. */
export function Why({ pool, backend, onClose }: Props) {
  const [key, setKey] = useState("");
  const [answer, setAnswer] = useState<Explanation | null>(null);
  const [error, setError] = useState("");
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    section.current?.scrollIntoView({ block: "nearest" });
  }, [pool, backend, answer === null]);
  useEffect(() => {
    const abort = new AbortController();
    let timer: number | undefined;
    const ask = () => {
      const query = new URLSearchParams();
      if (key !== "") query.set("key", key);
      if (backend !== null) query.set("backend", backend);
      get<Explanation>(`${poolPath(pool, "explain")}?${query}`, abort.signal)
        .then((told) => {
          setAnswer(told);
          setError("");
        })
        .catch((reason: unknown) => {
          if (!abort.signal.aborted) setError(reason instanceof Error ? reason.message : String(reason));
        })
        .finally(() => {
          if (!abort.signal.aborted) timer = window.setTimeout(ask, RENEWAL_MS);
        });
    };
    ask();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [pool, backend, key]);
  return (
    <section ref={section} className="panel why" aria-label="Why a backend is picked">
      <div className="panel-head">
        <h2>
          Why <span className="muted">pool {pool}{answer && ` · ${answer.strategy}`}</span>
        </h2>
        {answer?.keyed_by != null && (
          <label className="inline">
            <span>{answer.keyed_by}</span>
            <input
              className="filter"
              value={key}
              placeholder="as in a request"
              onChange={(event) => setKey(event.target.value)}
            />
          </label>
        )}
        <button type="button" className="plain" aria-label="Close the explanation" onClick={onClose}>
          ✕
        </button>
      </div>
      {error !== "" && <p className="error">{error}</p>}
      {answer && (
        <div className="why-columns">
          <Candidates answer={answer} backend={backend} />
          <Picks answer={answer} backend={backend} />
        </div>
      )}
    </section>
  );
}

function Candidates({ answer, backend }: { answer: Explanation; backend: string | null }) {
  const cost = (one: Explanation["candidates"][number]) => one.ratings[0]?.cost ?? Infinity;
  const sorted = [...answer.candidates].sort(
    (a, b) => Number(b.pickable) - Number(a.pickable) || cost(a) - cost(b),
  );
  const own = sorted.filter((one) => one.name === backend);
  const shown = [...own, ...sorted.filter((one) => one.name !== backend)].slice(0, MAX_SHOWN);
  const workers = Math.max(1, ...sorted.map((one) => one.ratings.length));
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Candidates">
      <h3>Candidates, as the strategy sees them now</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Backend</th>
            <th scope="col" className="number">
              Cost{workers > 1 ? " (each worker)" : ""}
            </th>
            <th scope="col">Reason</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.name} className={one.pickable ? "" : "out"}>
              <th scope="row">
                {one.name} {one.state !== "healthy" && one.state !== "initial" && <Badge state={one.state} />}
                {one.ratings.some((rating) => rating.best) && <span className="badge next">next</span>}
              </th>
              <td className="number">
                {one.ratings.map((rating) => number(rating.cost)).join(" · ")}
              </td>
              <td>
                {one.note !== null && <strong>{one.note}. </strong>}
                {one.ratings[0]?.reason}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > shown.length && (
        <p className="muted">and {count(sorted.length - shown.length)} more</p>
      )}
    </div>
  );
}

function number(cost: number | null): string {
  if (cost === null) return "–";
  return Number.isInteger(cost) ? String(cost) : cost.toPrecision(3);
}

function Picks({ answer, backend }: { answer: Explanation; backend: string | null }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Last picks">
      <h3>Last picks{backend !== null && ` of ${backend}`}</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Backend</th>
            <th scope="col" className="number">Status</th>
            <th scope="col" className="number">Response</th>
            <th scope="col">Remarks</th>
          </tr>
        </thead>
        <tbody>
          {answer.picks.map((pick, index) => (
            <tr key={`${pick.at}-${index}`}>
              <td>{clock(pick.at)}</td>
              <td>{pick.backend ?? "none"}</td>
              <td className="number">{pick.status ?? "–"}</td>
              <td className="number">{seconds(pick.response_seconds)}</td>
              <td>{remarks(pick)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {answer.picks.length === 0 && (
        <p className="empty">None since this was opened: picks are kept while somebody looks.</p>
      )}
    </div>
  );
}

function remarks(pick: Explanation["picks"][number]): string {
  const all: string[] = [];
  if (pick.fault !== null) all.push(pick.fault.replaceAll("_", " "));
  if (pick.retries > 0) all.push(`${pick.retries} retries`);
  if (pick.queue_seconds !== null) all.push(`queued ${seconds(pick.queue_seconds)}`);
  return all.join(", ");
}
