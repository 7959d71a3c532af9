import { act } from "../shared/act";

function service(name: string, verb: string, body?: unknown): Promise<boolean> {
  return act(`${verb} ${name}`, "POST", `/v1/services/${encodeURIComponent(name)}/${verb}`, body);
}

export const scale = (name: string, want: number) => service(name, "scale", { want });
export const create = (name: string) => service(name, "create");
export const stop = (name: string) => service(name, "stop");
export const start = (name: string) => service(name, "start");
export const resume = (name: string) => service(name, "resume");
export const pause = (name: string, why: string) => service(name, "pause", { why });

function server(id: number, name: string, verb: string): Promise<boolean> {
  return act(`${verb} ${name}`, "POST", `/v1/servers/${id}/${verb}`);
}

export const restart = (id: number, name: string) => server(id, name, "restart");
export const takeBack = (id: number, name: string) => server(id, name, "cancel-drain");
export const release = (id: number, name: string) => server(id, name, "retry");

/** Drains the server first, unless it is to go at once. */
export function remove(id: number, name: string, atOnce: boolean): Promise<boolean> {
  return act(`delete ${name}`, "DELETE", `/v1/servers/${id}${atOnce ? "?now=true" : ""}`);
}

export function apply(force: boolean): Promise<boolean> {
  return act("apply fleet.toml", "POST", `/v1/apply${force ? "?force=true" : ""}`);
}
