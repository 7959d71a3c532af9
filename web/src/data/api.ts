// Requests to the program this page was loaded from.

/** An answer that says no, in the words of what was asked. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** What else the answer says. */
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const TOKEN_KEY = "lb-admin-token";

export function token(): string | null {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** Keeps the token for as long as the tab is open. */
export function setToken(value: string): void {
  if (value === "") sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, value);
}

function headers(hasBody: boolean): Record<string, string> {
  const all: Record<string, string> = { Accept: "application/json" };
  const own = token();
  if (own !== null) all.Authorization = `Bearer ${own}`;
  if (hasBody) all["Content-Type"] = "application/json";
  return all;
}

export async function ask(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const init: RequestInit = { method, headers: headers(body !== undefined), cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  const response = await fetch(path, init);
  if (!response.ok) throw await refused(response);
  return response;
}

async function refused(response: Response): Promise<Refused> {
  const { status } = response;
  try {
    const body = (await response.json()) as { error?: { message?: string } };
    return new Refused(status, body.error?.message ?? `HTTP ${status}`, { ...body });
  } catch {
    return new Refused(status, `HTTP ${status}`);
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask("GET", path, undefined, signal);
  return (await response.json()) as T;
}

/** The path of a pool, or of something in it. */
export function poolPath(pool: string, ...rest: string[]): string {
  return ["/v1/pools", ...[pool, ...rest].map(encodeURIComponent)].join("/");
}
