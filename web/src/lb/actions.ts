import { poolPath } from "../data/api";
import { act } from "../shared/act";

export type Verb = "drain" | "undrain" | "disable" | "enable";

export function command(pool: string, backend: string, verb: Verb): Promise<boolean> {
  return act(`${verb} ${backend}`, "POST", poolPath(pool, "backends", backend, verb));
}

export function setWeight(pool: string, backend: string, weight: number): Promise<boolean> {
  const path = poolPath(pool, "backends", backend, "weight");
  return act(`weight ${weight} for ${backend}`, "PUT", path, { weight });
}

/** `null`: as many as the flags or the file say. */
export function setMaxInFlight(pool: string, backend: string, most: number | null): Promise<boolean> {
  const path = poolPath(pool, "backends", backend, "max_in_flight");
  const what = most === null ? "no own limit" : `at most ${most} in flight`;
  return act(`${what} for ${backend}`, "PUT", path, { max_in_flight: most });
}

export function setHealth(
  pool: string,
  backend: string,
  health: "up" | "down" | "auto",
): Promise<boolean> {
  const path = poolPath(pool, "backends", backend, "health");
  return act(`health ${health} for ${backend}`, "PUT", path, { health });
}

export function remove(pool: string, backend: string): Promise<boolean> {
  return act(`remove ${backend}`, "DELETE", poolPath(pool, "backends", backend));
}

export function add(
  pool: string,
  address: string,
  name: string,
  weight: number,
): Promise<boolean> {
  const body = name === "" ? { address, weight } : { address, weight, name };
  return act(`add ${name || address}`, "POST", poolPath(pool, "backends"), body);
}

export function setStrategy(pool: string, strategy: string): Promise<boolean> {
  return act(`strategy of ${pool}`, "PUT", poolPath(pool), { strategy });
}

export function clearLearned(pool: string): Promise<boolean> {
  return act(`clear learned times of ${pool}`, "POST", poolPath(pool, "clear-learned"));
}
