import { useEffect, useRef, useState } from "react";
import { ask } from "../../data/api";
import { Dialog } from "../../shared/Dialog";
import type { About } from "../types";

/** The end of a server's log. */
export function Log({ about, onClose }: { about: About; onClose: () => void }) {
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState("");
  const [reading, setReading] = useState(0);
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const abort = new AbortController();
    ask("GET", `/v1/servers/${about.id}/log`, undefined, abort.signal)
      .then((response) => response.text())
      .then(
        (lines) => {
          setText(lines);
          setError("");
        },
        (reason: unknown) => {
          if (!abort.signal.aborted) setError(reason instanceof Error ? reason.message : String(reason));
        },
      );
    return () => abort.abort();
  }, [about.id, about.incarnation, reading]);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <Dialog title={`Log of ${about.name}`} onClose={onClose}>
      {error !== "" && <p className="error dialog-text">{error}</p>}
      {text !== null && (
        <pre ref={box} className="log" tabIndex={0} aria-label="Last lines">
          {text === "" ? "It has written nothing." : text}
        </pre>
      )}
      <div className="buttons">
        <button type="button" onClick={() => setReading(reading + 1)}>
          Read again
        </button>
        <button type="button" className="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
