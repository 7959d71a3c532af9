const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number of things. */
export function count(value: number): string {
  return COUNT.format(value);
}

/** A rate per second, to about three digits. */
export function rate(value: number): string {
  if (value >= 100) return COUNT.format(value);
  if (value >= 10) return value.toFixed(1);
  return value === 0 ? "0" : value.toFixed(2);
}

/** A time in microseconds, with its unit; a dash for none. */
export function micros(value: number | null): string {
  if (value === null) return "–";
  if (value < 1_000) return `${value.toFixed(0)} µs`;
  if (value < 10_000) return `${(value / 1_000).toFixed(2)} ms`;
  if (value < 100_000) return `${(value / 1_000).toFixed(1)} ms`;
  if (value < 1_000_000) return `${(value / 1_000).toFixed(0)} ms`;
  return `${(value / 1_000_000).toFixed(2)} s`;
}

export function seconds(value: number | null): string {
  return micros(value === null ? null : value * 1e6);
}

/** Part of a whole. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** A span in the two largest units. */
export function span(total: number): string {
  const s = Math.max(0, Math.floor(total));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

/** The time of day of a Unix time. */
export function clock(unix: number): string {
  return new Date(unix * 1e3).toLocaleTimeString("en-GB");
}
