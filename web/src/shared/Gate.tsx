import { useState } from "react";
import { setToken } from "../data/api";

interface Props {
  /** What asks for a token. */
  asks: string;
  /** What it said to the last try. */
  message: string;
  note: string;
  onToken: () => void;
}

/** Asks for a token in place of the page. */
export function Gate({ asks, message, note, onToken }: Props) {
  const [value, setValue] = useState("");
  return (
    <main className="gate">
      <form
        className="panel fields"
        onSubmit={(event) => {
          event.preventDefault();
          setToken(value.trim());
          onToken();
        }}
      >
        <h2>This {asks} asks for a token</h2>
        <p className="muted">{message}</p>
        <label>
          Token
          <input
            type="password"
            autoComplete="off"
            required
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        </label>
        <p className="muted">{note} It is kept until this tab is closed.</p>
        <div className="buttons">
          <button type="submit" className="primary">
            Open
          </button>
        </div>
      </form>
    </main>
  );
}
