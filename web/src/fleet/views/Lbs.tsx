import type { Lb } from "../types";

/** Each lb, and how far it is with what it was told. */
export function Lbs({ lbs }: { lbs: Lb[] }) {
  if (lbs.length === 0) return null;
  return (
    <section className="panel" aria-label="Load balancers">
      <div className="panel-head">
        <h2>Load balancers</h2>
      </div>
      <ul className="plain-list">
        {lbs.map((lb) => (
          <li key={lb.name}>
            <div className="line">
              <a href={lb.name} rel="noreferrer" target="_blank">
                {lb.name.replace("http://", "")}
              </a>
              <span className={`badge ${lb.is_reachable ? "good" : "bad"}`}>
                {lb.is_reachable ? "reached" : "silent"}
              </span>
            </div>
            {lb.trouble !== undefined && <p className="error">{lb.trouble}</p>}
            {lb.pools.map(({ pool, revision, taken_revision, refused }) => (
              <p key={pool} className={refused === undefined ? "muted" : "error"}>
                pool {pool}: revision {taken_revision ?? "none"} of {revision}
                {refused !== undefined && ` · refused: ${refused}`}
              </p>
            ))}
          </li>
        ))}
      </ul>
    </section>
  );
}
