import { ask } from "../data/api";
import { reply } from "./replies";

/** What is said to something that was done. */
interface Told {
  done?: string;
  state?: string;
  strategy?: string;
}

function words(what: string, { done, state, strategy }: Told): string {
  if (done !== undefined) return done;
  const now = state ?? strategy;
  return now === undefined ? `${what}: done` : `${what}: now ${now}`;
}

/** Does something, and shows what is said to it. Returns whether it was done. */
export async function act(
  what: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<boolean> {
  try {
    const response = await ask(method, path, body);
    reply(true, words(what, (await response.json()) as Told));
    return true;
  } catch (error) {
    reply(false, `${what}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}
