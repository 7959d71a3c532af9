import { useEffect, useState } from "react";
import { command } from "./actions";
import { type Backend, P50, P99, RATE } from "./model";
import { store, useLink, useModel } from "./store";
import { Confirm } from "../shared/Dialog";
import { Plot } from "../shared/Plot";
import { micros, rate, span } from "../shared/format";
import { Gate } from "../shared/Gate";
import { Replies } from "../shared/Replies";
import { Top } from "../shared/Top";
import { useTheme } from "../shared/theme";
import { Backends } from "./views/Backends";
import { type Asked, Detail, hurts } from "./views/Detail";
import { Events } from "./views/Events";
import { Flow } from "./views/Flow";
import { PoolHead } from "./views/PoolHead";
import { Reload } from "./views/Reload";
import { Totals } from "./views/Totals";
import { Why } from "./views/Why";

interface Chosen {
  pool: string;
  name: string;
}

export function App() {
  const model = useModel();
  const { link, message, isReadOnly } = useLink();
  const [theme, setTheme, themeKey] = useTheme();
  const [poolName, setPoolName] = useState("");
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [why, setWhy] = useState<{ pool: string; backend: string | null } | null>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  const pool = model.pool(poolName) ?? model.pools[0];
  const found = chosen && model.pool(chosen.pool);
  const selected = found?.backends.find((one) => one.about.name === chosen?.name) ?? null;
  const select = (backend: Backend) => {
    setPoolName(backend.pool);
    setChosen({ pool: backend.pool, name: backend.about.name });
  };
  usePageKeys(pool?.name, () => {
    setChosen(null);
    setWhy(null);
  });
  const onKey = (backend: Backend, key: string): boolean => {
    const verb = ({ d: "drain", u: "undrain" } as const)[key];
    if (key === "w") {
      setWhy({ pool: backend.pool, backend: backend.about.name });
      return true;
    }
    if (!verb) return false;
    const then = () => void command(backend.pool, backend.about.name, verb);
    const question = hurts(model, backend, verb, then);
    if (question) setAsked(question);
    else then();
    return true;
  };
  return (
    <>
      <Top name="lb" link={link} message={message} theme={theme} onTheme={setTheme}>
        <span className="muted top-facts">
          {model.version !== "" && `${model.version} · up ${span(model.uptime)}`}
          {model.workers > 1 && ` · ${model.workers} workers`}
        </span>
        {isReadOnly && (
          <span className="hint" title="lb refuses what this page would change: enter a token that may.">
            read-only token
          </span>
        )}
        {link !== "locked" && <Reload />}
      </Top>
      {link === "locked" ? (
        <Gate
          asks="lb"
          message={message}
          note="One of the lines of its --admin-token-file."
          onToken={() => store.reconnect()}
        />
      ) : (
        <main className={link === "live" ? "" : "stale"}>
          <Totals model={model} />
          <div className="overview">
            <section className="panel" aria-label="Flow">
              <div className="panel-head">
                <h2>Flow</h2>
                <span className="muted">width is the share each gets now</span>
              </div>
              <Flow model={model} selected={selected} onSelect={select} theme={themeKey} />
            </section>
            <Events model={model} tick={model.events.length + model.lastSeq} />
          </div>
          {model.pools.length > 1 && (
            <div className="chips pools" role="group" aria-label="Pool">
              {model.pools.map(({ name }) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={name === pool?.name}
                  onClick={() => setPoolName(name)}
                >
                  {name}
                </button>
              ))}
            </div>
          )}
          {pool && (
            <>
              <PoolHead pool={pool} onWhy={() => setWhy({ pool: pool.name, backend: null })} />
              <div className="plots panel">
                <Plot
                  title="Requests/s"
                  theme={themeKey}
                  seconds={pool.history.seconds()}
                  unit={rate}
                  lines={[{ label: "requests", tone: "--accent", values: pool.history.values(RATE) }]}
                />
                <Plot
                  title="Response time"
                  theme={themeKey}
                  seconds={pool.history.seconds()}
                  unit={micros}
                  lines={[
                    { label: "p50", tone: "--accent", values: pool.history.values(P50) },
                    { label: "p99", tone: "--accent2", values: pool.history.values(P99) },
                  ]}
                />
              </div>
              <div className={selected ? "with-detail" : "alone"}>
                <div className="stack">
                <Backends
                  key={pool.name}
                  pool={pool}
                  tick={model.at}
                  selected={selected}
                  onSelect={select}
                  onKey={onKey}
                />
                {why && <Why {...why} onClose={() => setWhy(null)} />}
                </div>
                {selected && (
                  <Detail
                    key={selected.about.name}
                    model={model}
                    backend={selected}
                    theme={themeKey}
                    onClose={() => setChosen(null)}
                    onWhy={() => setWhy({ pool: selected.pool, backend: selected.about.name })}
                  />
                )}
              </div>
            </>
          )}
          <p className="keys muted">
            Keys in the table: ↑ ↓ move · Enter opens · d drains · u takes back · w why · / filters · Esc
            closes
          </p>
        </main>
      )}
      <Replies from="lb" />
      {asked && (
        <Confirm
          title={asked.title}
          verb={asked.verb}
          onConfirm={asked.then}
          onClose={() => setAsked(null)}
        >
          {asked.text}
        </Confirm>
      )}
    </>
  );
}

/** Keys that mean something wherever the focus is. */
function usePageKeys(pool: string | undefined, onEscape: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.tagName === "INPUT" || document.querySelector("dialog[open]") !== null;
      if (event.key === "/" && !isTyping && pool !== undefined) {
        event.preventDefault();
        document.getElementById(`filter-${pool}`)?.focus();
      } else if (event.key === "Escape" && !isTyping) {
        onEscape();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
}
