import { Feed } from "../data/feed";
import type { SseEvent } from "../data/sse";
import { useFeed } from "../shared/useFeed";
import { Model } from "./model";

/** The model of the fleet. */
class Store extends Feed {
  readonly model = new Model();

  protected path(): string {
    return `/v1/live?after=${this.model.lastSeq}`;
  }

  protected take(events: SseEvent[]): void {
    this.model.take(events);
  }
}

export const store = new Store();

/** The store, drawn again whenever it has changed. */
export function useStore(): Store {
  useFeed(store);
  return store;
}
