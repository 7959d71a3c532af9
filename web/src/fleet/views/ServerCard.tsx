import { useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { count, percent, span } from "../../shared/format";
import { toneOfLoad } from "../../shared/load";
import { release, remove, restart, takeBack } from "../actions";
import type { Server } from "../model";
import type { Service } from "../types";
import { toneOf } from "../words";
import { Log } from "./Log";

interface Props {
  server: Server;
  service: Service;
  /** The controller's clock, milliseconds. */
  now: number;
}

/** A server: how it is, and what can be done with it. */
export function ServerCard({ server, service, now }: Props) {
  const [isAsked, setAsked] = useState(false);
  const [isLogOpen, setLogOpen] = useState(false);
  const { about, load, inFlight, tunnels } = server;
  const tone = toneOf(about);
  const until = about.deadline === undefined ? 0 : Math.ceil((about.deadline - now) / 1e3);
  return (
    <article className={`card ${tone}`} aria-label={about.name} data-server={about.id}>
      <header>
        <h3>{about.name}</h3>
        <span className={`badge ${tone}`}>{about.state}</span>
      </header>
      <p className="card-address">{about.address ?? "no address yet"}</p>
      <Load load={load} />
      <p className="muted">
        {count(inFlight)} in flight
        {tunnels > 0 && ` · ${count(tunnels)} tunnels`} · {span((now - about.since) / 1e3)}
        {about.incarnation > 1 && ` · start ${about.incarnation}`}
      </p>
      {about.cause !== undefined && <p className="cause-line">{about.cause}</p>}
      {until > 0 && (
        <p className="cause-line">
          {about.state === "draining" ? "cut off" : "tried again"} in {span(until)} at the latest
        </p>
      )}
      {about.deaths > 0 && about.state !== "quarantined" && (
        <p className="cause-line">
          {about.deaths} {about.deaths === 1 ? "death" : "deaths"} in 10 min
        </p>
      )}
      {about.agent === "lost" && <p className="error">its agent is not heard</p>}
      {about.suspicions.map((text) => (
        <p key={text.split(":")[0]} className="error">
          {text}
        </p>
      ))}
      <Buttons server={server} onDelete={() => setAsked(true)} onLog={() => setLogOpen(true)} />
      {isLogOpen && <Log about={about} onClose={() => setLogOpen(false)} />}
      {isAsked && <Delete server={server} service={service} onClose={() => setAsked(false)} />}
    </article>
  );
}

function Load({ load }: { load: number | null }) {
  const tone = load === null ? "off" : toneOfLoad(load);
  return (
    <div className="load">
      <div
        className={`load-bar ${tone}`}
        role="meter"
        aria-label="load"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round((load ?? 0) * 100)}
      >
        <span style={{ width: `${(load ?? 0) * 100}%` }} />
      </div>
      <span className={`load-text ${tone}`}>{load === null ? "no load" : percent(load)}</span>
    </div>
  );
}

const RUNNING = ["starting", "registering", "warming", "serving"];

interface ButtonsProps {
  server: Server;
  onDelete: () => void;
  onLog: () => void;
}

function Buttons({ server: { about }, onDelete, onLog }: ButtonsProps) {
  const { id, name, state } = about;
  return (
    <div className="buttons">
      {RUNNING.includes(state) && (
        <button type="button" onClick={() => void restart(id, name)}>
          Restart
        </button>
      )}
      {state === "draining" && (
        <button type="button" onClick={() => void takeBack(id, name)}>
          Take back
        </button>
      )}
      {state === "quarantined" && (
        <button type="button" onClick={() => void release(id, name)}>
          Release
        </button>
      )}
      {about.provider === "process" && state !== "planned" && (
        <button type="button" onClick={onLog}>
          Log
        </button>
      )}
      {state !== "terminating" && (
        <button type="button" className="danger" onClick={onDelete}>
          {state === "draining" ? "Stop now" : "Delete"}
        </button>
      )}
    </div>
  );
}

interface DeleteProps {
  server: Server;
  service: Service;
  onClose: () => void;
}

/** Asks how a server is to go: after a drain, or now. */
function Delete({ server: { about, inFlight, tunnels }, service, onClose }: DeleteProps) {
  const { id, name, state } = about;
  const go = (atOnce: boolean) => {
    onClose();
    void remove(id, name, atOnce);
  };
  const isDraining = state === "draining";
  const cut = `${count(inFlight)} requests in flight and ${count(tunnels)} tunnels`;
  const after =
    service.want > service.min
      ? `${service.name} then wants ${service.want - 1} servers instead of ${service.want}.`
      : `${service.name} has the fewest it may have (${service.min}), so another takes its place.`;
  return (
    <Dialog title={isDraining ? `Stop ${name} now?` : `Delete ${name}?`} onClose={onClose}>
      <div className="dialog-text">
        {isDraining
          ? `It is draining. Stopped now, ${cut} are cut.`
          : `After a drain it gets nothing new, ends what it has begun, and is stopped; now cuts ${cut}. ${after}`}
      </div>
      <div className="buttons">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="danger" onClick={() => go(true)}>
          {isDraining ? "Stop now" : "Delete now"}
        </button>
        {!isDraining && (
          <button type="button" className="primary" onClick={() => go(false)}>
            Drain, then delete
          </button>
        )}
      </div>
    </Dialog>
  );
}
