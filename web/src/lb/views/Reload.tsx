import { useState } from "react";
import { ask, Refused } from "../../data/api";
import { Confirm, Dialog } from "../../shared/Dialog";
import { reply } from "../../shared/replies";

interface Reloaded {
  config_generation: number;
  changes: string[];
}

/** Has lb read its configuration file anew, and shows what is wrong with it if it is refused. */
export function Reload() {
  const [isAsked, setAsked] = useState(false);
  const [mistakes, setMistakes] = useState<string[] | null>(null);
  const [isUnderWay, setUnderWay] = useState(false);
  const run = async () => {
    setUnderWay(true);
    try {
      const response = await ask("POST", "/v1/reload");
      const { config_generation, changes } = (await response.json()) as Reloaded;
      const what = changes.length === 0 ? "nothing has changed" : changes.join("; ");
      reply(true, `configuration ${config_generation}: ${what}`);
    } catch (error) {
      const errors = error instanceof Refused ? error.details.errors : undefined;
      if (Array.isArray(errors)) setMistakes(errors.map(String));
      else reply(false, `reload: ${error instanceof Error ? error.message : String(error)}`);
    }
    setUnderWay(false);
  };
  return (
    <>
      <button type="button" disabled={isUnderWay} onClick={() => setAsked(true)}>
        {isUnderWay ? "Reloading" : "Reload"}
      </button>
      {isAsked && (
        <Confirm
          title="Reload the configuration?"
          verb="Reload"
          onClose={() => setAsked(false)}
          onConfirm={() => void run()}
        >
          lb reads its file anew and takes it whole, or not at all if anything in it is wrong. Connections,
          queued requests and what was learned of backends stay.
        </Confirm>
      )}
      {mistakes && (
        <Dialog title="The configuration is refused" onClose={() => setMistakes(null)}>
          <p className="dialog-text">The one before stays in effect. What is wrong:</p>
          <ul className="mistakes">
            {mistakes.map((mistake) => (
              <li key={mistake}>{mistake}</li>
            ))}
          </ul>
          <div className="buttons">
            <button type="button" className="primary" onClick={() => setMistakes(null)}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
