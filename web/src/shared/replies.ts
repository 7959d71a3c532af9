import { useSyncExternalStore } from "react";

/** What lb said to something that was done here. */
export interface Reply {
  id: number;
  isGood: boolean;
  text: string;
}

const SHOWN_MS = 6_000;

let replies: Reply[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function change(next: Reply[]): void {
  replies = next;
  for (const listener of listeners) listener();
}

export function reply(isGood: boolean, text: string): void {
  const id = nextId++;
  change([...replies, { id, isGood, text }].slice(-4));
  window.setTimeout(() => dismiss(id), isGood ? SHOWN_MS : SHOWN_MS * 2);
}

export function dismiss(id: number): void {
  change(replies.filter((one) => one.id !== id));
}

export function useReplies(): Reply[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => replies,
  );
}
