import { get } from "../data/api";
import { Feed } from "../data/feed";
import type { SseEvent } from "../data/sse";
import type { Link } from "../data/stream";
import { useFeed } from "../shared/useFeed";
import { Model } from "./model";
import type { Listener, Route } from "./types";

/** The model of lb. */
class Store extends Feed {
  readonly model = new Model();
  /** Whether the token may read alone. */
  isReadOnly = false;

  protected path(): string {
    return `/v1/live?after=${this.model.lastSeq}`;
  }

  protected take(events: SseEvent[]): void {
    if (!this.model.take(events)) return;
    this.model.restarted();
    this.opened();
    this.reconnect();
  }

  protected override opened(): void {
    const model = this.model;
    Promise.all([
      get<{ listeners: Listener[] }>("/v1/listeners"),
      get<{ routes: Route[] }>("/v1/routes"),
      get<{ access: "read" | "write" }>("/v1/access"),
    ]).then(
      ([{ listeners }, { routes }, { access }]) => {
        this.isReadOnly = access === "read";
        model.listeners = listeners;
        model.routes = routes;
        this.draw();
      },
      // The stream tells what is wrong, and asks again.
      () => undefined,
    );
  }
}

export const store = new Store();

/** The model, drawn again whenever it has changed. */
export function useModel(): Model {
  useFeed(store);
  return store.model;
}

/** The link to lb, what is wrong with it, and whether it allows no changes. */
export function useLink(): { link: Link; message: string; isReadOnly: boolean } {
  useFeed(store);
  return { link: store.link, message: store.message, isReadOnly: store.isReadOnly };
}
