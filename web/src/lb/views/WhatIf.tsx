import { useState } from "react";
import { setStrategy } from "../actions";
import { ask, poolPath } from "../../data/api";
import type { Pool } from "../model";
import type { Times, WhatIfAnswer } from "../types";
import { Dialog } from "../../shared/Dialog";
import { count, percent, seconds, span } from "../../shared/format";
import { isPickable } from "./Detail";
import { StrategyField } from "./StrategyField";

/** The last minutes replayed to another strategy, or another number of servers. */
export function WhatIf({ pool, onClose }: { pool: Pool; onClose: () => void }) {
  const there = pool.backends.filter(isPickable).length;
  const [strategy, setValue] = useState(pool.strategy);
  const [servers, setServers] = useState(String(Math.max(1, there)));
  const [answer, setAnswer] = useState<WhatIfAnswer | null>(null);
  const [message, setMessage] = useState("");
  const [isBusy, setBusy] = useState(false);
  const replay = () => {
    setBusy(true);
    setMessage("");
    ask("POST", poolPath(pool.name, "what-if"), { strategy: strategy.trim(), servers: Number(servers) })
      .then((response) => response.json() as Promise<WhatIfAnswer>)
      .then(setAnswer, (error: unknown) => {
        setAnswer(null);
        setMessage(error instanceof Error ? error.message : String(error));
      })
      .finally(() => setBusy(false));
  };
  return (
    <Dialog title={`What if ${pool.name} were another?`} onClose={onClose}>
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          replay();
        }}
      >
        <StrategyField value={strategy} onChange={setValue} />
        <label>
          <span>
            Servers <span className="muted">(now {count(there)})</span>
          </span>
          <input
            type="number"
            min={1}
            max={4096}
            required
            value={servers}
            onChange={(event) => setServers(event.target.value)}
          />
        </label>
        <div aria-live="polite">
          {message !== "" && <p className="error">{message}</p>}
          {answer && <Answer answer={answer} />}
          {!answer && message === "" && (
            <p className="muted">
              The requests of the last two minutes, as far as this page saw them, go through the simulation
              twice: to the pool as it is, and as you suppose. Nothing is changed.
            </p>
          )}
        </div>
        <div className="buttons">
          <button type="button" onClick={onClose}>
            Close
          </button>
          {answer && answer.then.strategy !== pool.strategy && (
            <button
              type="button"
              className="danger"
              onClick={() => {
                onClose();
                void setStrategy(pool.name, strategy.trim());
              }}
            >
              Change to {answer.then.strategy}
            </button>
          )}
          <button type="submit" className="primary" disabled={isBusy}>
            {isBusy ? "Replaying" : "Replay"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Answer({ answer }: { answer: WhatIfAnswer }) {
  const { now, then, observed } = answer;
  const change = now.times.p99 > 0 ? then.times.p99 / now.times.p99 - 1 : 0;
  const servers = (number: number) => `${number} server${number === 1 ? "" : "s"}`;
  return (
    <>
      <p>
        p99 would be{" "}
        <strong>
          {Math.abs(change) < 0.005
            ? "the same"
            : `${percent(Math.abs(change))} ${change < 0 ? "shorter" : "longer"}`}
        </strong>
        , by {count(answer.requests)} requests of {span(answer.span_seconds)}. The
        servers seem to work on{" "}
        {answer.servers_work === "in_turn" ? "one request after the other" : "several requests at once"}.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Pool</th>
            <th scope="col" className="number">Mean</th>
            <th scope="col" className="number">p50</th>
            <th scope="col" className="number">p99</th>
            <th scope="col" className="number">Failed</th>
          </tr>
        </thead>
        <tbody>
          <Line title="As you suppose" note={`${then.strategy}, ${servers(then.servers)}`} times={then.times} />
          <Line title="As it is" note={`${now.strategy}, ${servers(now.servers)}`} times={now.times} />
          <Line title="Observed" note="not simulated" times={observed} />
        </tbody>
      </table>
    </>
  );
}

function Line({ title, note, times }: { title: string; note: string; times: Times }) {
  return (
    <tr>
      <th scope="row">
        {title}
        <br />
        <span className="muted">{note}</span>
      </th>
      <td className="number">{seconds(times.mean)}</td>
      <td className="number">{seconds(times.p50)}</td>
      <td className="number">{seconds(times.p99)}</td>
      <td className="number">{percent(times.failed)}</td>
    </tr>
  );
}
