import { useSyncExternalStore } from "react";
import type { Feed } from "../data/feed";

/** Draws again whenever the feed has changed. */
export function useFeed(feed: Feed): void {
  useSyncExternalStore(feed.subscribe, feed.snapshot);
}
