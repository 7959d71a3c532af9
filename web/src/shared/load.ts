export type LoadTone = "good" | "warn" | "bad";

/** The colour of a load from 0 to 1: green below 40 %, yellow below 70 %, red. */
export function toneOfLoad(load: number): LoadTone {
  if (load < 0.4) return "good";
  return load < 0.7 ? "warn" : "bad";
}
