import { useState } from "react";
import { add, clearLearned, setStrategy } from "../actions";
import type { Pool } from "../model";
import { Confirm, Dialog } from "../../shared/Dialog";
import { StrategyField } from "./StrategyField";
import { WhatIf } from "./WhatIf";

/** What can be done with a whole pool. */
export function PoolHead({ pool, onWhy }: { pool: Pool; onWhy: () => void }) {
  const [open, setOpen] = useState<"add" | "strategy" | "what-if" | "clear" | null>(null);
  const close = () => setOpen(null);
  return (
    <div className="pool-head">
      <h2>
        Pool {pool.name} <span className="muted">{pool.strategy}</span>
      </h2>
      <div className="buttons">
        <button type="button" onClick={() => setOpen("add")}>
          Add a backend
        </button>
        <button type="button" onClick={() => setOpen("strategy")}>
          Strategy
        </button>
        <button type="button" onClick={() => setOpen("what-if")}>
          What if?
        </button>
        <button type="button" onClick={() => setOpen("clear")}>
          Clear learned
        </button>
        <button type="button" onClick={onWhy}>
          Why?
        </button>
      </div>
      {open === "add" && <Add pool={pool} onClose={close} />}
      {open === "strategy" && <Strategy pool={pool} onClose={close} />}
      {open === "what-if" && <WhatIf pool={pool} onClose={close} />}
      {open === "clear" && (
        <Confirm
          title={`Forget what ${pool.name} has learned?`}
          verb="Clear"
          onClose={close}
          onConfirm={() => void clearLearned(pool.name)}
        >
          Response times and failures of all backends are learned anew. Until then the strategy picks as
          it does after a start.
        </Confirm>
      )}
    </div>
  );
}

function Add({ pool, onClose }: { pool: Pool; onClose: () => void }) {
  const [address, setAddress] = useState("");
  const [name, setName] = useState("");
  const [weight, setWeight] = useState("1");
  return (
    <Dialog title={`Add a backend to ${pool.name}`} onClose={onClose}>
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void add(pool.name, address.trim(), name.trim(), Number(weight)).then((isDone) => {
            if (isDone) onClose();
          });
        }}
      >
        <label>
          Address
          <input
            required
            value={address}
            placeholder="10.0.0.7:8080 or unix:/run/app.sock"
            onChange={(event) => setAddress(event.target.value)}
          />
        </label>
        <label>
          <span>
            Name <span className="muted">(its address, if left out)</span>
          </span>
          <input value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          Weight
          <input
            type="number"
            min={1}
            max={256}
            required
            value={weight}
            onChange={(event) => setWeight(event.target.value)}
          />
        </label>
        <p className="muted">It gets one request at a time first, then a growing share.</p>
        <div className="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary">
            Add
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Strategy({ pool, onClose }: { pool: Pool; onClose: () => void }) {
  const [strategy, setValue] = useState(pool.strategy);
  return (
    <Dialog title={`Strategy of ${pool.name}`} onClose={onClose}>
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void setStrategy(pool.name, strategy.trim()).then((isDone) => {
            if (isDone) onClose();
          });
        }}
      >
        <StrategyField value={strategy} onChange={setValue} />
        <p className="muted">
          It takes over at once, in all workers, and begins to learn. Requests under way end as they would
          have. Strategies that end in a colon need the name of a header field or cookie behind it.
        </p>
        <div className="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="danger" disabled={strategy.trim() === ""}>
            Change
          </button>
        </div>
      </form>
    </Dialog>
  );
}
