import { ERROR_RATE, IN_FLIGHT, type Model, P99, RATE } from "../model";
import { Spark } from "../../shared/Spark";
import { Tile } from "../../shared/Tile";
import { count, micros, rate, seconds } from "../../shared/format";

/** The figures of everything together. */
export function Totals({ model }: { model: Model }) {
  const sum = (of: (pool: Model["pools"][number]) => number) =>
    model.pools.reduce((total, pool) => total + of(pool), 0);
  const queued = sum((pool) => pool.queued);
  const wait = Math.max(0, ...model.pools.map((pool) => pool.oldestWait));
  const slowest = model.pools.reduce<number | null>(
    (most, pool) => (pool.p99 === null ? most : Math.max(most ?? 0, pool.p99)),
    null,
  );
  const errors = sum((pool) => pool.errorRate);
  const shed = sum((pool) => pool.shedRate);
  return (
    <section className="totals" aria-label="Totals">
      <Tile label="Requests" value={rate(sum((pool) => pool.rate))} unit="/s">
        <Spark values={added(model, RATE)} tick={model.at} label="requests, last minute" />
      </Tile>
      <Tile label="Response time p99" value={micros(slowest)}>
        <Spark values={most(model, P99)} tick={model.at} label="p99, last minute" tone="--accent2" />
      </Tile>
      <Tile label="In flight" value={count(sum((pool) => pool.inFlight))}>
        <Spark values={added(model, IN_FLIGHT)} tick={model.at} label="in flight, last minute" />
      </Tile>
      <Tile label="Errors" value={rate(errors)} unit="/s" isBad={errors > 0}>
        <Spark values={added(model, ERROR_RATE)} tick={model.at} label="errors, last minute" tone="--bad" />
      </Tile>
      <Tile
        label="Queue"
        value={count(queued)}
        isBad={queued > 0}
        note={queued > 0 ? `oldest waits ${seconds(wait)}` : "nothing waits"}
      />
      <Tile
        label="Refused"
        value={rate(shed)}
        unit="/s"
        isBad={shed > 0}
        note={`${count(sum((pool) => pool.shed))} since the start`}
      />
      <Tile label="Connections" value={count(model.connections)} note="of clients, open" />
    </section>
  );
}

function column(model: Model, figure: number): (number | null)[][] {
  return model.pools.map((pool) => pool.history.values(figure));
}

function joined(
  columns: (number | null)[][],
  join: (a: number, b: number) => number,
): (number | null)[] {
  const [first, ...rest] = columns;
  return (first ?? []).map((start, index) =>
    rest.reduce<number | null>((all, values) => {
      const value = values[index] ?? null;
      if (value === null) return all;
      return all === null ? value : join(all, value);
    }, start),
  );
}

function added(model: Model, figure: number): (number | null)[] {
  return joined(column(model, figure), (a, b) => a + b);
}

function most(model: Model, figure: number): (number | null)[] {
  return joined(column(model, figure), Math.max);
}
