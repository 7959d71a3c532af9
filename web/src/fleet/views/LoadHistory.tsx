import { useEffect, useState } from "react";
import { get } from "../../data/api";
import { Plot } from "../../shared/Plot";
import { count, percent } from "../../shared/format";
import { KEPT, LOAD, type Model, SERVING, WANT } from "../model";
import type { Minute, Service } from "../types";

const SPANS = [
  { key: "5 min", over: "the last five minutes", ms: 0 },
  { key: "6 h", over: "the last six hours", ms: 6 * 3_600_000 },
  { key: "Day", over: "the last day", ms: 86_400_000 },
  { key: "15 days", over: "the last 15 days", ms: 15 * 86_400_000 },
] as const;

interface Series {
  seconds: number[];
  want: (number | null)[];
  serving: (number | null)[];
  load: (number | null)[];
}

interface Props {
  model: Model;
  service: Service;
  theme: string;
}

/** How many were wanted, how many served, and their load. */
export function LoadHistory({ model, service, theme }: Props) {
  const [span, setSpan] = useState<(typeof SPANS)[number]>(SPANS[0]);
  const stored = useMinutes(service.name, span.ms);
  const { seconds, want, serving, load } =
    span.ms === 0 ? recent(model, service.name) : minutes(stored, model.minutesOf(service.name));
  const servers = model.servers(service.name);
  if (servers.length === 0 && service.want === 0) return null;
  return (
    <div className="history">
      <div className="chips" role="group" aria-label={`Span of the plots of ${service.name}`}>
        {SPANS.map((it) => (
          <button key={it.key} type="button" aria-pressed={it === span} onClick={() => setSpan(it)}>
            {it.key}
          </button>
        ))}
      </div>
      <div className="plots">
        <Plot
          title="Servers"
          over={span.over}
          length={span.ms === 0 ? KEPT : span.ms / 1e3}
          theme={theme}
          seconds={seconds}
          unit={count}
          isCount
          height={110}
          lines={[
            { label: "serving", tone: "--accent", values: serving },
            { label: "wanted", tone: "--accent2", values: want },
          ]}
        />
        <Plot
          title="Mean load"
          over={span.over}
          length={span.ms === 0 ? KEPT : span.ms / 1e3}
          theme={theme}
          seconds={seconds}
          unit={percent}
          top={1}
          height={110}
          lines={[{ label: "load", tone: "--accent", values: load }]}
        />
      </div>
    </div>
  );
}

function recent(model: Model, name: string): Series {
  const history = model.history(name);
  return {
    seconds: history.seconds(),
    want: history.values(WANT),
    serving: history.values(SERVING),
    load: history.values(LOAD),
  };
}

/** What is stored, then what the page has seen since. */
function minutes(stored: Minute[], seen: readonly Minute[]): Series {
  const last = stored[stored.length - 1]?.at ?? 0;
  const all = [...stored, ...seen.filter(({ at }) => at > last)];
  return {
    seconds: all.map(({ at }) => at / 1e3),
    want: all.map(({ want }) => want),
    serving: all.map(({ serving }) => serving),
    load: all.map(({ load }) => load),
  };
}

/** The stored minutes of a service, read once for each span. */
function useMinutes(name: string, ms: number): Minute[] {
  const [stored, setStored] = useState<Minute[]>([]);
  useEffect(() => {
    if (ms === 0) return undefined;
    const abort = new AbortController();
    const path = `/v1/services/${encodeURIComponent(name)}/minutes?since=${Date.now() - ms}`;
    get<{ minutes: Minute[] }>(path, abort.signal).then(
      ({ minutes }) => setStored(minutes),
      // What the page has seen is shown all the same.
      () => setStored([]),
    );
    return () => abort.abort();
  }, [name, ms]);
  return stored;
}
