import { useState } from "react";
import { command, remove, setHealth, setMaxInFlight, setWeight } from "../actions";
import { type Backend, IN_FLIGHT, type Model, P50, P99, RATE } from "../model";
import { Badge } from "../Badge";
import { Confirm } from "../../shared/Dialog";
import { Plot } from "../../shared/Plot";
import { clock, count, micros, percent, rate, span } from "../../shared/format";

interface Props {
  model: Model;
  backend: Backend;
  theme: string;
  onClose: () => void;
  onWhy: () => void;
}

/** A question before something that hurts. */
export interface Asked {
  title: string;
  verb: string;
  text: string;
  then: () => void;
}

export function isPickable(backend: Backend): boolean {
  return ["initial", "healthy", "slow-start", "probation"].includes(backend.about.state);
}

/** What to ask before a backend is taken out; `null`: nothing. */
export function hurts(model: Model, backend: Backend, verb: string, then: () => void): Asked | null {
  const { name } = backend.about;
  const others = (model.pool(backend.pool)?.backends ?? []).filter(
    (one) => one !== backend && isPickable(one),
  );
  const isLast = isPickable(backend) && others.length === 0;
  const last = isLast ? " It is the last that may be picked: the pool serves nothing then." : "";
  const flight = `${count(backend.inFlight)} requests are in flight there.`;
  switch (verb) {
    case "drain":
      if (!isLast) return null;
      return { title: `Drain ${name}?`, verb: "Drain", text: `${flight}${last}`, then };
    case "disable":
      return {
        title: `Disable ${name}?`,
        verb: "Disable",
        text: `It gets nothing new, and is not checked once it is empty. ${flight}${last}`,
        then,
      };
    case "remove":
      return {
        title: `Remove ${name}?`,
        verb: "Remove",
        text: `It drains for 300 s at most and is then forgotten, with its counters. ${flight}${last}`,
        then,
      };
    case "down":
      return {
        title: `Hold ${name} down?`,
        verb: "Hold down",
        text: `It is ejected until you say otherwise, whatever its checks say. ${flight}${last}`,
        then,
      };
    default:
      return null;
  }
}

/** All about one backend, and what can be done with it. */
export function Detail({ model, backend, theme, onClose, onWhy }: Props) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const { about, pool, history } = backend;
  const act = (verb: string, then: () => void) => {
    const question = hurts(model, backend, verb, then);
    if (question) setAsked(question);
    else then();
  };
  const isOut = about.state === "draining" || about.state === "disabled";
  const held = about.operator?.health;
  const seconds = history.seconds();
  return (
    <aside className="detail panel" aria-label={`Backend ${about.name}`}>
      <div className="panel-head">
        <h2>
          {about.name} <Badge state={about.state} />
          {held && <span className="badge held">held {held}</span>}
        </h2>
        <button type="button" className="plain" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </div>
      <p className="detail-cause">
        {about.cause ?? "As it began"} · since {clock(about.since)} ({span(model.at - about.since)})
      </p>
      <div className="buttons">
        {isOut ? (
          <button type="button" onClick={() => void command(pool, about.name, "undrain")}>
            {about.state === "draining" ? "Undrain" : "Enable"}
          </button>
        ) : (
          <>
            <button
              type="button"
              onClick={() => act("drain", () => void command(pool, about.name, "drain"))}
            >
              Drain
            </button>
            <button
              type="button"
              onClick={() => act("disable", () => void command(pool, about.name, "disable"))}
            >
              Disable
            </button>
          </>
        )}
        {held ? (
          <button type="button" onClick={() => void setHealth(pool, about.name, "auto")}>
            Health: auto
          </button>
        ) : (
          <>
            <button type="button" onClick={() => void setHealth(pool, about.name, "up")}>
              Hold up
            </button>
            <button
              type="button"
              onClick={() => act("down", () => void setHealth(pool, about.name, "down"))}
            >
              Hold down
            </button>
          </>
        )}
        <button
          type="button"
          className="danger"
          onClick={() => act("remove", () => void remove(pool, about.name))}
        >
          Remove
        </button>
        <button type="button" onClick={onWhy}>
          Why?
        </button>
      </div>
      <div className="limits">
        <Weight backend={backend} key={`${about.id}-${about.weight}`} />
        <MaxInFlight backend={backend} key={`${about.id}-most-${about.max_in_flight}`} />
      </div>
      <Plot
        title="Requests/s"
        theme={theme}
        seconds={seconds}
        unit={rate}
        height={110}
        lines={[{ label: "requests", tone: "--accent", values: history.values(RATE) }]}
      />
      <Plot
        title="Response time"
        theme={theme}
        seconds={seconds}
        unit={micros}
        height={110}
        lines={[
          { label: "p50", tone: "--accent", values: history.values(P50) },
          { label: "p99", tone: "--accent2", values: history.values(P99) },
        ]}
      />
      <Plot
        title="In flight"
        theme={theme}
        seconds={seconds}
        unit={count}
        isCount
        height={96}
        lines={[{ label: "in flight", tone: "--accent", values: history.values(IN_FLIGHT) }]}
      />
      <dl className="facts">
        <Fact term="Address" value={about.address} />
        <Fact term="Share of its pool" value={percent(backend.share)} />
        <Fact term="Requests" value={count(backend.responses)} />
        <Fact term="Picks" value={count(backend.picks)} />
        <Fact term="Errors" value={count(backend.errors)} />
        <Fact term="Retries" value={count(backend.retries)} />
        <Fact term="Ejections" value={count(about.ejections)} />
        <Fact term="Tunnels" value={count(backend.tunnels)} />
        <Fact term="Declared by" value={about.owner ?? "flags, file or operator"} />
      </dl>
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
    </aside>
  );
}

function Fact({ term, value }: { term: string; value: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Weight({ backend }: { backend: Backend }) {
  const { about, pool } = backend;
  const [weight, setValue] = useState(String(about.weight));
  const number = Number(weight);
  const isValid = Number.isInteger(number) && number >= 1 && number <= 256;
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        if (isValid) void setWeight(pool, about.name, number);
      }}
    >
      <label>
        Weight
        <input
          type="number"
          min={1}
          max={256}
          value={weight}
          onChange={(event) => setValue(event.target.value)}
        />
      </label>
      <button type="submit" aria-label="Set weight" disabled={!isValid || number === about.weight}>
        Set
      </button>
    </form>
  );
}

/** The largest limit that lb takes. */
const MOST = 4_294_967_295;

function MaxInFlight({ backend }: { backend: Backend }) {
  const { about, pool } = backend;
  const [text, setText] = useState(about.max_in_flight === null ? "" : String(about.max_in_flight));
  const wanted = text === "" ? null : Number(text);
  const isValid = wanted === null || (Number.isInteger(wanted) && wanted >= 1 && wanted <= MOST);
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        if (isValid) void setMaxInFlight(pool, about.name, wanted);
      }}
    >
      <label>
        Most in flight
        <input
          type="number"
          min={1}
          max={MOST}
          placeholder="default"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button
        type="submit"
        aria-label="Set most in flight"
        disabled={!isValid || wanted === about.max_in_flight}
      >
        Set
      </button>
    </form>
  );
}
