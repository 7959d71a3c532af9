import { useEffect, useState } from "react";
import { get } from "../../data/api";
import { clock } from "../../shared/format";
import type { Decision, Service } from "../types";

const MOST = 50;

/** Why so many are wanted: the arithmetic of the last decision, and the decisions before. */
export function Decisions({ service }: { service: Service }) {
  const { name, decision, want } = service;
  const [past, setPast] = useState<Decision[]>([]);
  const [error, setError] = useState("");
  // A decision that changed something is stored: the list is read again for it.
  useEffect(() => {
    const abort = new AbortController();
    get<{ decisions: Decision[] }>(
      `/v1/services/${encodeURIComponent(name)}/decisions?limit=${MOST}`,
      abort.signal,
    ).then(
      ({ decisions }) => setPast(decisions),
      (reason: unknown) => {
        if (!abort.signal.aborted) setError(reason instanceof Error ? reason.message : String(reason));
      },
    );
    return () => abort.abort();
  }, [name, want]);
  return (
    <div className="decisions">
      <div>
        <h3>Now</h3>
        {decision === undefined ? (
          <p className="muted">Nothing was decided yet.</p>
        ) : (
          <ul className="plain-list" aria-label="Reasons of the last decision">
            {decision.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
            <li>
              <strong>so {decision.want} are wanted</strong>
              {decision.want !== want && `, and ${want} by an operator's word or the bounds`}
            </li>
          </ul>
        )}
      </div>
      <div className="scroll" tabIndex={0} aria-label="Decisions before">
        <h3>Before</h3>
        {error !== "" && <p className="error">{error}</p>}
        <ol className="plain-list">
          {past.map(({ at, want: wanted, reasons }) => (
            <li key={`${at}-${wanted}`}>
              <span className="muted">{clock((at ?? 0) / 1e3)}</span> <strong>{wanted}</strong>{" "}
              {reasons.join("; ")}
            </li>
          ))}
          {past.length === 0 && <li className="muted">No decision has changed anything yet.</li>}
        </ol>
      </div>
    </div>
  );
}
