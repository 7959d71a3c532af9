// The page of an agent: the load that it reports, and a slider that overrides it. Small enough to do
// without React.

import { ask } from "../data/api";
import { type Link, LiveStream } from "../data/stream";
import { percent, span } from "../shared/format";
import { toneOfLoad } from "../shared/load";
import "../style/base.css";
import "../style/load.css";
import "../style/agent.css";
import type { AgentEvent } from "./types";

function part<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as T;
}

const hand = part<HTMLInputElement>("hand");
const said = part("said");
/** Whether the slider is being moved: it is not set under the finger then. */
let isHeld = false;
/** What is to be sent once the request under way is answered. */
let next: object | null = null;
let isSending = false;

/** Sends the last of what was asked for; a slider moves faster than requests are answered. */
async function change(to: object): Promise<void> {
  next = to;
  if (isSending) return;
  isSending = true;
  while (next !== null) {
    const body = next;
    next = null;
    try {
      await ask("POST", "/load/", body);
      said.textContent = "";
    } catch (error) {
      said.textContent = error instanceof Error ? error.message : String(error);
    }
  }
  isSending = false;
}

function show({ load, source, measured, read_seconds_ago, about, version }: AgentEvent): void {
  part("version").textContent = version;
  showLoad(load);
  if (!isHeld && !isSending) hand.value = String(Math.round(load * 100));
  for (const key of ["cpu", "slider"] as const) {
    part(key).setAttribute("aria-pressed", String(source === key));
  }
  part("measured").textContent = `Measured now: ${percent(measured)} of the processors it may use.`;
  const { name, command, pid, monitor, announced } = about;
  showFacts([
    ["Name", name ?? "none given"],
    ["Server", command.length > 0 ? command.join(" ") : "not started by this agent"],
    ["Process", pid === null ? "–" : String(pid)],
    ["Last read by a monitor", read_seconds_ago === null ? "never" : `${span(read_seconds_ago)} ago`],
    ["Announced to", announced ?? monitor ?? "none: a monitor must know it"],
  ]);
}

function showLoad(load: number): void {
  const tone = toneOfLoad(load);
  const shown = part("load");
  shown.textContent = percent(load);
  shown.className = `reported ${tone}`;
  const bar = part("bar");
  bar.className = `load-bar ${tone}`;
  (bar.firstElementChild as HTMLElement).style.width = `${load * 100}%`;
}

function showFacts(facts: [string, string][]): void {
  part("facts").replaceChildren(
    ...facts.map(([term, value]) => {
      const row = document.createElement("div");
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      row.append(dt, dd);
      return row;
    }),
  );
}

function showLink(link: Link, message = ""): void {
  const shown = part("link");
  shown.className = `link ${link}`;
  shown.textContent = link === "lost" ? `no connection, trying again ${message}`.trim() : link;
}

hand.addEventListener("input", () => {
  isHeld = true;
  const load = Number(hand.value) / 100;
  showLoad(load);
  void change({ load });
});
hand.addEventListener("change", () => {
  isHeld = false;
});
part("cpu").addEventListener("click", () => void change({ source: "cpu" }));
part("slider").addEventListener("click", () => void change({ source: "slider" }));

new LiveStream({
  path: () => "/v1/live",
  take: (events) => {
    const last = events.filter(({ event }) => event === "agent").pop();
    if (last) show(JSON.parse(last.data) as AgentEvent);
  },
  link: showLink,
}).start();
