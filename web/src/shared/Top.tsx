import type { ReactNode } from "react";
import type { Link } from "../data/stream";
import type { Theme } from "./theme";

interface Props {
  name: string;
  link: Link;
  message: string;
  theme: Theme;
  onTheme: (theme: Theme) => void;
  /** What is beside the state of the link. */
  children: ReactNode;
}

/** The line on top of a page: its name, how the link is, facts, and the theme. */
export function Top({ name, link, message, theme, onTheme, children }: Props) {
  return (
    <header className="top">
      <h1>{name}</h1>
      <span className={`link ${link}`} role="status">
        {words(name, link, message)}
      </span>
      {children}
      <label className="theme">
        <span className="hidden">Theme</span>
        <select value={theme} onChange={(event) => onTheme(event.target.value as Theme)}>
          <option value="system">System</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
    </header>
  );
}

function words(name: string, link: Link, message: string): string {
  switch (link) {
    case "live":
      return "live";
    case "lost":
      return message === "" ? `no connection to ${name}, trying again` : `trying again: ${message}`;
    case "paused":
      return "paused while hidden";
    case "locked":
      return "locked";
    default:
      return "connecting";
  }
}
