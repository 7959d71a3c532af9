import { useState } from "react";
import { Confirm } from "../../shared/Dialog";
import { count, span } from "../../shared/format";
import { create, pause, resume, scale, start, stop } from "../actions";
import { isSuspect, isUnwell, type Model, type Server } from "../model";
import type { Rollout, Service } from "../types";
import { toneOfService } from "../words";
import { Decisions } from "./Decisions";
import { LoadHistory } from "./LoadHistory";
import { ServerCard } from "./ServerCard";

/** Cards shown at first, and more at each wish for more. */
const SHOWN = 48;

interface Props {
  model: Model;
  service: Service;
  theme: string;
}

/** One service: what is wanted, what there is, and what can be done about it. */
export function ServicePanel({ model, service, theme }: Props) {
  const [isWhyOpen, setWhyOpen] = useState(false);
  const { name } = service;
  const servers = model.servers(name);
  return (
    <section className="panel service" aria-label={`Service ${name}`}>
      <div className="panel-head">
        <h2>
          {name} <span className={`badge ${toneOfService(service.state)}`}>{service.state}</span>
        </h2>
        <Acts service={service} onWhy={() => setWhyOpen(!isWhyOpen)} isWhyOpen={isWhyOpen} />
      </div>
      <div className="wants">
        <Wants service={service} />
        <p className="muted">
          {service.policy}
          {service.mode === "advise" && " (only advises)"} · {service.provider}
          {service.pool !== undefined && ` · pool ${service.pool}`} · {service.state} for{" "}
          {span((model.now - service.since) / 1e3)}
        </p>
      </div>
      {service.rollout && <RolloutLine rollout={service.rollout} servers={servers} now={model.now} />}
      {isWhyOpen && <Decisions service={service} />}
      {service.max > 1 && <LoadHistory model={model} service={service} theme={theme} />}
      <Cards servers={servers} service={service} now={model.now} />
    </section>
  );
}

/** Services as they are shown: those that scale first. */
export function inOrder(services: Service[]): Service[] {
  return [...services].sort((a, b) => Number(b.max > 1) - Number(a.max > 1) || a.name.localeCompare(b.name));
}

/** How many there are of how many, within which bounds, and how to change that. */
function Wants({ service }: { service: Service }) {
  const { name, want, serving, min, max, desired, units } = service;
  const step = (to: number) => void scale(name, to);
  return (
    <div className="stepper" role="group" aria-label={`Servers of ${name}`}>
      <span className="want-have">
        <strong data-figure="serving">{count(serving)}</strong> serve of{" "}
        <strong data-figure="want">{count(want)}</strong> wanted
      </span>
      <button type="button" aria-label={`One fewer of ${name}`} disabled={want <= min} onClick={() => step(want - 1)}>
        −
      </button>
      <ScaleTo service={service} key={want} />
      <button type="button" aria-label={`One more of ${name}`} disabled={want >= max} onClick={() => step(want + 1)}>
        +
      </button>
      <span className="muted">
        {min} to {max}, {desired} desired{units !== serving && ` · ${units} exist`}
      </span>
    </div>
  );
}

function ScaleTo({ service: { name, want, min, max } }: { service: Service }) {
  const [text, setText] = useState(String(want));
  const number = Number(text);
  const isNew = Number.isInteger(number) && number >= min && number <= max && number !== want;
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        if (isNew) void scale(name, number);
      }}
    >
      <input
        type="number"
        aria-label={`Wanted servers of ${name}`}
        min={min}
        max={max}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {isNew && (
        <button type="submit" className="primary">
          Scale to {number}
        </button>
      )}
    </form>
  );
}

interface ActsProps {
  service: Service;
  isWhyOpen: boolean;
  onWhy: () => void;
}

function Acts({ service, isWhyOpen, onWhy }: ActsProps) {
  const [isAsked, setAsked] = useState(false);
  const { name, want, max } = service;
  const isStopped = service.state === "stopped";
  return (
    <div className="buttons">
      <button type="button" disabled={want >= max} onClick={() => void create(name)}>
        Create a server
      </button>
      <button type="button" aria-expanded={isWhyOpen} onClick={onWhy}>
        Why {want}?
      </button>
      {service.paused === undefined ? (
        <button type="button" onClick={() => void pause(name, "paused on the page")}>
          Pause
        </button>
      ) : (
        <button type="button" onClick={() => void resume(name)}>
          Resume
        </button>
      )}
      {isStopped ? (
        <button type="button" onClick={() => void start(name)}>
          Start
        </button>
      ) : (
        <button type="button" className="danger" onClick={() => setAsked(true)}>
          Stop
        </button>
      )}
      {isAsked && (
        <Confirm
          title={`Stop ${name}?`}
          verb="Stop all"
          onClose={() => setAsked(false)}
          onConfirm={() => void stop(name)}
        >
          All its {count(service.units)} servers drain and are stopped. None is started again before
          Start.
        </Confirm>
      )}
    </div>
  );
}

function RolloutLine({ rollout, servers, now }: { rollout: Rollout; servers: Server[]; now: number }) {
  const isNew = servers.filter(({ about }) => about.template === rollout.template);
  const serving = isNew.filter(({ about }) => about.state === "serving").length;
  return (
    <p className={rollout.halted ? "rollout error" : "rollout"} role="status">
      <strong>{rollout.halted ? "Rollout halted" : "Rollout"}</strong> of template{" "}
      {rollout.template.slice(0, 8)}: {serving} of the new serve, {servers.length - isNew.length} old are
      left
      {rollout.failed > 0 && `, ${rollout.failed} starts failed`} · for{" "}
      {span((now - rollout.started) / 1e3)}
      {rollout.halted && ". The old ones stay; apply another template to go on."}
    </p>
  );
}

interface CardsProps {
  servers: Server[];
  service: Service;
  now: number;
}

function Cards({ servers, service, now }: CardsProps) {
  const [text, setText] = useState("");
  const [isUnwellOnly, setUnwellOnly] = useState(false);
  const [most, setMost] = useState(SHOWN);
  const word = text.toLowerCase();
  const fits = (server: Server) => {
    const { about } = server;
    if (isUnwellOnly && !isUnwell(server) && !isSuspect(server)) return false;
    return `${about.name} ${about.address ?? ""} ${about.state}`.toLowerCase().includes(word);
  };
  const found = servers.filter(fits);
  return (
    <>
      {servers.length > 8 && (
        <div className="panel-head">
          <input
            type="search"
            className="filter"
            placeholder="Filter servers"
            aria-label={`Filter servers of ${service.name}`}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <button type="button" aria-pressed={isUnwellOnly} onClick={() => setUnwellOnly(!isUnwellOnly)}>
            Unwell only
          </button>
          <span className="muted">{count(found.length)} shown</span>
        </div>
      )}
      <div className="cards">
        {found.slice(0, most).map((server) => (
          <ServerCard key={server.about.id} server={server} service={service} now={now} />
        ))}
        {found.length === 0 && <p className="empty">No server.</p>}
      </div>
      {found.length > most && (
        <button type="button" className="plain" onClick={() => setMost(most + SHOWN)}>
          Show more of {count(found.length)}
        </button>
      )}
    </>
  );
}
