import { type KeyboardEvent, useMemo, useState } from "react";
import { type Backend, type Pool, P99, RATE } from "../model";
import { Badge } from "../Badge";
import { Spark } from "../../shared/Spark";
import { VirtualList } from "../../shared/VirtualList";
import { count, micros, percent, rate } from "../../shared/format";
import { toneOf } from "./flow";

const ROW_HEIGHT = 38;
const MAX_ROWS = 16;

type Column = "name" | "state" | "share" | "rate" | "inFlight" | "p50" | "p99" | "errors";

const COLUMNS: [Column, string][] = [
  ["name", "Backend"],
  ["state", "State"],
  ["share", "Share"],
  ["rate", "Req/s"],
  ["inFlight", "In flight"],
  ["p50", "p50"],
  ["p99", "p99"],
  ["errors", "Errors"],
];

/** Worst first. */
const ORDER = ["ejected", "probation", "slow-start", "draining", "disabled", "initial", "healthy"];

function value(backend: Backend, column: Column): string | number {
  switch (column) {
    case "name":
      return backend.about.name;
    case "state":
      return ORDER.indexOf(backend.about.state);
    case "p50":
    case "p99":
      return backend[column] ?? -1;
    default:
      return backend[column];
  }
}

const BY_NAME = new Intl.Collator("en", { numeric: true });

function compare(a: Backend, b: Backend, column: Column): number {
  const [x, y] = [value(a, column), value(b, column)];
  if (typeof x === "string" || typeof y === "string") return BY_NAME.compare(String(x), String(y));
  return x - y;
}

interface Props {
  pool: Pool;
  tick: number;
  selected: Backend | null;
  onSelect: (backend: Backend) => void;
  onKey: (backend: Backend, key: string) => boolean;
}

/** The backends of a pool, one a row. */
export function Backends({ pool, tick, selected, onSelect, onKey }: Props) {
  const [sorted, setSorted] = useState<{ by: Column; isDown: boolean }>({ by: "name", isDown: false });
  const [filter, setFilter] = useState("");
  const [focus, setFocus] = useState<number | null>(null);
  const shown = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one: Backend) => {
      const { name, address, state, cause } = one.about;
      const all = `${name} ${address} ${state} ${cause ?? ""}`.toLowerCase();
      return words.every((word) => all.includes(word));
    };
    const rows = pool.backends.filter(fits).sort((a, b) => compare(a, b, sorted.by));
    return sorted.isDown ? rows.reverse() : rows;
    // Rows change with every tick, though the pool is the same object.
  }, [pool, tick, pool.backends, filter, sorted]);
  const move = (event: KeyboardEvent<HTMLDivElement>, index: number) => {
    const backend = shown[index];
    if (!backend) return;
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(shown.length - 1, to));
      setFocus(next);
      // The row may have to be made first.
      requestAnimationFrame(() => document.getElementById(`row-${pool.name}-${next}`)?.focus());
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onSelect(backend);
    } else if (onKey(backend, event.key)) {
      event.preventDefault();
    }
  };
  return (
    <section className="panel backends" aria-label={`Backends of pool ${pool.name}`}>
      <div className="panel-head">
        <h2>
          Backends <span className="muted">{summary(pool)}</span>
        </h2>
        <input
          id={`filter-${pool.name}`}
          type="search"
          className="filter"
          placeholder="Filter  (press /)"
          aria-label={`Filter backends of ${pool.name}`}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      </div>
      <div role="table" aria-rowcount={shown.length + 1} aria-label="Backends" className="table">
        <div role="rowgroup">
          <div role="row" className="row head" aria-rowindex={1}>
            {COLUMNS.map(([column, label]) => (
              <div
                key={column}
                role="columnheader"
                className={`cell c-${column}`}
                aria-sort={sorted.by !== column ? "none" : sorted.isDown ? "descending" : "ascending"}
              >
                <button
                  type="button"
                  onClick={() =>
                    setSorted({
                      by: column,
                      isDown: sorted.by === column ? !sorted.isDown : column !== "name" && column !== "state",
                    })
                  }
                >
                  {label}
                  <span aria-hidden="true">{sorted.by === column ? (sorted.isDown ? " ↓" : " ↑") : ""}</span>
                </button>
              </div>
            ))}
            <div role="columnheader" className="cell c-minute">
              Last minute
            </div>
          </div>
        </div>
        <VirtualList
          count={shown.length}
          rowHeight={ROW_HEIGHT}
          maxRows={MAX_ROWS}
          focus={focus}
          row={(index) => {
            const backend = shown[index];
            return (
              backend && (
                <Row
                  key={backend.about.id}
                  id={`row-${pool.name}-${index}`}
                  index={index}
                  backend={backend}
                  tick={tick}
                  isFirst={index === (focus ?? 0)}
                  isSelected={backend === selected}
                  onSelect={() => {
                    setFocus(index);
                    onSelect(backend);
                  }}
                  onKeyDown={(event) => move(event, index)}
                />
              )
            );
          }}
        />
        {shown.length === 0 && (
          <p className="empty">
            {pool.backends.length === 0 ? "This pool has no backends." : "No backend fits the filter."}
          </p>
        )}
      </div>
    </section>
  );
}

function summary(pool: Pool): string {
  const states = new Map<string, number>();
  for (const { about } of pool.backends) {
    const state = about.state === "initial" ? "healthy" : about.state;
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const parts = [...states].map(([state, number]) => `${number} ${state.replace("-", " ")}`);
  return parts.join(" · ");
}

interface RowProps {
  id: string;
  index: number;
  backend: Backend;
  tick: number;
  isFirst: boolean;
  isSelected: boolean;
  onSelect: () => void;
  onKeyDown: (event: KeyboardEvent<HTMLDivElement>) => void;
}

function Row({ id, index, backend, tick, isFirst, isSelected, onSelect, onKeyDown }: RowProps) {
  const { about } = backend;
  const cause = about.state === "healthy" || about.state === "initial" ? null : about.cause;
  return (
    <div
      role="row"
      id={id}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      className={isSelected ? "row selected" : "row"}
      data-backend={about.name}
      tabIndex={isFirst ? 0 : -1}
      onClick={onSelect}
      onKeyDown={onKeyDown}
    >
      <div role="cell" className="cell c-name">
        <i className={`dot tone${toneOf(about.state)}`} aria-hidden="true" />
        <span className="name" title={about.name === about.address ? about.name : `${about.name}, ${about.address}`}>
          <bdi>{about.name}</bdi>
        </span>
        {about.weight !== 1 && <span className="muted"> ×{about.weight}</span>}
      </div>
      <div role="cell" className="cell c-state" title={cause ?? undefined}>
        <Badge state={about.state} />
        {about.operator?.health && <span className="badge held">held {about.operator.health}</span>}
        {cause !== null && <span className="cause">{cause}</span>}
      </div>
      <div role="cell" className="cell c-share">
        <span className="bar" aria-hidden="true">
          <span style={{ width: `${Math.min(100, backend.share * 100)}%` }} />
        </span>
        {percent(backend.share)}
      </div>
      <div role="cell" className="cell c-rate">
        {rate(backend.rate)}
      </div>
      <div role="cell" className="cell c-inFlight">
        {count(backend.inFlight)}
        {about.max_in_flight !== null && <span className="muted">/{about.max_in_flight}</span>}
      </div>
      <div role="cell" className="cell c-p50">
        {micros(backend.p50)}
      </div>
      <div role="cell" className="cell c-p99">
        {micros(backend.p99)}
      </div>
      <div role="cell" className={backend.errorRate > 0 ? "cell c-errors bad" : "cell c-errors"}>
        {count(backend.errors)}
      </div>
      <div role="cell" className="cell c-minute">
        <Spark
          values={backend.history.values(RATE)}
          tick={tick}
          label={`requests of ${about.name}, last minute`}
        />
        <Spark
          values={backend.history.values(P99)}
          tick={tick}
          label={`p99 of ${about.name}, last minute`}
          tone="--accent2"
        />
      </div>
    </div>
  );
}
